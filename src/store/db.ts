import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import { type Column, watchColumns } from './database/column-watch.ts';
import { type Connection, openReader, openWriter } from './database/connection.ts';
import type { DurabilityLost } from './database/errors.ts';
import { hideParameters } from './database/parameters.ts';
import { RememberedStatement, type Stretch, StretchStatement } from './database/remembered.ts';
import { type QueryObserver, QueryTiming, Statement, type StatementUses } from './database/statement.ts';
import { TableVersions } from './database/table-versions.ts';
import { type NotPromise, Transactions } from './database/transactions.ts';
import { Checkpoints, type RemoteCheckpoint } from './durability/checkpoints.ts';
import { GroupCommit } from './durability/group-commit.ts';
import { type SyncCalls, WalSync } from './durability/wal-sync.ts';
import { migrations } from './migrations/index.ts';
import { checkOpenable, migrate } from './migrations/runner.ts';

export type { RememberedStatement, StretchStatement } from './database/remembered.ts';
export type { Statement } from './database/statement.ts';
export type { NotPromise } from './database/transactions.ts';

export interface OpenOptions {
  file: string;
  /** Bound of SQLite's page cache. */
  cacheKib: number;
  clock: Clock;
  log: Log;
  readonly?: boolean;
  /** Called once when the disk has refused a sync: no answer can be given any more, the process should end. */
  onFatal?: (error: DurabilityLost) => void;
  /** For tests of what happens around a sync. */
  syncCalls?: SyncCalls;
}

/** Half a megabyte: a step of copying the database takes a millisecond or two. */
const copyPages = 128;

/** One row of `EXPLAIN QUERY PLAN`. */
export interface PlanStep {
  id: number;
  parent: number;
  detail: string;
}

/**
 * `hearth.db`: the process's only writing connection (or a reading one). Everything is synchronous, so nothing can
 * come between the statements of a transaction; what takes time is only the wait for the disk.
 */
export class Database {
  readonly #connection: Connection;
  readonly #transactions: Transactions;
  readonly #group: GroupCommit;
  readonly #checkpoints: Checkpoints;
  readonly #timing: QueryTiming;
  readonly #shared: StatementUses;
  readonly #versions: TableVersions;
  readonly #sync: WalSync | undefined;
  readonly #statements = new Set<string>();
  readonly #listeners: (() => void)[] = [];
  #syncAtCommit = false;
  /** A group is being committed: who listens is told once it is durable and its jobs are answered. */
  #grouping = false;
  #closing: Promise<void> | undefined;

