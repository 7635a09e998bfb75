import type { ServerName } from '../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../protocol/ids/user-id.ts';
import type { KnownRoom, KnownRooms } from '../rooms/known-rooms.ts';
import type { PartialState } from '../rooms/partial/partial-state.ts';
import type { ServerAccess } from '../rooms/server-access.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { UserNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { JsonValue } from '../util/json.ts';

export interface RemoteUsersUses {
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly knownRooms: KnownRooms;
  readonly serverAccess: ServerAccess;
  readonly serverName: ServerName;
  readonly partialState: Pick<PartialState, 'isPartial'>;
}

/** A room in which we are and whose ACL lets the server speak; EDUs about any other are ignored. */
export function openRoom(
  { knownRooms, serverAccess, serverName }: RemoteUsersUses,
  origin: ServerName,
  roomId: JsonValue | undefined,
): KnownRoom | undefined {
  const room = typeof roomId === 'string' ? knownRooms.find(roomId) : undefined;
  if (room === undefined || !serverAccess.isInRoom(room.nid, serverName)) return undefined;
  return serverAccess.aclAllows(room.nid, origin) ? room : undefined;
}

/**
 * A user of the server, joined to the room. While members are missing it has to be believed of those of whom nothing else
 * is known; but only of users whose name is here already, so that it cannot fill the database with names.
 */
export function joinedUser(
  { interning, roomState, partialState }: RemoteUsersUses,
  origin: ServerName,
  room: KnownRoom,
  id: JsonValue | undefined,
): UserNid | undefined {
  const userId = typeof id === 'string' ? parseUserId(id) : undefined;
  if (userId === undefined || serverOf(userId) !== origin) return undefined;
  const user = interning.findUser(userId);
  if (user === undefined) return undefined;
  const member = roomState.member(room.nid, user);
  if (member !== undefined) return member.membership === memberships.join ? user : undefined;
  const isTold = partialState.isPartial(room.nid) && roomState.servers.isTold(room.nid, interning.userServer(user));
  return isTold ? user : undefined;
}
