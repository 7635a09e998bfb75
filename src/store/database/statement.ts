import type Sqlite from 'better-sqlite3';
import type { Clock } from '../../util/clock.ts';
import { hideParameters } from './parameters.ts';
import type { TableVersions, WrittenTable } from './table-versions.ts';

/** What a statement is bound with: a tuple for `?`, an object for `@name`. */
export type Parameters<P extends unknown[] | object> = P extends unknown[] ? P : [P];

export interface RunResult {
  changes: number;
  lastInsertRowid: number;
}

export type QueryKind = 'get' | 'all' | 'run';

export type QueryObserver = (kind: QueryKind, seconds: number) => void;

/** Who is told how long statements take; nobody, until somebody asks. */
export class QueryTiming {
  readonly #clock: Clock;
  observe: QueryObserver | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  time<T>(kind: QueryKind, query: () => T): T {
    const began = this.#clock.monotonic();
    try {
      return query();
    } finally {
      this.observe?.(kind, (this.#clock.monotonic() - began) / 1000);
    }
  }
}

/** What the statements of a connection share. */
export interface StatementUses {
  readonly connection: Sqlite.Database;
  readonly transactions: { readonly active: boolean };
  readonly timing: QueryTiming;
  readonly versions: TableVersions;
}

type Raw<R> = Sqlite.Statement<unknown[], R>;

/**
 * A statement. `P` are its parameters, `R` is a row (after `pluck()`: the first column). It is prepared when it is used
 * for the first time: each takes some kB, and an idle server uses few of its many hundreds.
 * A statement that writes works inside `Database.write` or `durable` only, else its commit would go unnoticed.
 */
export class Statement<P extends unknown[] | object, R> {
  readonly #uses: StatementUses;
  readonly #sql: string;
  #form: 'rows' | 'pluck' | 'raw' = 'rows';
  #raw: Raw<R> | undefined;
  /** What a statement that writes must be part of. */
  #within: { readonly active: boolean } | undefined;
  /** What a statement that writes changes. */
  #written: readonly WrittenTable[] = [];

  constructor(sql: string, uses: StatementUses) {
    this.#uses = uses;
    this.#sql = sql;
  }

  /** The first row, or `undefined`. */
  get(...parameters: Parameters<P>): R | undefined {
    const raw = this.#changing();
    return this.#uses.timing.observe === undefined ? raw.get(...parameters) : this.#timedGet(raw, parameters);
  }

  all(...parameters: Parameters<P>): R[] {
    const raw = this.#changing();
    return this.#uses.timing.observe === undefined ? raw.all(...parameters) : this.#timedAll(raw, parameters);
  }

  run(...parameters: Parameters<P>): RunResult {
    const raw = this.#ready();
    const isTimed = this.#uses.timing.observe !== undefined;
    const result = isTimed ? this.#timedRun(raw, parameters) : (raw.run(...parameters) as RunResult);
    if (result.changes === 0) return result;
    for (const table of this.#written) table.count++;
    return result;
  }

  /** Row by row. Nothing may be written and nothing awaited before the last row is read or the loop left. */
  iterate(...parameters: Parameters<P>): IterableIterator<R> {
    return this.#changing().iterate(...parameters);
  }

  /** Makes rows their first column. Returns the statement itself. */
  pluck(): this {
    this.#form = 'pluck';
    return this;
  }

  /** Makes rows arrays of columns. Returns the statement itself. */
  raw(): this {
    this.#form = 'raw';
    return this;
  }

  // Closures over the parameters, in methods of their own: in those above each call would pay for them, timed or not.
  #timedGet(raw: Raw<R>, parameters: Parameters<P>): R | undefined {
    return this.#uses.timing.time('get', () => raw.get(...parameters));
  }

  #timedAll(raw: Raw<R>, parameters: Parameters<P>): R[] {
    return this.#uses.timing.time('all', () => raw.all(...parameters));
  }

  #timedRun(raw: Raw<R>, parameters: Parameters<P>): RunResult {
    return this.#uses.timing.time('run', () => raw.run(...parameters) as RunResult);
  }

  #ready(): Raw<R> {
    const raw = this.#raw ?? this.#prepare();
    if (this.#within?.active === false) {
      throw new Error('a statement that writes was used outside of a transaction');
    }
    return raw;
  }

  /** The same for a statement whose answer does not say what it has changed. */
  #changing(): Raw<R> {
    const raw = this.#ready();
    for (const table of this.#written) table.count++;
    return raw;
  }

  #prepare(): Raw<R> {
    const { connection, transactions, versions } = this.#uses;
    const raw = connection.prepare<unknown[], R>(hideParameters(this.#sql));
    if (this.#form !== 'rows') raw[this.#form]();
    if (!raw.readonly) {
      this.#within = transactions;
      this.#written = versions.writtenBy(this.#sql);
    }
    this.#raw = raw;
    return raw;
  }
}
