import type { ServerName } from '../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../protocol/ids/user-id.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, RoomNid, ServerNid } from '../../store/nids.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { isJsonObject } from '../../util/json.ts';
import type { AuthEvents } from '../input/auth-events.ts';
import type { ServerAccess } from '../server-access.ts';

export interface HistoryServersUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly authEvents: AuthEvents;
  readonly serverAccess: ServerAccess;
  readonly serverName: ServerName;
}

/** Servers named at most: nobody waits for more of them. */
const maxServers = 12;
/** Of those with the most users in the room. */
const maxLarge = 5;
/** Users with power whose servers are looked at. */
const maxPowerful = 20;
/** Servers of a room looked at in one go. */
const pageSize = 500;

/** Whom to ask for what is missing of a room's history. */
export class HistoryServers {
  readonly #uses: HistoryServersUses;

  constructor(uses: HistoryServersUses) {
    this.#uses = uses;
  }

  /**
   * The likeliest first: those that sent the events behind which something is missing, those of users with power, those
   * with the most users in the room. Only servers that are in the room now and that its ACL lets take part.
   */
  likely(room: RoomNid, near: readonly EventNid[]): ServerName[] {
    const found = new Set<ServerName>();
    for (const server of this.#candidates(room, near)) {
      if (found.size >= maxServers) break;
      if (this.#mayHave(room, server)) found.add(server);
    }
    return [...found];
  }

  *#candidates(room: RoomNid, near: readonly EventNid[]): Generator<ServerName> {
    const { interning, events } = this.#uses;
    for (const { sender } of events.rows(near)) yield interning.serverName(interning.userServer(sender));
    yield* this.#powerful(room);
    yield* this.#large(room);
  }

  #mayHave(room: RoomNid, server: ServerName): boolean {
    const { serverAccess, serverName } = this.#uses;
    return server !== serverName && serverAccess.isInRoom(room, server) && serverAccess.aclAllows(room, server);
  }

  #powerful(room: RoomNid): ServerName[] {
    const { roomState, authEvents } = this.#uses;
    const nid = roomState.current(room, wellKnown.stateKeys.powerLevels);
    const users = nid === undefined ? undefined : authEvents.get(nid).content['users'];
    if (!isJsonObject(users)) return [];
    return Object.entries(users)
      .filter(([, level]) => typeof level === 'number' && level >= 50)
      .slice(0, maxPowerful)
      .sort(([, left], [, right]) => (right as number) - (left as number))
      .map(([user]) => parseUserId(user))
      .filter((user) => user !== undefined)
      .map(serverOf);
  }

  #large(room: RoomNid): ServerName[] {
    const { roomState, interning } = this.#uses;
    let largest: { server: ServerNid; joined: number }[] = [];
    let after: ServerNid | 0 = 0;
    while (true) {
      const page = roomState.servers.current(room, after, pageSize);
      largest = [...largest, ...page].sort((left, right) => right.joined - left.joined).slice(0, maxLarge);
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) break;
      after = last.server;
    }
    return largest.map(({ server }) => interning.serverName(server));
  }
}
