import { systemClock } from '../../util/clock.ts';
import { type Connection, openReader } from './connection.ts';
import { RememberedStatement, type Stretch, StretchStatement } from './remembered.ts';
import { QueryTiming, Statement } from './statement.ts';
import { TableVersions } from './table-versions.ts';

/** What stores need that only prepare statements. */
export interface Preparing {
  prepare<P extends unknown[] | object, R = unknown>(sql: string): Statement<P, R>;
  /** See `Database.remember`. */
  remember<P extends unknown[], R>(sql: string): RememberedStatement<P, R>;
  rememberStretch<P extends unknown[], R>(sql: string, stretch: Stretch): StretchStatement<P, R>;
  readonly inTransaction: boolean;
  afterRollback(fn: () => void): void;
}

const never = { active: false };

/** `hearth.db` for worker threads: statements that read. Those that write can be prepared, as stores do, and not run. */
export class ReadingDatabase implements Preparing {
  readonly #connection: Connection;
  readonly #timing = new QueryTiming(systemClock);
  /** The main thread writes to what is read here, so nothing is really remembered. */
  readonly #versions = new TableVersions(false);
  readonly inTransaction = false;

  constructor(file: string, cacheKib: number) {
    this.#connection = openReader(file, cacheKib);
  }

  prepare<P extends unknown[] | object, R = unknown>(sql: string): Statement<P, R> {
    return new Statement<P, R>(sql, {
      connection: this.#connection,
      transactions: never,
      timing: this.#timing,
      versions: this.#versions,
    });
  }

  remember<P extends unknown[], R>(sql: string): RememberedStatement<P, R> {
    return new RememberedStatement<P, R>(this.prepare<P, R>(sql), () => this.#versions.readBy(sql));
  }

  rememberStretch<P extends unknown[], R>(sql: string, stretch: Stretch): StretchStatement<P, R> {
    return new StretchStatement<P, R>(this.prepare<P, R>(sql), () => this.#versions.readBy(sql), stretch);
  }

  afterRollback(): never {
    throw new Error('nothing is written here');
  }

  close(): void {
    this.#connection.close();
  }
}
