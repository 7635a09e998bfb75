/** What a redaction leaves of an event. */
export interface RedactionRules {
  /** Top-level keys that stay. */
  readonly topLevel: ReadonlySet<string>;
  /** Content keys that stay, by event type; `all` keeps the whole content. A type that is not named keeps nothing. */
  readonly content: ReadonlyMap<string, readonly string[] | 'all'>;
  /** `third_party_invite` of a member event stays, reduced to its `signed` key. */
  readonly thirdPartyInviteSigned: boolean;
}

/**
 * Everything in which room versions differ, as named rules. Code asks a rule, never compares version numbers.
 * @see https://spec.matrix.org/v1.19/rooms/
 */
export interface RoomVersionRules {
  readonly version: string;
  /** `v1`: `$opaque:server` inside the event; `v3`: `$` + standard base64 of the reference hash; `v4`: URL-safe base64. */
  readonly eventIdFormat: 'v1' | 'v3' | 'v4';
  /** `auth_events` and `prev_events` hold `[event ID, { sha256 }]` pairs instead of plain IDs. */
  readonly refsAsPairs: boolean;
  /** The room ID is `!` + the create event's ID without its sigil, and the create event has no `room_id`. */
  readonly roomIdIsCreateHash: boolean;
  readonly stateResolution: 'v1' | 'v2' | 'v2.1';
  readonly redaction: RedactionRules;
  /** Who may redact is an auth rule; otherwise it is decided when the redaction is applied. */
  readonly redactionAuthRule: boolean;
  /** Where an `m.room.redaction` names its target. */
  readonly redactsIn: 'top' | 'content';
  /** A signing key must have been valid at the event's `origin_server_ts`. */
  readonly enforceKeyValidity: boolean;
  /** Floats and integers outside ±(2^53 - 1) make an event invalid. */
  readonly strictCanonicalJson: boolean;
  /** Largest valid `depth`. 2^63 stands for 2^63 - 1, which a double cannot hold. */
  readonly maxDepth: number;
  /** `m.room.aliases` has an auth rule of its own. */
  readonly aliasesSpecialCase: boolean;
  /** The auth rule on changed power levels covers `notifications`. */
  readonly notificationsInPowerLevels: boolean;
  /** Power levels must be JSON integers; otherwise strings of digits count too. */
  readonly integerPowerLevels: boolean;
  /** The join rule and membership `knock` exist. */
  readonly knock: boolean;
  /** The join rule `restricted` and `join_authorised_via_users_server` exist. */
  readonly restricted: boolean;
  /** The join rule `knock_restricted` exists. */
  readonly knockRestricted: boolean;
  /** The creator is the sender of the create event; otherwise `content.creator`, which is then required. */
  readonly creatorFromSender: boolean;
  /** The creators (the sender and `additional_creators`) stand above every power level. */
  readonly privilegedCreators: boolean;
  /** Events cite the create event among their `auth_events`. */
  readonly createInAuthEvents: boolean;
}

const topLevelToVersion10 = [
  'event_id',
  'type',
  'room_id',
  'sender',
  'state_key',
  'content',
  'hashes',
  'signatures',
  'depth',
  'prev_events',
  'prev_state',
  'auth_events',
  'origin',
  'origin_server_ts',
  'membership',
];

const powerLevelKeys = [
  'ban',
  'events',
  'events_default',
  'kick',
  'redact',
  'state_default',
  'users',
  'users_default',
] as const;

const redactionVersion1: RedactionRules = {
  topLevel: new Set(topLevelToVersion10),
  content: new Map<string, readonly string[]>([
    ['m.room.member', ['membership']],
    ['m.room.create', ['creator']],
    ['m.room.join_rules', ['join_rule']],
    ['m.room.power_levels', powerLevelKeys],
    ['m.room.aliases', ['aliases']],
    ['m.room.history_visibility', ['history_visibility']],
  ]),
  thirdPartyInviteSigned: false,
};

const redactionVersion6: RedactionRules = {
  ...redactionVersion1,
  content: new Map([...redactionVersion1.content].filter(([type]) => type !== 'm.room.aliases')),
};

