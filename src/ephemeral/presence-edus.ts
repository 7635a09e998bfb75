import type { EduPage, EduSource } from '../federation/queue/edu-source.ts';
import { SpanMemo } from '../federation/queue/span-memo.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import { memberships } from '../store/events/membership.ts';
import type { ServerRooms } from '../store/federation/server-rooms.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid, ServerNid, StreamPos, UserNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { Clock } from '../util/clock.ts';
import type { JsonObject } from '../util/json.ts';
import type { Presence } from './presence.ts';

export interface PresenceEdusUses {
  readonly presence: Presence;
  readonly roomState: RoomStateStore;
  readonly serverRooms: ServerRooms;
  readonly interning: Interning;
  readonly serverName: ServerName;
  readonly clock: Clock;
}

/** What a user's presence is now. */
interface Changed {
  readonly user: UserNid;
  readonly content: JsonObject;
}

/**
 * The presence of our users as it is now, for the servers that share a room with them.
 * @see https://spec.matrix.org/v1.19/server-server-api/#presence
 */
export class PresenceEdus implements EduSource {
  readonly #uses: PresenceEdusUses;
  readonly #memo: SpanMemo<readonly Changed[]>;

  constructor(uses: PresenceEdusUses) {
    this.#uses = uses;
    this.#memo = new SpanMemo(uses.clock);
  }

  servers(from: StreamPos, to: StreamPos, after: ServerNid | 0, limit: number): ServerNid[] {
    const rooms = new Set<RoomNid>();
    for (const { user } of this.#changed(from, to)) for (const room of this.#roomsOf(user)) rooms.add(room);
    const servers = new Set<ServerNid>();
    for (const room of rooms) {
      for (const { server } of this.#uses.serverRooms.page(room, to, to, after, limit)) servers.add(server);
    }
    return [...servers].sort((a, b) => a - b).slice(0, limit);
  }

  read(server: ServerNid, from: StreamPos, to: StreamPos, _limit: number): EduPage {
    const { serverRooms, interning } = this.#uses;
    const push = this.#changed(from, to)
      .filter(({ user }) => this.#roomsOf(user).some((room) => serverRooms.isIn(room, server, to)))
      .map(({ user, content }): JsonObject => ({ user_id: interning.userId(user), ...content }));
    return { edus: push.length === 0 ? [] : [{ edu_type: 'm.presence', content: { push } }], upTo: to };
  }

  forget(): void {
    this.#memo.forget();
  }

  #changed(from: StreamPos, to: StreamPos): readonly Changed[] {
    const { presence, interning, serverName } = this.#uses;
    const isOurs = ({ user }: Changed) => interning.serverName(interning.userServer(user)) === serverName;
    return this.#memo.get(from, to, () => presence.changed(from, to).filter(isOurs));
  }

  #roomsOf(user: UserNid): RoomNid[] {
    return this.#uses.roomState.localRooms(user, [memberships.join]).map(({ room }) => room);
  }
}