  private constructor(connection: Connection, sync: WalSync | undefined, { clock, log }: OpenOptions) {
    this.#connection = connection;
    this.#sync = sync;
    this.#versions = new TableVersions(sync !== undefined);
    this.#timing = new QueryTiming(clock);
    this.#checkpoints = new Checkpoints(connection, log);
    this.#transactions = new Transactions(connection, log, {
      committed: () => this.#committed(),
      finished: () => this.#finished(),
      rolledBack: () => this.#versions.changeAll(),
      full: () => this.#checkpoints.full(),
    });
    this.#shared = { connection, transactions: this.#transactions, timing: this.#timing, versions: this.#versions };
    this.#group = new GroupCommit({
      clock,
      write: (fn) => this.write(fn),
      writeGroup: (fn) => this.#writeGroup(fn),
      transactionAlive: () => connection.inTransaction,
      synced: () => this.synced(),
      answered: () => this.#tell(),
    });
  }

  /**
   * Opens the file, creates or migrates it.
   * @throws StoreTooNew a newer release has written it; NotOurDatabase another program has
   */
  static open(options: OpenOptions): Database {
    const { file, cacheKib } = options;
    const log = options.log.child('store');
    if (options.readonly === true) {
      const connection = openReader(file, cacheKib);
      try {
        checkOpenable(connection, migrations);
      } catch (error) {
        connection.close();
        throw error;
      }
      return new Database(connection, undefined, { ...options, log });
    }
    const connection = openWriter(file, cacheKib);
    try {
      migrate(connection, migrations, log);
      // The first transaction is what creates the -wal file.
      connection.exec('BEGIN IMMEDIATE; COMMIT');
      const sync = new WalSync(`${file}-wal`, log, options);
      const database = new Database(connection, sync, { ...options, log });
      // What the process finds at its start (or has just created) must not be lost under what it builds on it.
      sync.now();
      syncDirectory(dirname(file));
      return database;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** A statement, made once, in a store's constructor. Its text is recorded for the test of query plans. */
  prepare<P extends unknown[] | object, R = unknown>(sql: string): Statement<P, R> {
    this.#statements.add(sql);
    return new Statement<P, R>(sql, this.#shared);
  }

  /**
   * Lets a statement remember what it has read until one of its tables changes; for what is asked again and again and
   * seldom changes, or by many at once. Its answers are shared: nobody may change them.
   */
  remember<P extends unknown[], R>(sql: string): RememberedStatement<P, R> {
    return new RememberedStatement<P, R>(this.prepare<P, R>(sql), () => this.#versions.readBy(sql));
  }

  /**
   * The same for rows of a stretch of the stream, `pos > ? AND pos <= ?` behind what says whose: while nobody writes to its
   * tables a stretch behind their last row costs nothing.
   */
  rememberStretch<P extends unknown[], R>(sql: string, stretch: Stretch): StretchStatement<P, R> {
    return new StretchStatement<P, R>(this.prepare<P, R>(sql), () => this.#versions.readBy(sql), stretch);
  }

  /**
   * Runs `fn` in one transaction; inside another: in a SAVEPOINT of it. A throw rolls back and goes on to the caller.
   * The changes are visible when it returns, but a power cut may still lose them: see `durable` and `synced`.
   */
  write<T>(fn: () => NotPromise<T>): T {
    if (this.#sync?.failure !== undefined) throw this.#sync.failure;
    return this.#transactions.run<T>(fn);
  }

  /**
   * Runs `fn`, which only reads, as of one moment; a dozen small reads cost half as much as each on its own. Inside a
   * write it sees what the write has done so far.
   */
  read<T>(fn: () => NotPromise<T>): T {
    return this.#transactions.read<T>(fn);
  }

  /**
   * Runs `fn` with the others that wait at this moment in one transaction, a SAVEPOINT each, in the order of the calls.
   * Resolves when the changes survive a power cut; a throw of `fn` rejects and leaves nothing behind.
   */
  durable<T>(fn: () => NotPromise<T>): Promise<T> {
    return this.#group.add<T>(fn);
  }

  /**
   * Resolves when what `durable` has committed by now survives a power cut and its callers have their answers;
   * `undefined` if that is so already. Who shows changes to others waits for it.
   */
  get unanswered(): Promise<void> | undefined {
    return this.#group.unanswered;
  }

  /** Resolves when everything committed before the call survives a power cut. */
  synced(): Promise<void> {
    return this.#sync === undefined ? Promise.resolve() : this.#sync.wait();
  }

  /** Blocks until everything committed survives a power cut: at start-up only, or where waiting is impossible. */
  syncNow(): void {
    this.#sync?.now();
  }

  /** Inside a write: runs `fn` after the outermost COMMIT; forgotten if its savepoint or transaction rolls back. */
  afterCommit(fn: () => void): void {
    this.#transactions.afterCommit(fn);
  }

  /** Inside a write: runs `fn` if its savepoint or transaction rolls back. For what mirrors rows in memory. */
  afterRollback(fn: () => void): void {
    this.#transactions.afterRollback(fn);
  }

  /** Inside a write: the outermost COMMIT is made durable (blocking) before anybody sees its changes. */
  syncAtCommit(): void {
    if (!this.inTransaction) throw new Error('not inside a transaction');
    this.#syncAtCommit = true;
  }

  /**
   * Calls `listener` after each outermost COMMIT, when what `afterCommit` was given has run; after that of a group
   * (`durable`) only when it survives a power cut and its callers have their answers. So nobody is woken for what may
   * still be taken back, and who sends learns of it by the answer before /sync brings it. For the process's life.
   */
  onCommit(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Calls `seen` with every NID that is written into one of the columns, until the returned function is called. */
  watchColumns(columns: readonly Column[], seen: (value: number) => void): () => void {
    return watchColumns(this.#connection, columns, seen);
  }

  get inTransaction(): boolean {
    return this.#transactions.active;
  }

  /** The number of the present (or last) outermost transaction of this process. */
  get transactionCount(): number {
    return this.#transactions.count;
  }

  /** Tells how long each statement takes from now on, but for those that are read row by row. */
  timeQueries(observe: QueryObserver | undefined): void {
    this.#timing.observe = observe;
  }

  /** Pages in the write-ahead log that are not in the database file yet. */
  get uncheckpointed(): number {
    const { log, checkpointed } = this.#checkpoints.pending();
    return Math.max(0, log - checkpointed);
  }

  /** Has checkpoints done by a worker from now on; `undefined`: on this thread. */
  useCheckpointer(remote: RemoteCheckpoint | undefined): void {
    this.#checkpoints.use(remote);
  }

  /** Gives up to `pages` free pages at the end of the file back to the disk; returns how many are still free. */
  vacuumSome(pages: number): number {
    // SQLite takes 0 for "all".
    if (pages >= 1) {
      this.write<void>(() => {
        this.#connection.pragma(`incremental_vacuum(${Math.trunc(pages)})`);
      });
    }
    return Number(this.#connection.pragma('freelist_count', { simple: true }));
  }

  /** Refreshes the query planner's statistics where they have become wrong; bounded in time. For idle moments. */
  optimize(): void {
    this.write<void>(() => {
      this.#connection.pragma('analysis_limit = 400');
      this.#connection.pragma('optimize');
    });
  }

  /**
   * Copies the database as it is at the end of the copying into a new file, some pages at a time, while it is being used.
   * `goOn` is asked before each step and may throw.
   */
  async copyTo(file: string, goOn: () => void): Promise<void> {
    await this.#connection.backup(file, {
      progress: () => {
        goOn();
        return copyPages;
      },
    });
  }

  /** Gives page-cache memory back, and bounds it anew if a size is given. */
  shrinkMemory(cacheKib?: number): void {
    if (cacheKib !== undefined) this.#connection.pragma(`cache_size = -${Math.trunc(cacheKib)}`);
    this.#connection.pragma('shrink_memory');
  }

  /** The texts of all statements made so far, as SQLite gets them. */
  get statements(): ReadonlySet<string> {
    return new Set([...this.#statements].map(hideParameters));
  }

  /** How SQLite would run a statement. */
  plan(sql: string): PlanStep[] {
    const connection = this.#connection as Connection & { explain(sql: string): PlanStep[] };
    return connection.explain(`QUERY PLAN ${sql}`);
  }

  /**
   * Finishes what waits in `durable` and the checkpoint under way, then closes the file. Rejects, with the file closed
   * all the same, if the last commits could not be made safe.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      this.#group.drainAll();
      await this.synced();
    } finally {
      await this.#checkpoints.idle();
      await this.#sync?.close();
      this.#connection.close();
    }
  }

  #committed(): void {
    this.#sync?.committed();
    if (this.#syncAtCommit) {
      this.#syncAtCommit = false;
      this.#sync?.now();
    }
  }

  #finished(): void {
    if (!this.#grouping) this.#tell();
    this.#checkpoints.committed();
  }

  #writeGroup(fn: () => void): void {
    this.#grouping = true;
    try {
      this.write<void>(fn);
    } finally {
      this.#grouping = false;
    }
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
