import { DiskFull, isDiskFull } from '../../util/disk-full.ts';
import type { Log } from '../../util/log.ts';
import type { Connection } from './connection.ts';

/** Refuses callbacks that return a promise: the transaction would be over before their work is. */
export type NotPromise<T> = T extends PromiseLike<unknown> ? never : T;

interface Frame {
  commits: (() => void)[];
  rollbacks: (() => void)[];
}

export interface CommitHooks {
  /** After each outermost COMMIT, before anything that waits for it. A throw is the transaction's outcome. */
  committed(): void;
  /** When everything that waited for the COMMIT has run. */
  finished(): void;
  /** After a ROLLBACK, of whatever part, before anything that waits for it. */
  rolledBack(): void;
  /** After the ROLLBACK of an outermost transaction that found no space on the disk. */
  full(): void;
}

/** Transactions and savepoints of one connection, and what is to happen when they end. */
export class Transactions {
  readonly #connection: Connection;
  readonly #log: Log;
  readonly #frames: Frame[] = [];
  readonly #hooks: CommitHooks;
  readonly #sql;
  #count = 0;
  /** Why SQLite may have ended the present transaction by itself. */
  #full: DiskFull | undefined;

  constructor(connection: Connection, log: Log, hooks: CommitHooks) {
    this.#connection = connection;
    this.#log = log;
    this.#hooks = hooks;
    this.#sql = {
      begin: connection.prepare('BEGIN IMMEDIATE'),
      beginRead: connection.prepare('BEGIN'),
      commit: connection.prepare('COMMIT'),
      rollback: connection.prepare('ROLLBACK'),
      // Names of savepoints nest: the innermost is meant.
      savepoint: connection.prepare('SAVEPOINT nested'),
      release: connection.prepare('RELEASE nested'),
      rollbackTo: connection.prepare('ROLLBACK TO nested'),
    };
  }

  get active(): boolean {
    return this.#frames.length > 0;
  }

  /** How many outermost transactions have begun: tells one from the next. */
  get count(): number {
    return this.#count;
  }

  afterCommit(fn: () => void): void {
    this.#top().commits.push(fn);
  }

  afterRollback(fn: () => void): void {
    this.#top().rollbacks.push(fn);
  }

  run<T>(fn: () => NotPromise<T>): T {
    return this.#frames.length === 0 ? this.#outermost(fn) : this.#nested(fn);
  }

  /** Many reads as of one moment: the file is locked and its state looked up once instead of for each of them. */
  read<T>(fn: () => NotPromise<T>): T {
    if (this.#connection.inTransaction) return fn();
    this.#sql.beginRead.run();
    try {
      return settled<T>(fn());
    } finally {
      if (this.#connection.inTransaction) this.#sql.commit.run();
    }
  }

  #outermost<T>(fn: () => NotPromise<T>): T {
    this.#sql.begin.run();
    this.#count++;
    this.#full = undefined;
    const frame: Frame = { commits: [], rollbacks: [] };
    this.#frames.push(frame);
    let result: T;
    try {
      result = settled<T>(fn());
      // Some errors (disk full, I/O) end the transaction by themselves; whoever swallowed one must not report success.
      if (!this.#connection.inTransaction) throw this.#gone();
      this.#sql.commit.run();
    } catch (error) {
      if (this.#connection.inTransaction) this.#sql.rollback.run();
      this.#frames.pop();
      this.#hooks.rolledBack();
      this.#undo(frame);
      const reason = this.#noted(error);
      if (this.#full !== undefined) this.#guarded(() => this.#hooks.full());
      throw reason;
    }
    this.#frames.pop();
    this.#hooks.committed();
    for (const commit of frame.commits) this.#guarded(commit);
    this.#guarded(() => this.#hooks.finished());
    return result;
  }

  #nested<T>(fn: () => NotPromise<T>): T {
    if (!this.#connection.inTransaction) throw this.#gone();
    this.#sql.savepoint.run();
    const frame: Frame = { commits: [], rollbacks: [] };
    this.#frames.push(frame);
    try {
      const result = settled<T>(fn());
      this.#sql.release.run();
      this.#frames.pop();
      const outer = this.#top();
      for (const commit of frame.commits) outer.commits.push(commit);
      for (const rollback of frame.rollbacks) outer.rollbacks.push(rollback);
      return result;
    } catch (error) {
      if (this.#connection.inTransaction) {
        this.#sql.rollbackTo.run();
        this.#sql.release.run();
      }
      this.#frames.pop();
      this.#hooks.rolledBack();
      this.#undo(frame);
      throw this.#noted(error);
    }
  }

  /** What is told to whoever began it: for want of space always the same. */
  #noted(error: unknown): unknown {
    if (!isDiskFull(error)) return error;
    this.#full ??= error instanceof DiskFull ? error : new DiskFull('The disk is full', { cause: error });
    return this.#full;
  }

  #gone(): Error {
    return this.#full ?? new Error('SQLite has rolled the transaction back');
  }

  #undo(frame: Frame): void {
    for (const rollback of frame.rollbacks.reverse()) this.#guarded(rollback);
  }

  /** The outcome is settled by now: a failing follow-up must neither hide it nor keep the others from running. */
  #guarded(fn: () => void): void {
    try {
      fn();
    } catch (error) {
      this.#log.error('transaction.follow_up_failed', { error });
    }
  }

  #top(): Frame {
    const frame = this.#frames.at(-1);
    if (frame === undefined) throw new Error('not inside a transaction');
    return frame;
  }
}

function settled<T>(value: unknown): T {
  if (typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function') {
    throw new TypeError('the callback of a transaction must not return a promise');
  }
  return value as T;
}
