import type { JsonValue } from '../../util/json.ts';
import { isUserId } from '../ids/user-id.ts';
import { type RoomVersionRules, roomVersionRules } from '../room-versions.ts';
import { domainOf, own, ownString } from './content.ts';
import { ALLOWED, type AuthEvent, reject, type Verdict } from './types.ts';

/** Rule 1: the create event. */
export function checkCreate<Id>(rules: RoomVersionRules, event: AuthEvent<Id>): Verdict {
  // 1.1
  if (event.prevEvents.length > 0) return reject('1.1', 'the create event has prev_events');
  if (rules.roomIdIsCreateHash) {
    // 1.2 (12)
    if (event.roomId !== undefined) return reject('1.2', 'the create event has a room_id');
  } else if (domainOf(event.roomId ?? '') !== domainOf(event.sender)) {
    // 1.2 (1 to 11)
    return reject('1.2', "the room ID's domain is not that of the sender");
  }
  // 1.3
  const version = own(event.content, 'room_version');
  if (version !== undefined && (typeof version !== 'string' || !roomVersionRules(version))) {
    return reject('1.3', 'room_version is not a version known here');
  }
  // 1.4 (1 to 10)
  if (!rules.creatorFromSender && !Object.hasOwn(event.content, 'creator')) {
    return reject('1.4', 'creator is missing');
  }
  // 1.4 (12)
  if (rules.privilegedCreators && !areUserIds(own(event.content, 'additional_creators'))) {
    return reject('1.4', 'additional_creators is not a list of user IDs');
  }
  // 1.5
  return ALLOWED;
}

function areUserIds(value: JsonValue | undefined): boolean {
  if (value === undefined) return true;
  return Array.isArray(value) && value.every((user) => typeof user === 'string' && isUserId(user));
}

/** The one user who may join first: `content.creator` up to room version 10, later the sender. */
export function creatorOf(rules: RoomVersionRules, create: AuthEvent<unknown>): string | undefined {
  return rules.creatorFromSender ? create.sender : ownString(create.content, 'creator');
}

/** All creators; more than one only in room version 12. */
export function creatorsOf(rules: RoomVersionRules, create: AuthEvent<unknown>): string[] {
  const creator = creatorOf(rules, create);
  const creators = creator === undefined ? [] : [creator];
  const additional = rules.privilegedCreators ? own(create.content, 'additional_creators') : undefined;
  if (Array.isArray(additional)) creators.push(...additional.filter((user) => typeof user === 'string'));
  return creators;
}
