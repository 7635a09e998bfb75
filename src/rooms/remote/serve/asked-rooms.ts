import { forbidden, notFound } from '../../../protocol/errors.ts';
import type { ServerName } from '../../../protocol/ids/types.ts';
import type { KnownRoom, KnownRooms } from '../../known-rooms.ts';
import type { WholeRooms } from '../../partial/whole-rooms.ts';
import type { ServerAccess } from '../../server-access.ts';

export interface AskedRoomsUses {
  readonly rooms: KnownRooms;
  readonly access: ServerAccess;
  readonly wholeRooms: WholeRooms;
  readonly serverName: ServerName;
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
    const { rooms, access, wholeRooms, serverName } = this.#uses;
    const room = rooms.find(roomId);
    const isInside = room !== undefined && access.isInRoom(room.nid, serverName);
    if (!isInside || wholeRooms.isMissing(room.nid)) throw notFound('This server is not in the room');
    access.requireAcl(room.nid, origin);
    return room;
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
