import { isAbsolute, resolve } from 'node:path';
import { type Millis, millis } from '../../util/brand.ts';

/** The reading of a bad value: the problem has been reported, there is nothing to go on with. */
export const invalid: unique symbol = Symbol('invalid');
export type Invalid = typeof invalid;

/** What is known of the machine when a default is derived from it. */
export interface Board {
  /** Megabytes that this process may use: the cgroup's limit, or the physical RAM. */
  readonly memoryMb: number;
  readonly cores: number;
  /** Megabytes of the file system that holds the data; undefined: not known. */
  readonly diskMb?: number | undefined;
}

/** Where a value stands while it is read: reports what is wrong with it, and knows the folder it was written in. */
export interface Scope {
  /** Relative paths start here: the config file's folder, or the working folder for the environment. */
  readonly folder: string;
  readonly board: Board;
  fail(message: string): Invalid;
  /** The scope of an element or of a key inside the value. */
  at(key: string | number): Scope;
  /** Reports a key that the table does not have; `known` are the ones it has. */
  unknownKey(key: string, known: readonly string[]): void;
}

/** A kind of value: how it is written, and how its TOML form becomes ours. */
export interface Kind<T> {
  /** For the documentation and for messages: "must be {words}". */
  readonly words: string;
  /** How an environment variable holds it. Tables and arrays are JSON there. */
  readonly inEnv: 'text' | 'json';
  read(value: unknown, scope: Scope): T | Invalid;
  /** Our form back to the TOML form, where they differ. */
  readonly show?: (value: unknown) => unknown;
}

function mustBe(kind: { readonly words: string }, scope: Scope): Invalid {
  return scope.fail(`must be ${kind.words}`);
}

export function text(words = 'a text'): Kind<string> {
  const kind: Kind<string> = {
    words,
    inEnv: 'text',
    read: (value, scope) => (typeof value === 'string' && value !== '' ? value : mustBe(kind, scope)),
  };
  return kind;
}

/** One of a few fixed words. */
export function oneOf<const T extends string>(...choices: readonly T[]): Kind<T> {
  const kind: Kind<T> = {
    words: choices.map((choice) => `"${choice}"`).join(' or '),
    inEnv: 'text',
    read: (value, scope) => choices.find((choice) => choice === value) ?? mustBe(kind, scope),
  };
  return kind;
}

export const flag: Kind<boolean> = {
  words: 'true or false',
  inEnv: 'json',
  read: (value, scope) => (typeof value === 'boolean' ? value : mustBe(flag, scope)),
};

/** A whole number from `least` to `most`, both included. */
export function whole(least: number, most: number, unit = ''): Kind<number> {
  const words = `a whole number from ${least} to ${most}${unit && ` (${unit})`}`;
  const kind: Kind<number> = {
    words,
    inEnv: 'json',
    read: (value, scope) =>
      typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
        ? value
        : mustBe(kind, scope),
  };
  return kind;
}

/** A number above 0, with a fraction if need be. */
export const rate: Kind<number> = {
  words: 'a number above 0',
  inEnv: 'json',
  read: (value, scope) =>
    typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : mustBe(rate, scope),
};

const durationUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** The milliseconds of `"90s"`, `"1m"`, `"24h"`, `"30d"`; undefined if the text is no duration. */
export function parseDuration(text: string): Millis | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d|w)$/.exec(text);
  if (!match) return undefined;
  const span = Number(match[1]) * durationUnits[match[2] as keyof typeof durationUnits];
  return Number.isSafeInteger(span) ? millis(span) : undefined;
}

export const duration: Kind<Millis> = {
  words: 'a duration such as "30s", "5m", "24h" or "7d"',
  inEnv: 'text',
  read: (value, scope) => (typeof value === 'string' ? parseDuration(value) : undefined) ?? mustBe(duration, scope),
  show(value) {
    if (typeof value !== 'number') return value;
    const units = Object.entries(durationUnits).reverse();
    const [unit, size] = units.find(([, size]) => value % size === 0 && value >= size) ?? ['ms', 1];
    return `${value / size}${unit}`;
  },
};

/** A file or folder. A relative one starts at the folder of the file it is written in; the result is absolute. */
export const path: Kind<string> = {
  words: 'a path',
  inEnv: 'text',
  read(value, scope) {
    if (typeof value !== 'string' || value === '' || value.includes('\0')) return mustBe(path, scope);
    return isAbsolute(value) ? value : resolve(scope.folder, value);
  },
};

/** An http or https address without query, fragment or user; the result has no slash at its end. */
export const webAddress: Kind<string> = {
  words: 'a web address such as "https://matrix.example.org"',
  inEnv: 'text',
  read(value, scope) {
    if (typeof value !== 'string' || !/^https?:\/\//.test(value)) return mustBe(webAddress, scope);
    const url = URL.parse(value);
    if (!url || url.search || url.hash || url.username || url.password) return mustBe(webAddress, scope);
    return url.href.replace(/\/+$/, '');
  },
};

/** A value checked by `accepts`, which answers its parsed form or undefined. */
export function parsed<T extends string>(words: string, accepts: (value: string) => T | undefined): Kind<T> {
  const kind: Kind<T> = {
    words,
    inEnv: 'text',
    read: (value, scope) => (typeof value === 'string' ? accepts(value) : undefined) ?? mustBe(kind, scope),
  };
  return kind;
}

/** An array; every bad element is reported. */
export function list<T>(element: Kind<T>): Kind<readonly T[]> {
  const kind: Kind<readonly T[]> = {
    words: `an array, each element ${element.words}`,
    inEnv: 'json',
    read(value, scope) {
      if (!Array.isArray(value)) return mustBe(kind, scope);
      const readings = value.map((item: unknown, index) => element.read(item, scope.at(index)));
      const good = readings.filter((reading): reading is T => reading !== invalid);
      return good.length === readings.length ? good : invalid;
    },
  };
  return kind;
}

/** A table of free keys. */
export function map<T>(keyWords: string, element: Kind<T>): Kind<ReadonlyMap<string, T>> {
  const kind: Kind<ReadonlyMap<string, T>> = {
    words: `a table from ${keyWords} to ${element.words}`,
    inEnv: 'json',
    read(value, scope) {
      if (!isTable(value)) return mustBe(kind, scope);
      const good = new Map<string, T>();
      let bad = false;
      for (const [key, item] of Object.entries(value)) {
        const reading = element.read(item, scope.at(key));
        if (reading === invalid) bad = true;
        else good.set(key, reading);
      }
      return bad ? invalid : good;
    },
    show: (value) => (value instanceof Map ? Object.fromEntries(value as ReadonlyMap<string, unknown>) : value),
  };
  return kind;
}

/** A TOML table or a JSON object, and not one of TOML's dates. */
export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
