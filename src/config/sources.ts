import type { Shape } from './definition/field.ts';
import { isTable } from './definition/kinds.ts';
import { nearestKey } from './nearest.ts';
import type { Problem } from './problems.ts';
import type { KeyPath } from './toml-lines.ts';

/** Where a value was written. */
export interface Origin {
  readonly source: string;
  /** Relative paths in the value start here. */
  readonly folder: string;
  lineOf(path: KeyPath): number | undefined;
}

/** A value as written, not yet read. */
export interface Entry {
  readonly value: unknown;
  readonly origin: Origin;
  /** The value is the path of a file that holds the secret. */
  readonly isFile: boolean;
  /** Set by the admin, and not a default of a command. */
  readonly isExplicit: boolean;
}

/** All values that one source gives, by dotted key. */
export type Entries = Map<string, Entry>;

export function keyText(path: KeyPath): string {
  return path.map((part, at) => (typeof part === 'number' ? `[${part}]` : at === 0 ? part : `.${part}`)).join('');
}

/** The dotted keys of everything in the definition, tables and `…_file` keys included. */
export function allKeys(shape: Shape, prefix = ''): string[] {
  return Object.entries(shape).flatMap(([key, member]) => {
    const path = prefix + key;
    if (member.node === 'table') return [path, ...allKeys(member.shape, `${path}.`)];
    return member.secret ? [path, `${path}_file`] : [path];
  });
}

/** Sorts a parsed table into entries; what the definition does not know is reported. */
export class Collector {
  readonly entries: Entries = new Map();
  readonly #problems: Problem[];
  readonly #keys: readonly string[];
  readonly #isExplicit: boolean;

  constructor(definition: Shape, problems: Problem[], isExplicit: boolean) {
    this.#problems = problems;
    this.#keys = allKeys(definition);
    this.#isExplicit = isExplicit;
  }

  /** Takes the table that stands at `path` and has this `shape`. */
  table(value: unknown, shape: Shape, origin: Origin, path: readonly string[] = []): void {
    if (!isTable(value)) {
      this.#report(origin, path, 'must be a table');
      return;
    }
    for (const [key, item] of Object.entries(value)) this.#key(key, item, shape, origin, [...path, key]);
  }

  #key(key: string, item: unknown, shape: Shape, origin: Origin, path: readonly string[]): void {
    const member = Object.hasOwn(shape, key) ? shape[key] : undefined;
    if (member?.node === 'table') {
      this.table(item, member.shape, origin, path);
    } else if (member) {
      this.field(path, item, origin, false);
    } else if (isSecretFile(shape, key)) {
      this.field([...path.slice(0, -1), key.slice(0, -'_file'.length)], item, origin, true);
    } else {
      this.unknown(origin, path);
    }
  }

  field(path: readonly string[], value: unknown, origin: Origin, isFile: boolean): void {
    const key = path.join('.');
    const twin = this.entries.get(key);
    if (twin && twin.isFile !== isFile) {
      this.#report(origin, path, `is set both as "${path.at(-1)}" and as "${path.at(-1)}_file"`);
      return;
    }
    this.entries.set(key, { value, origin, isFile, isExplicit: this.#isExplicit });
  }

  unknown(origin: Origin, path: readonly string[]): void {
    const nearest = nearestKey(path.join('.'), this.#keys);
    this.#report(origin, path, 'unknown key', nearest);
  }

  #report(origin: Origin, path: readonly string[], message: string, nearest?: string): void {
    const place = { source: origin.source, line: origin.lineOf(path), key: keyText(path), message };
    this.#problems.push(nearest === undefined ? place : { ...place, nearest });
  }
}

function isSecretFile(shape: Shape, key: string): boolean {
  if (!key.endsWith('_file')) return false;
  const base = key.slice(0, -'_file'.length);
  const member = Object.hasOwn(shape, base) ? shape[base] : undefined;
  return member?.node === 'field' && member.secret;
}
