import { closeSync, fdatasync, fdatasyncSync, openSync } from 'node:fs';
import type { Log } from '../../util/log.ts';
import { DurabilityLost } from '../database/errors.ts';

/** The system calls, replaceable to test what happens around them. */
export interface SyncCalls {
  fdatasync(fd: number, done: (error: Error | null) => void): void;
  fdatasyncSync(fd: number): void;
}

export interface WalSyncOptions {
  syncCalls?: SyncCalls;
  /** Called once, after everybody who waited has been told. */
  onFatal?: (error: DurabilityLost) => void;
}

interface Waiter {
  commit: number;
  resolve: () => void;
  reject: (error: Error) => void;
}

/**
 * Makes commits survive a power cut: one asynchronous fdatasync of the -wal file, shared by all who wait.
 *
 * Why a commit is safe once an fdatasync that began after it has ended:
 * 1. SQLite appends a commit's frames to the -wal file with write(2) before COMMIT returns. fdatasync works on the
 *    file, not on the descriptor, so ours makes those frames durable although SQLite wrote them through its own, and it
 *    makes the file's length durable because the data could not be read without it.
 * 2. The file's name is durable: with synchronous=NORMAL SQLite syncs the WAL's header, and with it the directory of a
 *    file it has just created, before the first frame follows.
 * 3. A restart of the WAL overwrites frames from the front, in the same file. SQLite restarts only when all frames are
 *    copied into the database, and counts them as copied only after it has synced the -wal, copied them, and synced the
 *    database. A commit whose frames are gone is therefore durable in the database, and our sync is merely not needed.
 *    The new header is synced before new frames follow, so old frames are never replayed over newer pages.
 * 4. The file is never unlinked while a connection is open, and ours is open for longer than our descriptor: it cannot
 *    come to mean another file. journal_size_limit shortens the file only after a restart (3).
 * 5. Nothing here touches hearth.db or the -shm file, whose POSIX locks a close() would drop; the -wal has none.
 */
export class WalSync {
  readonly #log: Log;
  readonly #calls: SyncCalls;
  readonly #onFatal: ((error: DurabilityLost) => void) | undefined;
  readonly #fd: number;
  /** Commits so far, and how many of them are known to be durable. */
  #committed = 0;
  #synced = 0;
  #running = false;
  #waiters: Waiter[] = [];
  #failure: DurabilityLost | undefined;
  #closed: (() => void) | undefined;

  constructor(walFile: string, log: Log, options: WalSyncOptions = {}) {
    this.#log = log;
    this.#calls = options.syncCalls ?? { fdatasync, fdatasyncSync };
    this.#onFatal = options.onFatal;
    this.#fd = openSync(walFile, 'r+');
  }

  get failure(): DurabilityLost | undefined {
    return this.#failure;
  }

  /** To be called after each commit. */
  committed(): void {
    this.#committed++;
  }

  /** Resolves when all commits so far are durable. */
  wait(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#synced === this.#committed) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ commit: this.#committed, resolve, reject });
      this.#start();
    });
  }

  /** Blocks until all commits so far are durable. For start-up and for what cannot wait. */
  now(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const target = this.#committed;
    try {
      this.#calls.fdatasyncSync(this.#fd);
    } catch (error) {
      throw this.#fail(error);
    }
    this.#synced = Math.max(this.#synced, target);
  }

  /** Waits for a running sync and gives the descriptor back. */
  async close(): Promise<void> {
    if (this.#running) await new Promise<void>((resolve) => (this.#closed = resolve));
    closeSync(this.#fd);
  }

  #start(): void {
    // Who commits while a sync runs waits for the next one: the running one may have passed its frames already.
    if (this.#running) return;
    this.#running = true;
    const target = this.#committed;
    this.#calls.fdatasync(this.#fd, (error) => {
      this.#running = false;
      if (error === null) this.#done(target);
      else this.#fail(error);
      if (!this.#running) this.#closed?.();
    });
  }

  #done(target: number): void {
    this.#synced = Math.max(this.#synced, target);
    const waiters = this.#waiters;
    this.#waiters = waiters.filter((waiter) => waiter.commit > this.#synced);
    for (const waiter of waiters) if (waiter.commit <= this.#synced) waiter.resolve();
    if (this.#waiters.length > 0) this.#start();
  }

  #fail(cause: unknown): DurabilityLost {
    const failure = new DurabilityLost('The disk could not make the last changes safe; the server has to stop.', {
      cause,
    });
    this.#failure = failure;
    this.#log.error('store.sync_failed', { error: cause });
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(failure);
    this.#onFatal?.(failure);
    return failure;
  }
}
