import { basename, dirname, resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { checkTogether } from './checks.ts';
import type { Config } from './config.ts';
import { findCredentials } from './credentials.ts';
import { definition } from './definition/definition.ts';
import { camelKey, type Field, type Shape, type Since } from './definition/field.ts';
import { type Board, invalid, type Scope } from './definition/kinds.ts';
import { readEnvironment } from './environment.ts';
import { nearestKey } from './nearest.ts';
import type { Problem } from './problems.ts';
import { Collector, type Entries, type Entry, keyText, type Origin } from './sources.ts';
import { findTomlLines, type KeyPath } from './toml-lines.ts';

export interface LoadInput {
  /** The TOML file; without it only the environment speaks. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws what node:fs throws. */
  readonly readFile: (path: string) => string;
  /** The working folder: relative paths in the environment start here. */
  readonly folder: string;
  readonly board: Board;
  /** Values of the lowest rank, in TOML form: what a command sets for lack of anything else. */
  readonly fallback?: Readonly<Record<string, unknown>>;
}

/** The whole configuration, or everything that is wrong with it. Notes are worth a warning but stop nothing. */
export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly notes: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Reads file, credentials and environment, the later winning, and reports all problems at once. */
export function loadConfig(input: LoadInput): LoadResult {
  const problems: Problem[] = [];
  const fallback = new Collector(definition, problems, false);
  fallback.table(input.fallback ?? {}, definition, defaultOrigin(input.folder));
  const file = input.file === undefined ? new Map() : readTomlFile(input.file, input, problems);
  const environment = readEnvironment(definition, input.env, input.folder, problems);
  const credentials = findCredentials(definition, input.env['CREDENTIALS_DIRECTORY'], input.readFile);
  const entries: Entries = new Map([...fallback.entries, ...file, ...credentials, ...environment]);
  const reader = new Reader(entries, input, problems);
  const config = reader.table(definition, []) as unknown as Config;
  if (problems.length === 0) {
    const report = (path: KeyPath, message: string) => reader.report(path, message);
    checkTogether(config, report, (path) => unreadable(path, input));
  }
  if (problems.length === 0) return { ok: true, config, notes: reader.notes };
  return { ok: false, problems: problems.toSorted((a, b) => (a.line ?? lastLine) - (b.line ?? lastLine)) };
}

/** Problems without a line come after those of the file. */
const lastLine = Number.MAX_SAFE_INTEGER;

function defaultOrigin(folder: string): Origin {
  return { source: 'configuration', folder, lineOf: () => undefined };
}

function readTomlFile(file: string, input: LoadInput, problems: Problem[]): Entries {
  const path = resolve(input.folder, file);
  const source = basename(path);
  const collector = new Collector(definition, problems, true);
  try {
    const text = input.readFile(path);
    const table = parse(text);
    const lines = findTomlLines(text);
    collector.table(table, definition, { source, folder: dirname(path), lineOf: (key) => lines.lineOf(key) });
  } catch (error) {
    if (error instanceof TomlError) {
      const [message = 'is not TOML'] = error.message.split('\n');
      problems.push({ source, line: error.line, key: '', message });
    } else {
      problems.push({ source, line: undefined, key: '', message: `cannot be read (${reasonOf(error)})` });
    }
  }
  return collector.entries;
}

/** Turns entries into values by the definition. */
class Reader {
  /** Keys that are set but belong to a later release. */
  readonly notes: Problem[] = [];
  readonly #entries: Entries;
  readonly #input: LoadInput;
  readonly #problems: Problem[];

  constructor(entries: Entries, input: LoadInput, problems: Problem[]) {
    this.#entries = entries;
    this.#input = input;
    this.#problems = problems;
  }

  table(shape: Shape, path: readonly string[], since?: Since): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(shape)) {
      const here = [...path, key];
      const memberSince = member.since ?? since;
      result[camelKey(key)] =
        member.node === 'table' ? this.table(member.shape, here, memberSince) : this.#field(member, here, memberSince);
    }
    return result;
  }

  /** Reports a problem at the place where `path`, or what is around it, was written. */
  report(path: KeyPath, message: string): void {
    const entry = this.#entries.get(tableKey(path));
    this.#problems.push(problemAt(entry?.origin ?? defaultOrigin(this.#input.folder), path, message));
  }

  #field(field: Field<unknown>, path: readonly string[], since: Since | undefined): unknown {
    const entry = this.#entries.get(path.join('.'));
    if (!entry) {
      const scope = this.#scope(defaultOrigin(this.#input.folder), path);
      if (field.required) return scope.fail(`is missing; it is the one key that must be set`);
      return field.preset === undefined ? undefined : field.kind.read(field.preset(this.#input.board), scope);
    }
    if (since === 'later' && entry.isExplicit) {
      this.notes.push(problemAt(entry.origin, path, 'set, but not used by this release'));
    }
    const scope = this.#scope(entry.origin, path);
    const value = entry.isFile ? this.#secretFrom(entry, scope) : entry.value;
    return value === invalid ? invalid : field.kind.read(value, scope);
  }

  #secretFrom(entry: Entry, scope: Scope): unknown {
    if (typeof entry.value !== 'string' || entry.value === '') return scope.fail('the …_file key must be a path');
    try {
      return this.#input.readFile(resolve(entry.origin.folder, entry.value)).replace(/\r?\n$/, '');
    } catch (error) {
      return scope.fail(`the file "${entry.value}" cannot be read (${reasonOf(error)})`);
    }
  }

  #scope(origin: Origin, path: KeyPath): Scope {
    const problems = this.#problems;
    return {
      folder: origin.folder,
      board: this.#input.board,
      fail(message) {
        problems.push(problemAt(origin, path, message));
        return invalid;
      },
      at: (key) => this.#scope(origin, [...path, key]),
      unknownKey(key, known) {
        const nearest = nearestKey(key, known);
        const problem = problemAt(origin, [...path, key], 'unknown key');
        problems.push(nearest === undefined ? problem : { ...problem, nearest });
      },
    };
  }
}

function problemAt(origin: Origin, path: KeyPath, message: string): Problem {
  return { source: origin.source, line: origin.lineOf(path), key: keyText(path), message };
}

/** The dotted key of the field that `path` leads into: everything before the first index. */
function tableKey(path: KeyPath): string {
  const end = path.findIndex((part) => typeof part === 'number');
  return path.slice(0, end < 0 ? path.length : end).join('.');
}

function unreadable(path: string, input: LoadInput): string | undefined {
  try {
    input.readFile(path);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
