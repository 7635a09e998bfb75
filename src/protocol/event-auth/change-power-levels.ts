import type { JsonObject } from '../../util/json.ts';
import { isUserId } from '../ids/user-id.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { own } from './content.ts';
import { creatorsOf } from './create.ts';
import type { RuleNumbers } from './numbering.ts';
import { LEVEL_FIELDS, levelMap, type PowerLevels, parseLevel } from './power-levels.ts';
import { ALLOWED, type AuthEvent, reject, type StateLookup, type Verdict } from './types.ts';

interface PowerLevelsCheck<Id> {
  readonly rules: RoomVersionRules;
  readonly numbers: RuleNumbers;
  readonly event: AuthEvent<Id>;
  readonly create: AuthEvent<Id>;
  readonly state: StateLookup<Id>;
  readonly levels: PowerLevels;
}

/** Rule 10 (version 12): an `m.room.power_levels` event. Numbers in comments are those of version 12. */
export function checkPowerLevels<Id>(check: PowerLevelsCheck<Id>): Verdict {
  const malformed = checkValues(check);
  if (malformed) return malformed;
  // 10.5: the text speaks of one power levels event; under another state key there is none, as other servers have it
  const current = check.event.stateKey ? undefined : check.state('m.room.power_levels', '');
  if (!current) return ALLOWED;
  // 10.11
  return (
    checkFields(check, current.content) ??
    checkEntries(check, current.content, 'events') ??
    (check.rules.notificationsInPowerLevels ? checkEntries(check, current.content, 'notifications') : undefined) ??
    checkUsers(check, current.content) ??
    ALLOWED
  );
}

/** 10.1 to 10.4: what the event says, whatever was there before. */
function checkValues<Id>({ rules, numbers, event, create }: PowerLevelsCheck<Id>): Verdict | undefined {
  const rule = numbers.powerLevels;
  if (rules.integerPowerLevels) {
    // 10.1 (10 and later)
    for (const field of LEVEL_FIELDS) {
      const value = own(event.content, field);
      if (value !== undefined && Number.isNaN(parseLevel(rules, value))) {
        return reject(`${rule}.1`, `${field} is not an integer`);
      }
    }
    // 10.2 (10 and later)
    for (const field of ['events', 'notifications'] as const) {
      if (!isSound(levelMap(rules, event.content, field))) {
        return reject(`${rule}.2`, `${field} is not an object of integers`);
      }
    }
  }
  // 10.3: an absent map is no defect, which is how every server reads it
  const users = levelMap(rules, event.content, 'users');
  if (!isSound(users) || ![...users.keys()].every(isUserId)) {
    return reject(`${rule}.${numbers.users}`, 'users is not an object of user IDs to levels');
  }
  // 10.4 (12)
  if (rules.privilegedCreators && creatorsOf(rules, create).some((creator) => users.has(creator))) {
    return reject(`${rule}.${numbers.creatorsInUsers}`, 'users names a creator of the room');
  }
  return undefined;
}

function isSound(map: ReadonlyMap<string, number> | undefined): map is ReadonlyMap<string, number> {
  return map !== undefined && ![...map.values()].some(Number.isNaN);
}

/**
 * 10.6: the single levels. An absent level is not measured by its default, on either side: the text leaves it open,
 * and the servers that make up most rooms do not.
 */
function checkFields<Id>(check: PowerLevelsCheck<Id>, current: JsonObject): Verdict | undefined {
  const { rules, numbers, event } = check;
  const rule = `${numbers.powerLevels}.${numbers.fields}`;
  const sender = check.levels.userLevel(event.sender);
  for (const field of LEVEL_FIELDS) {
    const before = fieldLevel(rules, current, field);
    const after = fieldLevel(rules, event.content, field);
    if (before === after) continue;
    // 10.6.1
    if (!isWithin(before, sender)) return reject(`${rule}.1`, `${field} is above the sender's power`);
    // 10.6.2
    if (!isWithin(after, sender)) return reject(`${rule}.2`, `${field} would be above the sender's power`);
  }
  return undefined;
}

function fieldLevel(rules: RoomVersionRules, content: JsonObject, field: string): number | undefined {
  const value = own(content, field);
  return value === undefined || value === null ? undefined : parseLevel(rules, value);
}

/** 10.7, 10.8: the entries of `events` and `notifications`. */
function checkEntries<Id>(
  check: PowerLevelsCheck<Id>,
  current: JsonObject,
  field: 'events' | 'notifications',
): Verdict | undefined {
  const { rules, numbers, event } = check;
  const rule = numbers.powerLevels;
  const sender = check.levels.userLevel(event.sender);
  const next = levelMap(rules, event.content, field);
  if (!next) return reject(`${rule}.${numbers.newEntry}`, `${field} is not an object`);
  for (const [key, before, after] of changes(levelMap(rules, current, field), next)) {
    // 10.7.1
    if (!isWithin(before, sender)) {
      return reject(`${rule}.${numbers.currentEntry}.1`, `the level of ${key} is above the sender's power`);
    }
    // 10.8.1
    if (!isWithin(after, sender)) {
      return reject(`${rule}.${numbers.newEntry}.1`, `the level of ${key} would be above the sender's power`);
    }
  }
  return undefined;
}

/** 10.9, 10.10: the entries of `users`. */
function checkUsers<Id>(check: PowerLevelsCheck<Id>, current: JsonObject): Verdict | undefined {
  const { rules, numbers, event } = check;
  const rule = numbers.powerLevels;
  const sender = check.levels.userLevel(event.sender);
  const next = levelMap(rules, event.content, 'users') ?? new Map<string, number>();
  for (const [user, before, after] of changes(levelMap(rules, current, 'users'), next)) {
    // 10.9.1
    if (before !== undefined && user !== event.sender && !(before < sender)) {
      return reject(`${rule}.${numbers.currentUser}.1`, `${user} has as much power as the sender or more`);
    }
    // 10.10.1
    if (!isWithin(after, sender)) {
      return reject(`${rule}.${numbers.newUser}.1`, `${user} would have more power than the sender`);
    }
  }
  return undefined;
}

/** The entries that two maps do not share. */
function* changes(
  before: ReadonlyMap<string, number> = new Map(),
  after: ReadonlyMap<string, number>,
): Iterable<[string, number | undefined, number | undefined]> {
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const old = before.get(key);
    const now = after.get(key);
    if (old !== now) yield [key, old, now];
  }
}

function isWithin(level: number | undefined, limit: number): boolean {
  return level === undefined || level <= limit;
}
