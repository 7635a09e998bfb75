import type { StateKeyNid, TypeNid } from '../nids.ts';

/** NIDs below this one are fixed here; the database's own begin with it. */
export const FIRST_FREE_NID = 1000;

/**
 * Event types that the server itself asks for. Part of migration 1: after the first release no line is ever changed or
 * added, as a database may by then know the type under another NID.
 */
const names = {
  create: [1, 'm.room.create'],
  member: [2, 'm.room.member'],
  powerLevels: [3, 'm.room.power_levels'],
  joinRules: [4, 'm.room.join_rules'],
  historyVisibility: [5, 'm.room.history_visibility'],
  guestAccess: [6, 'm.room.guest_access'],
  name: [7, 'm.room.name'],
  topic: [8, 'm.room.topic'],
  avatar: [9, 'm.room.avatar'],
  canonicalAlias: [10, 'm.room.canonical_alias'],
  encryption: [11, 'm.room.encryption'],
  tombstone: [12, 'm.room.tombstone'],
  serverAcl: [13, 'm.room.server_acl'],
  thirdPartyInvite: [14, 'm.room.third_party_invite'],
  pinnedEvents: [15, 'm.room.pinned_events'],
  aliases: [16, 'm.room.aliases'],
  spaceChild: [17, 'm.space.child'],
  spaceParent: [18, 'm.space.parent'],
  policyServer: [19, 'm.room.policy'],
  policyRuleUser: [20, 'm.policy.rule.user'],
  policyRuleRoom: [21, 'm.policy.rule.room'],
  policyRuleServer: [22, 'm.policy.rule.server'],
  message: [40, 'm.room.message'],
  encrypted: [41, 'm.room.encrypted'],
  redaction: [42, 'm.room.redaction'],
  reaction: [43, 'm.reaction'],
  sticker: [44, 'm.sticker'],
  callInvite: [45, 'm.call.invite'],
  callMember: [46, 'm.call.member'],
  rtcMember: [47, 'm.rtc.member'],
  rtcNotification: [48, 'm.rtc.notification'],
  pollStart: [49, 'm.poll.start'],
  pollResponse: [50, 'm.poll.response'],
  pollEnd: [51, 'm.poll.end'],
  dummy: [52, 'org.matrix.dummy_event'],
} as const;

type WellKnownName = keyof typeof names;

function nids<N extends number>(): { readonly [K in WellKnownName]: N } {
  const entries = Object.entries(names).map(([key, [nid]]) => [key, nid]);
  return Object.freeze(Object.fromEntries(entries) as { readonly [K in WellKnownName]: N });
}

/** Fixed NIDs: of event types, and of their state under the empty state key (which has its type's number). */
export const wellKnown = { types: nids<TypeNid>(), stateKeys: nids<StateKeyNid>() } as const;

/** All fixed (NID, event type), ascending. */
export const wellKnownTypes: readonly (readonly [TypeNid, string])[] = Object.values(names).map(
  ([nid, name]) => [nid as TypeNid, name] as const,
);
