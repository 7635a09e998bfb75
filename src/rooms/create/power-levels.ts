import type { UserId } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import type { Preset } from './options.ts';

/** Above the 100 that an admin made by hand usually has: a tombstone in room version 12 is for the creators. */
const tombstoneLevel = 150;

/**
 * The content of a new room's `m.room.power_levels`.
 *
 * Where creators have no level of their own (room versions 1 to 11) the creator gets 100, and in a
 * `trusted_private_chat` the invited users get the same. The override replaces whole top-level keys; where creators
 * stand above every level, `m.room.tombstone` stays above `state_default` unless the override names it.
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
 */
export function initialPowerLevels(options: {
  readonly rules: RoomVersionRules;
  readonly preset: Preset;
  readonly creator: UserId;
  readonly invited: readonly UserId[];
  readonly override: JsonObject;
}): JsonObject {
  const { rules, preset, override } = options;
  const users: JsonObject = {};
  if (!rules.privilegedCreators) {
    users[options.creator] = 100;
    if (preset === 'trusted_private_chat') for (const user of options.invited) users[user] = 100;
  }
  const content: JsonObject = {
    ban: 50,
    events: {
      'm.room.avatar': 50,
      'm.room.canonical_alias': 50,
      'm.room.encryption': 100,
      'm.room.history_visibility': 100,
      'm.room.name': 50,
      'm.room.power_levels': 100,
      'm.room.server_acl': 100,
      'm.room.tombstone': rules.privilegedCreators ? tombstoneLevel : 100,
    },
    events_default: 0,
    // In a private chat everybody may bring somebody; a public one needs no invitations.
    invite: preset === 'public_chat' ? 50 : 0,
    kick: 50,
    redact: 50,
    state_default: 50,
    users,
    users_default: 0,
    ...override,
  };
  if (rules.privilegedCreators) raiseTombstone(content);
  return content;
}

function raiseTombstone(content: JsonObject): void {
  const events = content['events'];
  if (!isJsonObject(events)) return;
  const stateDefault = typeof content['state_default'] === 'number' ? content['state_default'] : 50;
  const level = events['m.room.tombstone'];
  if (level === undefined || (level === tombstoneLevel && level <= stateDefault)) {
    content['events'] = { ...events, 'm.room.tombstone': Math.max(tombstoneLevel, stateDefault + 1) };
  }
}
