import type { JsonObject } from '../../util/json.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { ownString, thirdPartyToken } from './content.ts';
import { ruleNumbers } from './numbering.ts';
import { ALLOWED, type AuthEvent, reject, type Verdict } from './types.ts';

/** What the selection looks at: an event, or one that is being built. */
export interface SelectableEvent {
  readonly type: string;
  readonly stateKey?: string;
  readonly sender: string;
  readonly content: JsonObject;
}

export type StateKeyPair = readonly [type: string, stateKey: string];

/**
 * The state entries that an event cites as its `auth_events`, each once, as far as they exist. The same list says
 * which entries its auth rules can ask for; the create event is besides always known in room version 12.
 * @see https://spec.matrix.org/v1.19/server-server-api/#auth-events-selection
 */
export function authTypesFor(event: SelectableEvent, rules: RoomVersionRules): StateKeyPair[] {
  if (event.type === 'm.room.create') return [];
  const pairs: StateKeyPair[] = [];
  if (rules.createInAuthEvents) pairs.push(['m.room.create', '']);
  pairs.push(['m.room.power_levels', ''], ['m.room.member', event.sender]);
  if (event.type === 'm.room.member') pairs.push(...memberAuthTypes(event, rules));
  return pairs;
}

function memberAuthTypes(event: SelectableEvent, rules: RoomVersionRules): StateKeyPair[] {
  const pairs: StateKeyPair[] = [];
  const members = new Set([event.sender]);
  if (event.stateKey !== undefined) members.add(event.stateKey);
  const membership = ownString(event.content, 'membership');
  if (membership === 'join' || membership === 'invite' || membership === 'knock') {
    pairs.push(['m.room.join_rules', '']);
  }
  if (membership === 'invite') {
    const token = thirdPartyToken(event.content);
    if (token !== undefined) pairs.push(['m.room.third_party_invite', token]);
  }
  if (membership === 'join' && rules.restricted) {
    const authoriser = ownString(event.content, 'join_authorised_via_users_server');
    if (authoriser !== undefined) members.add(authoriser);
  }
  members.delete(event.sender);
  for (const member of members) pairs.push(['m.room.member', member]);
  return pairs;
}

/**
 * Rule 2 (room versions 1 to 11) or 3 (12): whether an event may cite these `auth_events`, which are the events
 * behind its `authEvents`, all of them.
 */
export function checkAuthEventsSelection<Id>(
  rules: RoomVersionRules,
  event: AuthEvent<Id>,
  authEvents: readonly AuthEvent<Id>[],
): Verdict {
  // The create event has no auth events to consider: rule 1 decides on it alone.
  if (event.type === 'm.room.create') return ALLOWED;
  const rule = ruleNumbers(rules).authEvents;
  const allowed = authTypesFor(event, rules);
  const seen: AuthEvent<Id>[] = [];
  for (const cited of authEvents) {
    // 3.1 no two for one (type, state_key)
    if (seen.some((other) => other.type === cited.type && other.stateKey === cited.stateKey)) {
      return reject(`${rule}.1`, `auth_events holds two events for ${cited.type}`);
    }
    seen.push(cited);
    // 3.2 only what the selection names
    if (!allowed.some(([type, stateKey]) => type === cited.type && stateKey === cited.stateKey)) {
      return reject(`${rule}.2`, `auth_events holds an event that is not needed: ${cited.type}`);
    }
    // 3.3 none that was rejected
    if (cited.rejected) return reject(`${rule}.3`, `auth_events holds a rejected event: ${cited.eventId}`);
    // 3.5 all of the same room
    if (cited.roomId !== event.roomId) {
      return reject(`${rule}.5`, `auth_events holds an event of another room: ${cited.eventId}`);
    }
  }
  // 2.4 (1 to 11) the create event among them
  if (rules.createInAuthEvents && !seen.some((cited) => cited.type === 'm.room.create')) {
    return reject(`${rule}.4`, 'auth_events lacks the create event');
  }
  return ALLOWED;
}
