import { type Millis, millis } from '../util/brand.ts';
import type { Statement } from './database/statement.ts';
import type { Database } from './db.ts';

/** The newest time that this database knows of: a clock that shows an earlier one is wrong. */
export class ClockMark {
  readonly #get: Statement<[], number>;
  readonly #set: Statement<[bigint], never>;
  readonly #changes: Statement<[], number>;

  constructor(db: Database) {
    this.#get = db.prepare<[], number>("SELECT value FROM meta WHERE key = 'clock'").pluck();
    this.#set = db.prepare(
      "INSERT INTO meta (key, value) VALUES ('clock', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    this.#changes = db.prepare<[], number>('SELECT total_changes()').pluck();
  }

  /** `undefined` in a new database. */
  read(): Millis | undefined {
    const value = this.#get.get();
    return value === undefined ? undefined : millis(value);
  }

  /** Inside a write. */
  write(time: Millis): void {
    this.#set.run(BigInt(time));
  }

  /** Counts the rows that this process has changed so far. */
  changes(): number {
    return this.#changes.get() ?? 0;
  }
}
