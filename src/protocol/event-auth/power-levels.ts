import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { own, ownObject } from './content.ts';
import { creatorsOf } from './create.ts';
import type { AuthEvent, StateLookup } from './types.ts';

/** The fields of `m.room.power_levels` that hold one level each, with what an absent one stands for. */
export const LEVEL_DEFAULTS = {
  users_default: 0,
  events_default: 0,
  state_default: 50,
  ban: 50,
  redact: 50,
  kick: 50,
  invite: 0,
} as const;

export type LevelField = keyof typeof LEVEL_DEFAULTS;

export const LEVEL_FIELDS = Object.keys(LEVEL_DEFAULTS) as readonly LevelField[];

/** The level of the creator as long as there is no power levels event, in room versions 1 to 11. */
const CREATOR_LEVEL = 100;

const DEFAULT_NOTIFICATION_LEVEL = 50;

const integerText = /^\s*[+-]?[0-9]+\s*$/;

/**
 * One power level as the room version writes it: an integer; a string of digits up to version 9; a number whose
 * fraction is cut off up to version 5. Anything else is NaN, and as the rules ask for `level >= required` or
 * `old <= level`, never the opposite, NaN passes none of them.
 * @see https://spec.matrix.org/v1.19/rooms/v1/#mroompower_levels-events-accept-values-as-strings
 */
export function parseLevel(rules: RoomVersionRules, value: JsonValue | undefined): number {
  if (typeof value === 'number') {
    if (Number.isInteger(value)) return value;
    return rules.strictCanonicalJson || !Number.isFinite(value) ? Number.NaN : Math.trunc(value);
  }
  if (typeof value === 'string' && !rules.integerPowerLevels && integerText.test(value)) {
    const level = Number.parseInt(value.trim(), 10);
    return Number.isFinite(level) ? level : Number.NaN;
  }
  return Number.NaN;
}

/** Who may do what in a room, read from its create event and its `m.room.power_levels` event, if there is one. */
export class PowerLevels {
  readonly #rules: RoomVersionRules;
  readonly #content: JsonObject | undefined;
  readonly #creators: readonly string[];

  constructor(
    rules: RoomVersionRules,
    create: AuthEvent<unknown> | undefined,
    powerLevels: AuthEvent<unknown> | undefined,
  ) {
    this.#rules = rules;
    this.#content = powerLevels?.content;
    this.#creators = create ? creatorsOf(rules, create) : [];
  }

  static of<Id>(rules: RoomVersionRules, state: StateLookup<Id>): PowerLevels {
    return new PowerLevels(rules, state('m.room.create', ''), state('m.room.power_levels', ''));
  }

  /** Infinity for a creator in room version 12. */
  userLevel(user: string): number {
    const isCreator = this.#creators.includes(user);
    if (isCreator && this.#rules.privilegedCreators) return Number.POSITIVE_INFINITY;
    if (!this.#content) return isCreator ? CREATOR_LEVEL : 0;
    return this.#entry('users', user) ?? this.level('users_default');
  }

  level(field: LevelField): number {
    const value = this.#content && own(this.#content, field);
    return value === undefined || value === null ? LEVEL_DEFAULTS[field] : parseLevel(this.#rules, value);
  }

  /** What sending an event of this type takes. */
  requiredLevel(type: string, isState: boolean): number {
    return this.#entry('events', type) ?? this.level(isState ? 'state_default' : 'events_default');
  }

  /** What a notification such as `room` (for `@room`) takes. */
  notificationLevel(key: string): number {
    return this.#entry('notifications', key) ?? DEFAULT_NOTIFICATION_LEVEL;
  }

  #entry(map: 'users' | 'events' | 'notifications', key: string): number | undefined {
    const value = this.#content && own(ownObject(this.#content, map) ?? {}, key);
    return value === undefined || value === null ? undefined : parseLevel(this.#rules, value);
  }
}

/** The levels in one of the maps of a power levels event, or `undefined` if it is there and is not a map. */
export function levelMap(
  rules: RoomVersionRules,
  content: JsonObject,
  field: 'users' | 'events' | 'notifications',
): ReadonlyMap<string, number> | undefined {
  const value = own(content, field);
  if (value === undefined) return new Map();
  if (!isJsonObject(value)) return undefined;
  return new Map(Object.entries(value).map(([key, level]) => [key, parseLevel(rules, level)]));
}
