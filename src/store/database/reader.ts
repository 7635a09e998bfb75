import { systemClock } from '../../util/clock.ts';
import { type Connection, openReader } from './connection.ts';
import { hideParameters } from './parameters.ts';
import { QueryTiming, Statement } from './statement.ts';

/** What stores need that only prepare statements. */
export interface Preparing {
  prepare<P extends unknown[] | object, R = unknown>(sql: string): Statement<P, R>;
  readonly inTransaction: boolean;
  afterRollback(fn: () => void): void;
}

const never = { active: false };

/** `hearth.db` for worker threads: statements that read. Those that write can be prepared, as stores do, and not run. */
export class ReadingDatabase implements Preparing {
  readonly #connection: Connection;
  readonly #timing = new QueryTiming(systemClock);
  readonly inTransaction = false;

  constructor(file: string, cacheKib: number) {
    this.#connection = openReader(file, cacheKib);
  }

  prepare<P extends unknown[] | object, R = unknown>(sql: string): Statement<P, R> {
    return new Statement<P, R>(this.#connection, hideParameters(sql), { transactions: never, timing: this.#timing });
  }

  afterRollback(): never {
    throw new Error('nothing is written here');
  }

  close(): void {
    this.#connection.close();
  }
}
