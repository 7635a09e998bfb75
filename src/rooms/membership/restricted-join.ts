import { forbidden, MatrixError } from '../../protocol/errors.ts';
import { own } from '../../protocol/event-auth/content.ts';
import { creatorsOf } from '../../protocol/event-auth/create.ts';
import { PowerLevels } from '../../protocol/event-auth/power-levels.ts';
import type { AuthEvent, StateLookup } from '../../protocol/event-auth/types.ts';
import type { ServerName, UserId } from '../../protocol/ids/types.ts';
import { isUserId, serverOf } from '../../protocol/ids/user-id.ts';
import { memberships } from '../../store/events/membership.ts';
import type { EventNid, RoomNid } from '../../store/nids.ts';
import type { Requester } from '../../users/login/requester.ts';
import { isJsonObject } from '../../util/json.ts';
import type { KnownRoom } from '../known-rooms.ts';
import { currentState, type StateSources } from '../state/current-state.ts';

/** Nobody here can let the user in; another server in the room may. To a client it is 403 M_FORBIDDEN. */
export class NeedsVoucher extends MatrixError {
  constructor(message: string) {
    super(403, 'M_FORBIDDEN', message);
  }
}

/**
 * The local user in whose name this server lets somebody into a room with a restricted join rule; `undefined` where
 * none is needed: another join rule, or a user who is invited or in the room already. Throws 403 M_FORBIDDEN if the
 * user meets none of the conditions, or nobody here has the power to invite.
 * @see https://spec.matrix.org/v1.19/client-server-api/#restricted-rooms
 */
export function authoriserOfJoin(
  sources: StateSources,
  room: KnownRoom,
  requester: Requester,
  serverName: ServerName,
): UserId | undefined {
  const state = currentState(sources, room.nid);
  const rules = state('m.room.join_rules', '');
  if (rules === undefined || !isRestricted(room, rules)) return undefined;
  const membership = sources.roomState.member(room.nid, requester.user)?.membership;
  // The auth rules decide alone about these.
  if (membership === memberships.join || membership === memberships.invite || membership === memberships.ban) {
    return undefined;
  }
  if (!meetsCondition(sources, rules, requester)) {
    throw new NeedsVoucher('You meet none of the conditions to join this room');
  }
  const authoriser = findInviter(sources, room, state, serverName);
  if (authoriser === undefined) throw new NeedsVoucher('Nobody on this server may let you into this room');
  return authoriser;
}

/**
 * The local user in whose name a user of another server is let into a room with a restricted join rule; `undefined`
 * where none is needed. Only rooms that this server is in (`isOurs`) tell who is in them. Throws 403 M_FORBIDDEN for
 * who meets none of the conditions · 400 M_UNABLE_TO_AUTHORISE_JOIN where this server cannot tell · 400
 * M_UNABLE_TO_GRANT_JOIN nobody here has the power to invite.
 * @see https://spec.matrix.org/v1.19/server-server-api/#restricted-rooms
 */
export function authoriserOfRemoteJoin(
  sources: StateSources,
  room: KnownRoom,
  userId: UserId,
  uses: { readonly serverName: ServerName; readonly isOurs: (room: RoomNid) => boolean },
): UserId | undefined {
  const state = currentState(sources, room.nid);
  const rules = state('m.room.join_rules', '');
  if (rules === undefined || !isRestricted(room, rules)) return undefined;
  const user = sources.interning.findUser(userId);
  const membership = user && sources.roomState.member(room.nid, user)?.membership;
  // The auth rules decide alone about these.
  if (membership === memberships.join || membership === memberships.invite || membership === memberships.ban) {
    return undefined;
  }
  const others = conditionRooms(rules).map((id) => sources.interning.findRoom(id));
  const ours = others.filter((other) => other !== undefined && uses.isOurs(other));
  const isIn = (other: RoomNid | undefined) =>
    user !== undefined && other !== undefined && sources.roomState.member(other, user)?.membership === memberships.join;
  if (!ours.some(isIn)) {
    if (ours.length < others.length) {
      throw new MatrixError(400, 'M_UNABLE_TO_AUTHORISE_JOIN', 'This server is not in all rooms that let users in');
    }
    throw forbidden('You meet none of the conditions to join this room');
  }
  const authoriser = findInviter(sources, room, state, uses.serverName);
  if (authoriser === undefined) {
    throw new MatrixError(400, 'M_UNABLE_TO_GRANT_JOIN', 'Nobody on this server may let you in: try another');
  }
  return authoriser;
}

function isRestricted({ rules }: KnownRoom, { content }: AuthEvent<EventNid>): boolean {
  const rule = own(content, 'join_rule');
  return (rules.restricted && rule === 'restricted') || (rules.knockRestricted && rule === 'knock_restricted');
}

/** Whether the user is in one of the rooms that the rule names. Conditions of unknown types do not count. */
export function meetsCondition(
  { interning, roomState }: Pick<StateSources, 'interning' | 'roomState'>,
  { content }: Pick<AuthEvent<EventNid>, 'content'>,
  { user }: Pick<Requester, 'user'>,
): boolean {
  return conditionRooms({ content }).some((roomId) => {
    const other = interning.findRoom(roomId);
    return other !== undefined && roomState.member(other, user)?.membership === memberships.join;
  });
}

/** The rooms whose members a restricted join rule lets in. */
function conditionRooms({ content }: Pick<AuthEvent<EventNid>, 'content'>): string[] {
  const allow = own(content, 'allow');
  if (!Array.isArray(allow)) return [];
  return allow.flatMap((condition) => {
    const isRoom = isJsonObject(condition) && condition['type'] === 'm.room_membership';
    const roomId = isRoom ? condition['room_id'] : undefined;
    return typeof roomId === 'string' ? [roomId] : [];
  });
}

/** A joined user of this server with the power to invite: one with a level of their own, else anybody if all may. */
function findInviter(
  { interning, roomState }: StateSources,
  room: KnownRoom,
  state: StateLookup<EventNid>,
  serverName: ServerName,
): UserId | undefined {
  const levels = PowerLevels.of(room.rules, state);
  const needed = levels.level('invite');
  const create = state('m.room.create', '');
  const users = own(state('m.room.power_levels', '')?.content ?? {}, 'users');
  const named = [...(create ? creatorsOf(room.rules, create) : []), ...Object.keys(isJsonObject(users) ? users : {})];
  const isJoined = (id: UserId): boolean => {
    const user = interning.findUser(id);
    return user !== undefined && roomState.member(room.nid, user)?.membership === memberships.join;
  };
  const mayInvite = (id: string): boolean => levels.userLevel(id) >= needed;
  const isOurs = (id: string): id is UserId => isUserId(id) && serverOf(id) === serverName;
  return (
    named.filter(isOurs).find((id) => mayInvite(id) && isJoined(id)) ??
    roomState
      .localJoined(room.nid)
      .map((user) => interning.userId(user))
      .find(mayInvite)
  );
}
