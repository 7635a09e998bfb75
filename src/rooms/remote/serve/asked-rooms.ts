import { forbidden, notFound } from '../../../protocol/errors.ts';
import type { ServerName } from '../../../protocol/ids/types.ts';
import type { EventStore } from '../../../store/events/event-store.ts';
import type { Interning } from '../../../store/interning/interning.ts';
import type { EventNid, RoomNid } from '../../../store/nids.ts';
import type { RoomStateStore } from '../../../store/state/room-state-store.ts';
import type { KnownRoom, KnownRooms } from '../../known-rooms.ts';
import type { WholeRooms } from '../../partial/whole-rooms.ts';
import type { ServerAccess } from '../../server-access.ts';

export interface AskedRoomsUses {
  readonly rooms: KnownRooms;
  readonly access: ServerAccess;
  readonly wholeRooms: WholeRooms;
  readonly serverName: ServerName;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
}

/** Finds the rooms that other servers ask about, for those who may. */
export class AskedRooms {
  readonly #uses: AskedRoomsUses;

  constructor(uses: AskedRoomsUses) {
    this.#uses = uses;
  }

  /**
   * For a server that takes part in the room. 404 M_NOT_FOUND unknown room · 403 M_FORBIDDEN kept out or not in it,
   * ORG.MATRIX.MSC3895_UNABLE_DUE_TO_PARTIAL_STATE we cannot tell yet
   */
  forMember(origin: ServerName, roomId: string): KnownRoom {
    const room = this.#uses.rooms.get(roomId);
    this.requireMember(origin, room);
    return room;
  }

  /**
   * The same for a server that asks because of certain events. While members are missing, one that is in the room by the
   * word of others is told of what our users say, so it gets an answer where it asks about that.
   * @see https://github.com/matrix-org/matrix-spec-proposals/pull/3895
   */
  forListener(origin: ServerName, roomId: string, because: readonly EventNid[]): KnownRoom {
    const room = this.#uses.rooms.get(roomId);
    this.requireListener(origin, room, because);
    return room;
  }

  requireListener(origin: ServerName, room: KnownRoom, because: readonly EventNid[]): void {
    if (!this.#isListening(origin, room.nid) || !this.#holdOurs(room.nid, because)) this.requireMember(origin, room);
    else this.#uses.access.requireAcl(room.nid, origin);
  }

  #isListening(origin: ServerName, room: RoomNid): boolean {
    const { wholeRooms, roomState, interning } = this.#uses;
    const server = wholeRooms.isMissing(room) ? interning.findServer(origin) : undefined;
    return server !== undefined && roomState.servers.isTold(room, server);
  }

  /** Whether one of the events was sent by a user of ours. */
  #holdOurs(room: RoomNid, nids: readonly EventNid[]): boolean {
    const { events, interning, serverName } = this.#uses;
    const own = interning.findServer(serverName);
    return events.rows(nids).some((row) => row.room === room && interning.userServer(row.sender) === own);
  }

  requireMember(origin: ServerName, room: KnownRoom): void {
    const { access, wholeRooms } = this.#uses;
    access.requireAcl(room.nid, origin);
    if (!access.isInRoom(room.nid, origin)) wholeRooms.require(room.nid);
    access.requireInRoom(room.nid, origin);
  }

  /** The same for a server that asks for a whole state. */
  forMemberOfWhole(origin: ServerName, roomId: string): KnownRoom {
    const room = this.forMember(origin, roomId);
    this.#uses.wholeRooms.require(room.nid);
    return room;
  }

  /**
   * For a server that wants something of a room which one of ours is in: only then is our state of it the present one. As
   * long as members are missing, it is for others to let somebody in or out.
   * 404 M_NOT_FOUND · 403 M_FORBIDDEN kept out
   */
  forHandshake(origin: ServerName, roomId: string): KnownRoom {
    const { rooms, access } = this.#uses;
    const room = rooms.find(roomId);
    if (room === undefined || !this.knowsMembers(room.nid)) throw notFound('This server is not in the room');
    access.requireAcl(room.nid, origin);
    return room;
  }

  /** Whether we can tell who is in the room: one of ours is, and no member is missing. */
  knowsMembers(room: RoomNid): boolean {
    const { access, wholeRooms, serverName } = this.#uses;
    return access.isInRoom(room, serverName) && !wholeRooms.isMissing(room);
  }

  /** A room that has nobody of ours in it counts as not known. */
  findOurs(roomId: string): KnownRoom | undefined {
    const room = this.#uses.rooms.find(roomId);
    return room !== undefined && this.#uses.access.isInRoom(room.nid, this.#uses.serverName) ? room : undefined;
  }
}

/** 403 M_FORBIDDEN for a server that speaks for users of another. */
export function requireOwnUser(origin: ServerName, userServer: ServerName): void {
  if (userServer !== origin) throw forbidden('This user does not belong to your server');
}
