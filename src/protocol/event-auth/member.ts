import { domainOf, membershipOf, own, ownString } from './content.ts';
import { creatorOf } from './create.ts';
import type { MemberCheck } from './member-check.ts';
import { checkThirdPartyInvite } from './third-party-invite.ts';
import { ALLOWED, reject, type Verdict } from './types.ts';

/** Rule 5 (version 12): changes of membership. Numbers in comments are those of version 12. */
export function checkMember<Id>(check: Omit<MemberCheck<Id>, 'target'>): Verdict {
  const { rules, numbers, event } = check;
  const rule = numbers.member;
  const membership = own(event.content, 'membership');
  // 5.1
  if (event.stateKey === undefined) return reject(`${rule}.1`, 'a member event needs a state_key');
  if (membership === undefined) return reject(`${rule}.1`, 'a member event needs a membership');
  // 5.2 (8 and later)
  if (rules.restricted && Object.hasOwn(event.content, 'join_authorised_via_users_server')) {
    const authoriser = ownString(event.content, 'join_authorised_via_users_server') ?? '';
    const server = domainOf(authoriser);
    if (server === '' || !check.signatures.isSignedBy(event, server)) {
      return reject(`${rule}.2.1`, 'not signed by the server of the user who authorised the join');
    }
  }
  const full = { ...check, target: event.stateKey };
  // 5.8
  const unknown = reject(`${rule}.${numbers.unknownMembership}`, 'unknown membership');
  switch (membership) {
    case 'join':
      return checkJoin(full);
    case 'invite':
      return checkInvite(full);
    case 'leave':
      return checkLeave(full);
    case 'ban':
      return checkBan(full);
    case 'knock':
      // 5.7 (7 and later)
      return rules.knock ? checkKnock(full) : unknown;
    default:
      return unknown;
  }
}

function currentMembership<Id>(check: MemberCheck<Id>, user: string): string | undefined {
  return membershipOf(check.state('m.room.member', user));
}

/** A room without a join rules event, and an event without a rule, mean `invite`. */
function joinRule<Id>(check: MemberCheck<Id>): unknown {
  const event = check.state('m.room.join_rules', '');
  return (event && own(event.content, 'join_rule')) ?? 'invite';
}

/** 5.3 */
function checkJoin<Id>(check: MemberCheck<Id>): Verdict {
  const { rules, numbers, event, target, create } = check;
  const rule = `${numbers.member}.${numbers.join}`;
  // 5.3.1
  const [firstPrev, ...otherPrevs] = event.prevEvents;
  if (firstPrev === create.id && otherPrevs.length === 0 && target === creatorOf(rules, create)) return ALLOWED;
  // 5.3.2
  if (event.sender !== target) return reject(`${rule}.2`, 'nobody can make another user join');
  // 5.3.3
  const current = currentMembership(check, target);
  if (current === 'ban') return reject(`${rule}.3`, 'the user is banned');
  const isIn = current === 'invite' || current === 'join';
  const wanted = joinRule(check);
  // 5.3.4
  if ((wanted === 'invite' || (wanted === 'knock' && rules.knock)) && isIn) return ALLOWED;
  // 5.3.5 (8 and later)
  const restricted =
    (wanted === 'restricted' && rules.restricted) || (wanted === 'knock_restricted' && rules.knockRestricted);
  if (restricted) {
    // 5.3.5.1, 5.3.5.3
    if (isIn || isAuthorisedJoin(check)) return ALLOWED;
    // 5.3.5.2
    return reject(`${rule}.5.2`, 'no joined user with the power to invite authorised the join');
  }
  // 5.3.6
  if (wanted === 'public') return ALLOWED;
  // 5.3.7
  return reject(`${rule}.${numbers.joinOtherwise}`, 'the join rule does not let the user in');
}

function isAuthorisedJoin<Id>(check: MemberCheck<Id>): boolean {
  const authoriser = ownString(check.event.content, 'join_authorised_via_users_server');
  if (authoriser === undefined || currentMembership(check, authoriser) !== 'join') return false;
  return check.levels.userLevel(authoriser) >= check.levels.level('invite');
}

/** 5.4 */
function checkInvite<Id>(check: MemberCheck<Id>): Verdict {
  const { numbers, event, target, levels } = check;
  const rule = `${numbers.member}.${numbers.invite}`;
  // 5.4.1
  if (Object.hasOwn(event.content, 'third_party_invite')) return checkThirdPartyInvite(check);
  // 5.4.2
  if (currentMembership(check, event.sender) !== 'join') return reject(`${rule}.2`, 'the sender is not in the room');
  // 5.4.3
  const current = currentMembership(check, target);
  if (current === 'join') return reject(`${rule}.3`, 'the invited user is in the room');
  if (current === 'ban') return reject(`${rule}.3`, 'the invited user is banned');
  // 5.4.4
  if (levels.userLevel(event.sender) >= levels.level('invite')) return ALLOWED;
  // 5.4.5
  return reject(`${rule}.5`, 'the sender has too little power to invite');
}

/** 5.5 */
function checkLeave<Id>(check: MemberCheck<Id>): Verdict {
  const { rules, numbers, event, target, levels } = check;
  const rule = `${numbers.member}.${numbers.leave}`;
  const current = currentMembership(check, target);
  // 5.5.1
  if (event.sender === target) {
    if (current === 'invite' || current === 'join' || (current === 'knock' && rules.knock)) return ALLOWED;
    return reject(`${rule}.1`, 'the user has nothing to leave');
  }
  // 5.5.2
  if (currentMembership(check, event.sender) !== 'join') return reject(`${rule}.2`, 'the sender is not in the room');
  const level = levels.userLevel(event.sender);
  // 5.5.3
  if (current === 'ban' && !(level >= levels.level('ban'))) {
    return reject(`${rule}.3`, 'the sender has too little power to lift a ban');
  }
  // 5.5.4
  if (level >= levels.level('kick') && levels.userLevel(target) < level) return ALLOWED;
  // 5.5.5
  return reject(`${rule}.5`, 'the sender has too little power to remove the user');
}

/** 5.6 */
function checkBan<Id>(check: MemberCheck<Id>): Verdict {
  const { numbers, event, target, levels } = check;
  const rule = `${numbers.member}.${numbers.ban}`;
  // 5.6.1
  if (currentMembership(check, event.sender) !== 'join') return reject(`${rule}.1`, 'the sender is not in the room');
  // 5.6.2
  const level = levels.userLevel(event.sender);
  if (level >= levels.level('ban') && levels.userLevel(target) < level) return ALLOWED;
  // 5.6.3
  return reject(`${rule}.3`, 'the sender has too little power to ban the user');
}

/** 5.7 */
function checkKnock<Id>(check: MemberCheck<Id>): Verdict {
  const { rules, numbers, event, target } = check;
  const rule = `${numbers.member}.${numbers.knock}`;
  // 5.7.1
  const wanted = joinRule(check);
  if (wanted !== 'knock' && !(wanted === 'knock_restricted' && rules.knockRestricted)) {
    return reject(`${rule}.1`, 'the join rule does not let users knock');
  }
  // 5.7.2
  if (event.sender !== target) return reject(`${rule}.2`, 'nobody can knock for another user');
  // 5.7.3
  const current = currentMembership(check, target);
  if (current !== 'ban' && current !== 'invite' && current !== 'join') return ALLOWED;
  // 5.7.4
  return reject(`${rule}.4`, `the user's membership is ${current}`);
}