const redactionVersion8: RedactionRules = {
  ...redactionVersion6,
  content: new Map([...redactionVersion6.content, ['m.room.join_rules', ['join_rule', 'allow']]]),
};

const redactionVersion9: RedactionRules = {
  ...redactionVersion8,
  content: new Map([
    ...redactionVersion8.content,
    ['m.room.member', ['membership', 'join_authorised_via_users_server']],
  ]),
};

const redactionVersion11: RedactionRules = {
  topLevel: new Set(topLevelToVersion10.filter((key) => !['prev_state', 'origin', 'membership'].includes(key))),
  content: new Map<string, readonly string[] | 'all'>([
    ...redactionVersion9.content,
    ['m.room.create', 'all'],
    ['m.room.power_levels', [...powerLevelKeys, 'invite']],
    ['m.room.redaction', ['redacts']],
  ]),
  thirdPartyInviteSigned: true,
};

const version1: RoomVersionRules = {
  version: '1',
  eventIdFormat: 'v1',
  refsAsPairs: true,
  roomIdIsCreateHash: false,
  stateResolution: 'v1',
  redaction: redactionVersion1,
  redactionAuthRule: true,
  redactsIn: 'top',
  enforceKeyValidity: false,
  strictCanonicalJson: false,
  maxDepth: 2 ** 63,
  aliasesSpecialCase: true,
  notificationsInPowerLevels: false,
  integerPowerLevels: false,
  knock: false,
  restricted: false,
  knockRestricted: false,
  creatorFromSender: false,
  privilegedCreators: false,
  createInAuthEvents: true,
};

const version2: RoomVersionRules = { ...version1, version: '2', stateResolution: 'v2' };

const version3: RoomVersionRules = {
  ...version2,
  version: '3',
  eventIdFormat: 'v3',
  refsAsPairs: false,
  redactionAuthRule: false,
};

const version4: RoomVersionRules = { ...version3, version: '4', eventIdFormat: 'v4' };

const version5: RoomVersionRules = { ...version4, version: '5', enforceKeyValidity: true };

const version6: RoomVersionRules = {
  ...version5,
  version: '6',
  redaction: redactionVersion6,
  strictCanonicalJson: true,
  maxDepth: Number.MAX_SAFE_INTEGER,
  aliasesSpecialCase: false,
  notificationsInPowerLevels: true,
};

const version7: RoomVersionRules = { ...version6, version: '7', knock: true };

const version8: RoomVersionRules = { ...version7, version: '8', redaction: redactionVersion8, restricted: true };

const version9: RoomVersionRules = { ...version8, version: '9', redaction: redactionVersion9 };

const version10: RoomVersionRules = { ...version9, version: '10', integerPowerLevels: true, knockRestricted: true };

const version11: RoomVersionRules = {
  ...version10,
  version: '11',
  redaction: redactionVersion11,
  redactsIn: 'content',
  creatorFromSender: true,
};

const version12: RoomVersionRules = {
  ...version11,
  version: '12',
  roomIdIsCreateHash: true,
  stateResolution: 'v2.1',
  privilegedCreators: true,
  createInAuthEvents: false,
};

const byVersion: ReadonlyMap<string, RoomVersionRules> = new Map(
  [
    version1,
    version2,
    version3,
    version4,
    version5,
    version6,
    version7,
    version8,
    version9,
    version10,
    version11,
    version12,
  ].map((rules) => [rules.version, rules]),
);

/** Every room version this server can take part in, oldest first. */
export const supportedRoomVersions: readonly string[] = [...byVersion.keys()];

/** The version of new rooms if neither the caller nor the configuration names one. */
export const DEFAULT_ROOM_VERSION = '12';

/** The version of a room whose create event names none. */
export const IMPLICIT_ROOM_VERSION = '1';

/** The rules of a room version, or `undefined` for one that is not supported. */
export function roomVersionRules(version: string): RoomVersionRules | undefined {
  return byVersion.get(version);
}
