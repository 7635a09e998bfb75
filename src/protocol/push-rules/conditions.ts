import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import { containsWords, wholeGlob, wordGlob } from './glob.ts';
import { splitPath, valueAt } from './property-path.ts';
import type { PushContext, PushOwner } from './types.ts';

/** A condition made ready. */
export type Condition = (context: PushContext, owner: PushOwner) => boolean;

const never: Condition = () => false;

/**
 * Compiles a condition. One that is not recognised or lacks what it needs matches no event.
 * @see https://spec.matrix.org/v1.19/client-server-api/#conditions-1
 */
export function compileCondition(condition: JsonValue): Condition {
  if (!isJsonObject(condition)) return never;
  switch (condition['kind']) {
    case 'event_match':
      return eventMatch(condition);
    case 'event_property_is':
      return propertyIs(condition);
    case 'event_property_contains':
      return propertyContains(condition);
    case 'contains_display_name':
      return containsDisplayName;
    case 'room_member_count':
      return memberCount(condition);
    case 'sender_notification_permission':
      return senderPermission(condition);
    default:
      return never;
  }
}

function eventMatch(condition: JsonObject): Condition {
  const { key, pattern } = condition;
  if (typeof key !== 'string' || typeof pattern !== 'string') return never;
  const test = key === 'content.body' ? wordGlob(pattern) : wholeGlob(pattern);
  const names = splitPath(key);
  return ({ event }) => {
    const value = valueAt(event, names);
    return typeof value === 'string' && test(value);
  };
}

function propertyIs(condition: JsonObject): Condition {
  const { key, value: wanted } = condition;
  if (typeof key !== 'string' || !isSimple(wanted)) return never;
  const names = splitPath(key);
  return ({ event }) => valueAt(event, names) === wanted;
}

function propertyContains(condition: JsonObject): Condition {
  const { key, value: wanted } = condition;
  if (typeof key !== 'string' || !isSimple(wanted)) return never;
  const names = splitPath(key);
  return ({ event }) => {
    const value = valueAt(event, names);
    return Array.isArray(value) && value.includes(wanted);
  };
}

/** Strings, whole numbers, booleans and null. */
function isSimple(value: JsonValue | undefined): value is string | number | boolean | null {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  return typeof value === 'number' && Number.isSafeInteger(value);
}

const containsDisplayName: Condition = ({ event }, owner) => {
  const body = event.content['body'];
  if (typeof body !== 'string') return false;
  const name = owner.displayName();
  if (name === undefined || name === '') return false;
  return containsWords(body, name);
};

function memberCount(condition: JsonObject): Condition {
  const match = typeof condition['is'] === 'string' ? /^(==|<=|>=|<|>)?(\d+)$/.exec(condition['is']) : null;
  if (match === null) return never;
  const limit = Number(match[2]);
  switch (match[1]) {
    case '<':
      return (context) => context.memberCount < limit;
    case '>':
      return (context) => context.memberCount > limit;
    case '<=':
      return (context) => context.memberCount <= limit;
    case '>=':
      return (context) => context.memberCount >= limit;
    default:
      return (context) => context.memberCount === limit;
  }
}

function senderPermission(condition: JsonObject): Condition {
  const { key } = condition;
  return typeof key === 'string' ? (context) => context.senderMayNotify(key) : never;
}
