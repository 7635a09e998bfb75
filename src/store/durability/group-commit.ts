import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../util/clock.ts';
import type { NotPromise } from '../database/transactions.ts';

interface Job {
  run: () => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

export interface GroupHost {
  readonly clock: Clock;
  write<T>(fn: () => NotPromise<T>): T;
  /** The transaction around a whole group. */
  writeGroup(fn: () => void): void;
  /** Whether SQLite still has the transaction that was begun. */
  transactionAlive(): boolean;
  /** Resolves when all commits so far are durable. */
  synced(): Promise<void>;
  /** A group is durable and its jobs have their answers. */
  answered(): void;
}

/** A group longer than this lets the event loop through before the next one. */
const GROUP_MS = 10;

/** Runs the jobs that wait at the same moment in one transaction, with one sync for all. */
export class GroupCommit {
  readonly #host: GroupHost;
  #waiting: Job[] = [];
  #scheduled = false;
  /** The newest group that is committed but not answered yet. */
  #unanswered: Promise<void> | undefined;

  constructor(host: GroupHost) {
    this.#host = host;
  }

  add<T>(fn: () => NotPromise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ run: fn, resolve: resolve as (value: unknown) => void, reject });
      this.#schedule();
    });
  }

  /** Resolves when every group that is committed by now has its answers; `undefined` if all have. */
  get unanswered(): Promise<void> | undefined {
    return this.#unanswered;
  }

  /** Runs everything that waits, however long it takes. */
  drainAll(): void {
    while (this.#waiting.length > 0) this.#drain();
  }

  #drain(): void {
    this.#scheduled = false;
    const began = this.#host.clock.monotonic();
    while (this.#waiting.length > 0) {
      if (this.#host.clock.monotonic() - began > GROUP_MS) {
        this.#schedule();
        return;
      }
      this.#group(began);
    }
  }

  // All requests that one turn of the event loop has read are waiting when its check phase comes: no delay is added.
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#drain());
  }

  #group(began: number): void {
    const jobs: Job[] = [];
    const values: unknown[] = [];
    const refused: { job: Job; error: unknown }[] = [];
    try {
      this.#host.writeGroup(() => {
        do {
          const job = this.#waiting.shift();
          if (job === undefined) return;
          try {
            jobs.push(job);
            values.push(this.#host.write(job.run));
          } catch (error) {
            jobs.pop();
            refused.push({ job, error });
            // The whole transaction is gone, with what the jobs before this one did.
            if (!this.#host.transactionAlive()) throw error;
          }
        } while (this.#host.clock.monotonic() - began <= GROUP_MS);
      });
    } catch (error) {
      for (const job of jobs) job.reject(error);
      for (const { job, error: own } of refused) job.reject(own);
      // BEGIN itself failed: nobody was asked yet, and the next to come would only meet the same.
      if (jobs.length + refused.length === 0) for (const job of this.#waiting.splice(0)) job.reject(error);
      return;
    }
    for (const { job, error } of refused) job.reject(error);
    if (jobs.length === 0) return;
    const answered = this.#answer(jobs, values).finally(() => {
      if (this.#unanswered === answered) this.#unanswered = undefined;
    });
    this.#unanswered = answered;
  }

  async #answer(jobs: readonly Job[], values: readonly unknown[]): Promise<void> {
    try {
      await this.#host.synced();
    } catch (error) {
      for (const job of jobs) job.reject(error);
      return;
    }
    jobs.forEach((job, i) => job.resolve(values[i]));
    // In a turn of its own, when the answers are on their way.
    await nextTurn();
    this.#host.answered();
  }
}
