import type { Millis } from '../util/brand.ts';
import type { Statement } from './database/statement.ts';
import type { Database } from './db.ts';

/** The note that this database came out of a backup and that what follows from it is still to be done. */
export class RestoreNote {
  readonly #get: Statement<[], Millis>;
  readonly #done: Statement<[], never>;

  constructor(db: Database) {
    this.#get = db.prepare<[], Millis>("SELECT value FROM meta WHERE key = 'restored'").pluck();
    this.#done = db.prepare("DELETE FROM meta WHERE key = 'restored'");
  }

  /** When it was restored, as long as that has consequences. */
  pending(): Millis | undefined {
    return this.#get.get();
  }

  /** Inside a write: all is done. */
  done(): void {
    this.#done.run();
  }
}
