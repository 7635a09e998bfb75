import type { KnownRoom } from '../rooms/known-rooms.ts';
import { meetsCondition } from '../rooms/membership/restricted-join.ts';
import { memberships } from '../store/events/membership.ts';
import type { UserNid } from '../store/nids.ts';
import type { FactSources, RoomFacts } from './room-facts.ts';
import { isToldToAll, type ToldRoom } from './told-room.ts';

/** Whether anybody may be told of the room: who may join it, ask to, or read it. */
export function isOpenToAll({ rules }: KnownRoom, facts: RoomFacts): boolean {
  const rule = facts.joinRule;
  return (
    rule === 'public' ||
    (rules.knock && rule === 'knock') ||
    (rules.knockRestricted && rule === 'knock_restricted') ||
    facts.isWorldReadable
  );
}

/**
 * Whether a user may be told of a room: who is in it, is invited, has knocked, or may join by its rules.
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidhierarchy
 */
export function mayKnow(sources: FactSources, room: KnownRoom, facts: RoomFacts, user: UserNid): boolean {
  const membership = sources.roomState.member(room.nid, user)?.membership;
  if (membership === memberships.ban) return false;
  if (membership === memberships.join || membership === memberships.invite || membership === memberships.knock) {
    return true;
  }
  if (isOpenToAll(room, facts)) return true;
  const isRestricted = room.rules.restricted && facts.joinRule === 'restricted';
  return isRestricted && meetsCondition(sources, { content: facts.joinRules }, { user });
}

/** The same of a room that another server tells of. */
export function mayBeTold({ roomState, interning }: FactSources, told: ToldRoom, user: UserNid): boolean {
  const nid = interning.findRoom(told.roomId);
  const membership = nid === undefined ? undefined : roomState.localMember(user, nid)?.membership;
  if (membership === memberships.ban) return false;
  if (membership === memberships.invite || membership === memberships.knock || isToldToAll(told)) return true;
  const allowed = told.summary['allowed_room_ids'];
  if (!Array.isArray(allowed)) return false;
  return allowed.some((id) => {
    const room = typeof id === 'string' ? interning.findRoom(id) : undefined;
    return room !== undefined && roomState.member(room, user)?.membership === memberships.join;
  });
}
