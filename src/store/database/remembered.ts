import { Lru } from '../../util/lru.ts';
import type { Parameters, Statement } from './statement.ts';
import type { TableVersion } from './table-versions.ts';

/** Answers kept of one statement, some hundred bytes each: as many as a busy small server asks for again and again. */
const maxAnswers = 128;
/** A longer answer is read anew each time. */
const maxRows = 64;
/** Keys of which it is known behind which position there is nothing: two numbers each. */
const maxQuiet = 512;

/** Tells whether the tables were written to since it was asked last. */
class Freshness {
  #tables: readonly TableVersion[] | (() => readonly TableVersion[]);
  #seen = -1;

  /** `find` gives the tables when they are needed. */
  constructor(find: () => readonly TableVersion[]) {
    this.#tables = find;
  }

  hasChanged(): boolean {
    let sum = 0;
    if (typeof this.#tables === 'function') this.#tables = this.#tables();
    for (const { count } of this.#tables) sum += count;
    if (sum === this.#seen) return false;
    this.#seen = sum;
    return true;
  }
}

/**
 * A statement that reads and remembers what it has read until one of its tables is written to, by whomever. Answers are
 * shared: nobody may change them.
 */
export class RememberedStatement<P extends unknown[], R> {
  readonly #statement: Statement<P, R>;
  readonly #freshness: Freshness;
  readonly #rows = new Lru<unknown, readonly R[]>(maxAnswers);
  /** Where only the first row was asked for. */
  readonly #firsts = new Lru<unknown, readonly R[]>(maxAnswers);

  constructor(statement: Statement<P, R>, tables: () => readonly TableVersion[]) {
    this.#statement = statement;
    this.#freshness = new Freshness(tables);
  }

  /** The first row, or `undefined`. */
  get(...parameters: Parameters<P>): R | undefined {
    const key = this.#key(parameters);
    const known = this.#rows.get(key) ?? this.#firsts.get(key);
    if (known !== undefined) return known[0];
    const row = this.#statement.get(...parameters);
    this.#firsts.set(key, row === undefined ? [] : [row]);
    return row;
  }

  all(...parameters: Parameters<P>): readonly R[] {
    const key = this.#key(parameters);
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    const rows = this.#statement.all(...parameters);
    if (rows.length <= maxRows) this.#rows.set(key, rows);
    return rows;
  }

  /** Makes rows their first column. Returns the statement itself. */
  pluck(): this {
    this.#statement.pluck();
    return this;
  }

  #key(parameters: readonly unknown[]): unknown {
    if (this.#freshness.hasChanged()) {
      this.#rows.clear();
      this.#firsts.clear();
    }
    return keyOf(parameters);
  }
}

export interface Stretch {
  /** How many parameters stand before `after` and `upTo`: whose rows they are. */
  readonly keys: number;
  /** The rows hold texts of any length: only that there are none is remembered. */
  readonly large?: boolean;
}

/**
 * A statement for rows in a stretch of the stream, (after, upTo]; what stands before these parameters is the key. Besides
 * its answers it remembers behind which position there is nothing for a key, so that followers ask only once a table
 * was written to.
 */
export class StretchStatement<P extends unknown[], R> {
  readonly #statement: Statement<P, R>;
  readonly #read: Pick<Statement<P, R>, 'all'> | RememberedStatement<P, R>;
  readonly #freshness: Freshness;
  readonly #quietAfter = new Lru<unknown, number>(maxQuiet);
  /** Where `after` stands. */
  readonly #at: number;

  constructor(statement: Statement<P, R>, tables: () => readonly TableVersion[], { keys, large = false }: Stretch) {
    this.#statement = statement;
    this.#read = large ? statement : new RememberedStatement(statement, tables);
    this.#freshness = new Freshness(tables);
    this.#at = keys;
  }

  all(...parameters: Parameters<P>): readonly R[] {
    if (this.#freshness.hasChanged()) this.#quietAfter.clear();
    const key = keyOf(parameters.slice(0, this.#at));
    const after = parameters[this.#at] as number;
    const quietAfter = this.#quietAfter.get(key);
    if (quietAfter !== undefined && after >= quietAfter) return nothing;
    const rows = this.#read.all(...parameters);
    if (rows.length === 0 && this.#isQuiet(parameters)) this.#quietAfter.set(key, after);
    return rows;
  }

  /** Makes rows their first column. Returns the statement itself. */
  pluck(): this {
    this.#statement.pluck();
    return this;
  }

  /** Whether there is nothing behind `after` at all. */
  #isQuiet(parameters: Parameters<P>): boolean {
    const endless = [...parameters] as Parameters<P>;
    endless[this.#at + 1] = Number.MAX_SAFE_INTEGER;
    return this.#statement.get(...endless) === undefined;
  }
}

const nothing: readonly never[] = Object.freeze([]);

function keyOf(parameters: readonly unknown[]): unknown {
  return parameters.length === 1 ? parameters[0] : parameters.join('\u0000');
}
