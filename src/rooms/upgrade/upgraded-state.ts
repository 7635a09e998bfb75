import { LEVEL_DEFAULTS, LEVEL_FIELDS, parseLevel } from '../../protocol/event-auth/power-levels.ts';
import type { UserId } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import { initialPowerLevels } from '../create/power-levels.ts';

/** Who upgrades from what to what. */
export interface UpgradeFrame {
  readonly from: RoomVersionRules;
  readonly to: RoomVersionRules;
  readonly upgrader: UserId;
  /** Of the new room, the upgrader included. */
  readonly creators: readonly string[];
}

/** The level that admins have by custom. */
const adminLevel = 100;
/** Above the level that admins have by custom. */
const creatorsOnly = 150;

/** The levels of a room as integers, as every room version takes them; what is no level there is left out. */
export function integerLevels(content: JsonObject, rules: RoomVersionRules): JsonObject {
  const level = (value: JsonValue | undefined): number | undefined => {
    const number = parseLevel(rules, value);
    return Number.isSafeInteger(number) ? number : undefined;
  };
  const result: JsonObject = { ...content };
  for (const field of LEVEL_FIELDS) setOrDelete(result, field, level(content[field]));
  for (const field of ['events', 'notifications', 'users'] as const) {
    const levels = content[field];
    if (!isJsonObject(levels)) {
      delete result[field];
      continue;
    }
    const entries = Object.entries(levels).map(([key, value]) => [key, level(value)] as const);
    result[field] = Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as JsonObject;
  }
  return result;
}

/**
 * The power levels of the new room. Creators of room version 12 and later stand above all levels and are not listed;
 * where the new version has no such creators, the upgrader gets a level that reaches everything.
 */
export function upgradedPowerLevels(content: JsonObject | undefined, frame: UpgradeFrame): JsonObject {
  const { from, to, upgrader, creators } = frame;
  if (content === undefined) {
    return initialPowerLevels({ rules: to, preset: 'private_chat', creator: upgrader, invited: [], override: {} });
  }
  const result = integerLevels(content, from);
  const users = isJsonObject(result['users']) ? { ...result['users'] } : {};
  if (to.privilegedCreators) {
    for (const creator of creators) delete users[creator];
    result['users'] = users;
    result['events'] = withTombstone(result);
    return result;
  }
  if (from.privilegedCreators) users[upgrader] = Math.max(adminLevel, highest(result), levelOf(users[upgrader]));
  result['users'] = users;
  return result;
}

/** The levels of the old room, raised so that only moderators may still speak and invite there. */
export function closedPowerLevels(content: JsonObject, rules: RoomVersionRules): JsonObject {
  const result = integerLevels(content, rules);
  const least = Math.max(50, levelOf(result['users_default']) + 1);
  for (const field of ['events_default', 'invite'] as const) result[field] = Math.max(least, levelOf(result[field]));
  return result;
}

/** A join rule that the new version does not know becomes the nearest stricter one. */
export function upgradedJoinRules(content: JsonObject, to: RoomVersionRules): JsonObject {
  let rule = content['join_rule'];
  if (rule === 'knock_restricted' && !to.knockRestricted) rule = to.restricted ? 'restricted' : 'invite';
  if ((rule === 'restricted' && !to.restricted) || (rule === 'knock' && !to.knock)) rule = 'invite';
  return rule === content['join_rule'] || rule === undefined ? content : { ...content, join_rule: rule };
}

/** A tombstone is for the creators, unless the old room had it above other state already. */
function withTombstone(content: JsonObject): JsonObject {
  const events = isJsonObject(content['events']) ? content['events'] : {};
  const stateDefault =
    typeof content['state_default'] === 'number' ? content['state_default'] : LEVEL_DEFAULTS.state_default;
  const level = events['m.room.tombstone'];
  if (typeof level === 'number' && level > stateDefault) return events;
  return { ...events, 'm.room.tombstone': Math.max(creatorsOnly, stateDefault + 1) };
}

function highest(content: JsonObject): number {
  const events = isJsonObject(content['events']) ? Object.values(content['events']) : [];
  return Math.max(0, ...[...LEVEL_FIELDS.map((field) => content[field]), ...events].map(levelOf));
}

function levelOf(value: JsonValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}

function setOrDelete(object: JsonObject, key: string, value: number | undefined): void {
  if (value === undefined) delete object[key];
  else object[key] = value;
}
