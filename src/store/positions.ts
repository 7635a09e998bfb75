import type { Statement } from './database/statement.ts';
import type { Database } from './db.ts';

/** How far positions may be given out, and the epoch they belong to. */
export class PositionStore {
  readonly #get: Statement<[string], number>;
  readonly #set: Statement<[bigint, string], never>;

  constructor(db: Database) {
    this.#get = db.prepare<[string], number>('SELECT value FROM meta WHERE key = ?').pluck();
    this.#set = db.prepare('UPDATE meta SET value = ? WHERE key = ?');
  }

  epoch(): number {
    return this.#get.get('epoch') ?? 1;
  }

  /** Positions up to and including this one may have been given out. */
  reserved(): number {
    return this.#get.get('reserved_pos') ?? 0;
  }

  reserve(upTo: number): void {
    this.#set.run(BigInt(upTo), 'reserved_pos');
  }
}
