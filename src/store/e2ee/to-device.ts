import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { DeviceNid, StreamPos, UserNid } from '../nids.ts';

export interface ToDeviceMessage {
  readonly sender: UserNid;
  readonly type: string;
  /** A JSON object. */
  readonly content: string;
}

export interface QueuedMessage extends ToDeviceMessage {
  readonly pos: StreamPos;
}

/** What a row takes besides its texts, about. */
const rowSize = 32;

/** Messages to local devices, in the order of the stream. Writing methods belong inside a write. */
export class ToDeviceStore {
  readonly #oldest;
  readonly #newest;
  readonly #insert;
  readonly #page;
  readonly #acknowledge;
  readonly #removeAll;
  readonly #findTxn;
  readonly #insertTxn;
  readonly #expireTxns;
  readonly #removeTxns;

  constructor(db: Database) {
    const end = (order: string) =>
      db.prepare<[device: number], { pos: StreamPos; total: number }>(
        `SELECT pos, total FROM to_device WHERE device = ? ORDER BY pos ${order} LIMIT 1`,
      );
    this.#oldest = end('ASC');
    this.#newest = end('DESC');
    this.#insert = db.prepare<[number, number, number, number, string, string], never>(
      'INSERT INTO to_device (device, pos, total, sender, type, content) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#page = db.prepare<[device: number, after: number, upTo: number, limit: number], QueuedMessage>(
      'SELECT pos, sender, type, content FROM to_device' +
        ' WHERE device = ? AND pos > ? AND pos <= ? ORDER BY pos LIMIT ?',
    );
    this.#acknowledge = db.prepare<[device: number, upTo: number], never>(
      'DELETE FROM to_device WHERE device = ? AND pos <= ?',
    );
    this.#removeAll = db.prepare<[device: number], never>('DELETE FROM to_device WHERE device = ?');
    this.#findTxn = db.prepare<[number, string], number>('SELECT 1 FROM to_device_txn WHERE device = ? AND txn = ?');
    this.#insertTxn = db.prepare<[number, string, number], never>(
      'INSERT INTO to_device_txn (device, txn, ts) VALUES (?, ?, ?)',
    );
    this.#expireTxns = db.prepare<[before: number, limit: number], never>(
      'DELETE FROM to_device_txn WHERE (device, txn) IN' +
        ' (SELECT device, txn FROM to_device_txn WHERE ts < ? ORDER BY ts LIMIT ?)',
    );
    this.#removeTxns = db.prepare<[device: number], never>('DELETE FROM to_device_txn WHERE device = ?');
  }

  /**
   * Puts a message at the end of a device's queue; a position serves once for a device. When the queue takes more than
   * about `maxSize` bytes, the oldest messages go.
   */
  append(device: DeviceNid, pos: StreamPos, { sender, type, content }: ToDeviceMessage, maxSize: number): void {
    const total = (this.#newest.get(device)?.total ?? 0) + rowSize + type.length + content.length;
    this.#insert.run(device, pos, total, sender, type, content);
    while (true) {
      const oldest = this.#oldest.get(device);
      if (oldest === undefined || oldest.total > total - maxSize) return;
      this.#acknowledge.run(device, oldest.pos);
    }
  }

  /** Messages in (after, upTo], oldest first. */
  page(device: DeviceNid, after: StreamPos, upTo: StreamPos, limit: number): QueuedMessage[] {
    return this.#page.all(device, after, upTo, limit);
  }

  /** The position of the oldest message. */
  first(device: DeviceNid): StreamPos | undefined {
    return this.#oldest.get(device)?.pos;
  }

  acknowledge(device: DeviceNid, upTo: StreamPos): void {
    this.#acknowledge.run(device, upTo);
  }

  /** Everything that waits for a device, and what is known of what it sent. */
  removeAll(device: DeviceNid): void {
    this.#removeAll.run(device);
    this.#removeTxns.run(device);
  }

  hasTxn(device: DeviceNid, txn: string): boolean {
    return this.#findTxn.get(device, txn) !== undefined;
  }

  insertTxn(device: DeviceNid, txn: string, now: Millis): void {
    this.#insertTxn.run(device, txn, now);
  }

  /** Drops transaction IDs older than `before`, at most `limit`; returns how many went. */
  expireTxns(before: Millis, limit: number): number {
    return this.#expireTxns.run(before, limit).changes;
  }
}
