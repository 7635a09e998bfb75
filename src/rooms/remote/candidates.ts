import { serverOfRoomId } from '../../protocol/ids/room-id.ts';
import { parseServerName } from '../../protocol/ids/server-name.ts';
import type { RoomId, ServerName } from '../../protocol/ids/types.ts';
import { serverOf } from '../../protocol/ids/user-id.ts';
import { tryParseJson } from '../../protocol/parse-json.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { UserNid } from '../../store/nids.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { serversInStripped } from '../membership/stripped-servers.ts';

/** Servers asked for one handshake: who names more does not know where the room is. */
const maxCandidates = 20;
/** Of those that were in a room when we left it. */
const maxResidents = 10;

export interface CandidateUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly serverName: ServerName;
  readonly mayTalkTo: (server: ServerName) => boolean;
}

/** Finds servers that may help a user of ours into a room, or out of it. */
export class Candidates {
  readonly #uses: CandidateUses;

  constructor(uses: CandidateUses) {
    this.#uses = uses;
  }

  /**
   * In the order in which they are asked, each once: those that are named, the inviter's, those of whom the invite or the
   * answer to a knock tells, those that were in the room when we knew it, and the one that made its ID.
   */
  of(roomId: RoomId, user: UserNid | undefined, named: readonly string[] = []): ServerName[] {
    const found = new Set<ServerName>();
    const add = (text: string | undefined) => {
      const server = text === undefined || found.size >= maxCandidates ? undefined : parseServerName(text);
      if (server !== undefined && server !== this.#uses.serverName && this.#uses.mayTalkTo(server)) found.add(server);
    };
    for (const server of named) add(server);
    if (user !== undefined) {
      add(this.inviter(roomId, user));
      for (const server of this.#shown(roomId, user)) add(server);
    }
    for (const server of this.#residents(roomId)) add(server);
    add(serverOfRoomId(roomId));
    return [...found];
  }

  /** The server of whoever made the user's present membership of the room. */
  inviter(roomId: RoomId, user: UserNid): ServerName | undefined {
    const { interning, roomState, events, serverName } = this.#uses;
    const room = interning.findRoom(roomId);
    const member = room === undefined ? undefined : roomState.localMember(user, room);
    const row = member === undefined ? undefined : events.row(member.event);
    const server = row === undefined ? undefined : serverOf(interning.userId(row.sender));
    return server === serverName ? undefined : server;
  }

  /** The servers of those who made the stripped state that came with an invite or a knock. */
  #shown(roomId: RoomId, user: UserNid): ServerName[] {
    const { interning, roomState } = this.#uses;
    const room = interning.findRoom(roomId);
    const stripped = room === undefined ? undefined : roomState.stripped(user, room);
    const events: unknown = stripped === undefined ? undefined : tryParseJson(stripped);
    return Array.isArray(events) ? serversInStripped(events) : [];
  }

  #residents(roomId: RoomId): ServerName[] {
    const { interning, roomState } = this.#uses;
    const room = interning.findRoom(roomId);
    const info = room === undefined ? undefined : roomState.info(room);
    if (room === undefined || info === undefined) return [];
    return roomState.servers.at(room, info.lastPos, 0, maxResidents).map((nid) => interning.serverName(nid));
  }
}
