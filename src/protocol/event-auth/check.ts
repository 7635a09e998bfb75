import type { RoomVersionRules } from '../room-versions.ts';
import { checkPowerLevels } from './change-power-levels.ts';
import { domainOf, membershipOf, own } from './content.ts';
import { checkCreate } from './create.ts';
import { checkMember } from './member.ts';
import { type RuleNumbers, ruleNumbers } from './numbering.ts';
import { PowerLevels } from './power-levels.ts';
import { ALLOWED, type AuthEvent, reject, type SignatureChecks, type StateLookup, type Verdict } from './types.ts';

/**
 * Whether the room version's rules allow an event in a state: that of its auth events, that before it, or the
 * current one. The rule on the choice of `auth_events` is `checkAuthEventsSelection`: it does not look at a state.
 * Numbers in comments are those of room version 12.
 * @see https://spec.matrix.org/v1.19/rooms/v12/#authorisation-rules
 */
export function checkAuth<Id>(
  rules: RoomVersionRules,
  event: AuthEvent<Id>,
  state: StateLookup<Id>,
  signatures: SignatureChecks<Id>,
): Verdict {
  // 1
  if (event.type === 'm.room.create') return checkCreate(rules, event);
  const numbers = ruleNumbers(rules);
  const create = state('m.room.create', '');
  if (!create) {
    return reject(rules.roomIdIsCreateHash ? '2' : `${numbers.authEvents}.4`, 'the room has no create event');
  }
  // 2 (12)
  if (rules.roomIdIsCreateHash && (create.rejected || event.roomId !== `!${create.eventId.slice(1)}`)) {
    return reject('2', 'the room ID is not the ID of an accepted create event');
  }
  // 4
  if (own(create.content, 'm.federate') === false && domainOf(event.sender) !== domainOf(create.sender)) {
    return reject(`${numbers.federate}`, "the room is closed to servers other than its creator's");
  }
  // 4 (1 to 5)
  if (event.type === 'm.room.aliases' && rules.aliasesSpecialCase) return checkAliases(numbers, event);
  const levels = PowerLevels.of(rules, state);
  // 5
  if (event.type === 'm.room.member') {
    return checkMember({ rules, numbers, event, create, state, levels, signatures });
  }
  // 6
  if (membershipOf(state('m.room.member', event.sender)) !== 'join') {
    return reject(`${numbers.senderJoined}`, 'the sender is not in the room');
  }
  // 7
  const level = levels.userLevel(event.sender);
  if (event.type === 'm.room.third_party_invite') {
    if (level >= levels.level('invite')) return ALLOWED;
    return reject(`${numbers.thirdPartyInvite}.1`, 'the sender has too little power to invite');
  }
  // 8
  if (!(level >= levels.requiredLevel(event.type, event.stateKey !== undefined))) {
    return reject(`${numbers.requiredLevel}`, `the sender has too little power to send ${event.type}`);
  }
  // 9
  if (event.stateKey?.startsWith('@') && event.stateKey !== event.sender) {
    return reject(`${numbers.userStateKey}`, 'the state key is the ID of another user');
  }
  // 10
  if (event.type === 'm.room.power_levels') return checkPowerLevels({ rules, numbers, event, create, state, levels });
  // 11 (1 and 2)
  if (event.type === 'm.room.redaction' && rules.redactionAuthRule) return checkRedaction(numbers, event, levels);
  // 11
  return ALLOWED;
}

/** Rule 4 of room versions 1 to 5. */
function checkAliases<Id>(numbers: RuleNumbers, event: AuthEvent<Id>): Verdict {
  // 4.1
  if (event.stateKey === undefined) return reject(`${numbers.aliases}.1`, 'an aliases event needs a state_key');
  // 4.2
  if (event.stateKey !== domainOf(event.sender)) {
    return reject(`${numbers.aliases}.2`, "the state key is not the sender's server");
  }
  // 4.3
  return ALLOWED;
}

/** Rule 11 of room versions 1 and 2. */
function checkRedaction<Id>(numbers: RuleNumbers, event: AuthEvent<Id>, levels: PowerLevels): Verdict {
  // 11.1
  if (levels.userLevel(event.sender) >= levels.level('redact')) return ALLOWED;
  // 11.2
  if (event.redacts !== undefined && domainOf(event.redacts) === domainOf(event.eventId)) return ALLOWED;
  // 11.3
  return reject(`${numbers.redaction}.3`, 'the sender has too little power to redact events of others');
}
