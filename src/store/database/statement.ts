import type Sqlite from 'better-sqlite3';
import type { Clock } from '../../util/clock.ts';
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

interface StatementUses {
  readonly transactions: { readonly active: boolean };
  readonly timing: QueryTiming;
  readonly versions: TableVersions;
}

/**
 * A prepared statement. `P` are its parameters, `R` is a row (after `pluck()`: the first column).
 * A statement that writes works inside `Database.write` or `durable` only, else its commit would go unnoticed.
 */
export class Statement<P extends unknown[] | object, R> {
  readonly #raw: Sqlite.Statement<unknown[], R>;
  /** What a statement that writes must be part of. */
  readonly #within: { readonly active: boolean } | undefined;
  readonly #timing: QueryTiming;
  /** What a statement that writes changes. */
  readonly #written: readonly WrittenTable[];

  constructor(connection: Sqlite.Database, sql: string, { transactions, timing, versions }: StatementUses) {
    this.#timing = timing;
    this.#raw = connection.prepare<unknown[], R>(sql);
    this.#within = this.#raw.readonly ? undefined : transactions;
    this.#written = this.#raw.readonly ? [] : versions.writtenBy(sql);
  }

  /** The first row, or `undefined`. */
  get(...parameters: Parameters<P>): R | undefined {
    this.#check();
    this.#changing();
    return this.#timing.observe === undefined ? this.#raw.get(...parameters) : this.#timedGet(parameters);
  }

  all(...parameters: Parameters<P>): R[] {
    this.#check();
    this.#changing();
    return this.#timing.observe === undefined ? this.#raw.all(...parameters) : this.#timedAll(parameters);
  }

  run(...parameters: Parameters<P>): RunResult {
    this.#check();
    const isTimed = this.#timing.observe !== undefined;
    const result = isTimed ? this.#timedRun(parameters) : (this.#raw.run(...parameters) as RunResult);
    if (result.changes === 0) return result;
    for (const table of this.#written) table.count++;
    return result;
  }

  /** Row by row. Nothing may be written and nothing awaited before the last row is read or the loop left. */
  iterate(...parameters: Parameters<P>): IterableIterator<R> {
    this.#check();
    this.#changing();
    return this.#raw.iterate(...parameters);
  }

  /** Makes rows their first column. Returns the statement itself. */
  pluck(): this {
    this.#raw.pluck();
    return this;
  }

  /** Makes rows arrays of columns. Returns the statement itself. */
  raw(): this {
    this.#raw.raw();
    return this;
  }

  // Closures over the parameters, in methods of their own: in those above each call would pay for them, timed or not.
  #timedGet(parameters: Parameters<P>): R | undefined {
    return this.#timing.time('get', () => this.#raw.get(...parameters));
  }

  #timedAll(parameters: Parameters<P>): R[] {
    return this.#timing.time('all', () => this.#raw.all(...parameters));
  }

  #timedRun(parameters: Parameters<P>): RunResult {
    return this.#timing.time('run', () => this.#raw.run(...parameters) as RunResult);
  }

  #check(): void {
    if (this.#within === undefined) return;
    if (!this.#within.active) throw new Error('a statement that writes was used outside of a transaction');
  }

  /** Before a statement that writes is read by its RETURNING: what it changes does not show in the answer. */
  #changing(): void {
    for (const table of this.#written) table.count++;
  }
}
