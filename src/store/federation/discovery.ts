import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';

/** What a server's well-known document said. */
export interface DiscoveredRow {
  /** Where its name leads instead; null: there was no usable answer. */
  readonly delegated: string | null;
  readonly fetched: Millis;
  readonly expires: Millis;
  /** Fetches in a row that gave nothing. */
  readonly failures: number;
}

/** What well-known documents of other servers said. Writing methods belong inside a write. */
export class DiscoveryStore {
  readonly #get;
  readonly #put;
  readonly #forget;
  readonly #count;
  #rows: number | undefined;

  constructor(db: Database) {
    this.#get = db.prepare<[string], DiscoveredRow>(
      'SELECT delegated, fetched, expires, failures FROM discovered WHERE name = ?',
    );
    this.#put = db.prepare<[string, string | null, Millis, Millis, number]>(
      `INSERT INTO discovered (name, delegated, fetched, expires, failures) VALUES (?, ?, ?, ?, ?) ON CONFLICT
       DO UPDATE SET delegated = excluded.delegated, fetched = excluded.fetched, expires = excluded.expires,
         failures = excluded.failures`,
    );
    this.#forget = db.prepare<[number]>(
      'DELETE FROM discovered WHERE name IN (SELECT name FROM discovered WHERE expires > 0 ORDER BY expires LIMIT ?)',
    );
    this.#count = db.prepare<[], number>('SELECT count(*) FROM discovered').pluck();
  }

  get(name: string): DiscoveredRow | undefined {
    return this.#get.get(name);
  }

  /** Writes an answer down; of more than `most`, those that are over first are forgotten. */
  put(name: string, row: DiscoveredRow, most: number): void {
    this.#put.run(name, row.delegated, row.fetched, row.expires, row.failures);
    // Too high by the names that were known; so it is counted again before anything is forgotten.
    this.#rows = (this.#rows ?? this.#count.get() ?? 0) + 1;
    if (this.#rows <= most) return;
    this.#rows = this.#count.get() ?? 0;
    if (this.#rows <= most) return;
    this.#forget.run(Math.ceil(most / 10));
    this.#rows = undefined;
  }
}
