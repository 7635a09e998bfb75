import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { ServerNid } from '../nids.ts';

/** What was answered to the last transaction of each server. Writing methods belong inside a write. */
export class ReceivedTransactionStore {
  readonly #last;
  readonly #put;
  readonly #expire;

  constructor(db: Database) {
    this.#last = db.prepare<[number], { txn: string; answer: string }>(
      'SELECT txn, answer FROM received_transaction WHERE origin = ?',
    );
    this.#put = db.prepare<[number, string, string, number], never>(
      'INSERT OR REPLACE INTO received_transaction (origin, txn, answer, ts) VALUES (?, ?, ?, ?)',
    );
    this.#expire = db.prepare<[number, number], never>(
      'DELETE FROM received_transaction WHERE origin IN' +
        ' (SELECT origin FROM received_transaction WHERE ts < ? ORDER BY ts LIMIT ?)',
    );
  }

  /** The answer, if this was the server's last transaction. */
  find(origin: ServerNid, txn: string): string | undefined {
    const last = this.#last.get(origin);
    return last?.txn === txn ? last.answer : undefined;
  }

  put(origin: ServerNid, txn: string, answer: string, now: Millis): void {
    this.#put.run(origin, txn, answer, now);
  }

  /** Drops rows older than `before`, at most `limit`; returns how many went. */
  expire(before: Millis, limit: number): number {
    return this.#expire.run(before, limit).changes;
  }
}
