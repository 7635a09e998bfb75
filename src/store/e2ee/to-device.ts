import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { DeviceNid, ServerNid, StreamPos, UserNid } from '../nids.ts';

export interface ToDeviceMessage {
  readonly sender: UserNid;
  readonly type: string;
  /** A JSON object. */
  readonly content: string;
}

export interface QueuedMessage extends ToDeviceMessage {
  readonly pos: StreamPos;
}

/** Who is not to drive out what others have sent: one of our users, or another server with all its users. */
export type MessageSource = UserNid | { readonly server: ServerNid };

/** The part of a queue that comes from one source. */
interface Share {
  bytes: number;
  readonly source: number;
}

/** What a row takes besides its texts, about. */
const rowSize = 32;

/** Messages to local devices, in the order of the stream. Writing methods belong inside a write. */
export class ToDeviceStore {
  readonly #oldest;
  readonly #newest;
  readonly #oldestOf;
  readonly #newestOf;
  readonly #nextSource;
  readonly #insert;
  readonly #removeOne;
  readonly #page;
  readonly #acknowledge;
  readonly #removeAll;
  readonly #findTxn;
  readonly #insertTxn;
  readonly #expireTxns;
  readonly #removeTxns;

  constructor(db: Database) {
    const end = (order: string) =>
      db.remember<[device: number], { pos: StreamPos; total: number }>(
        `SELECT pos, total FROM to_device WHERE device = ? ORDER BY pos ${order} LIMIT 1`,
      );
    this.#oldest = end('ASC');
    this.#newest = end('DESC');
    const endOf = (order: string) =>
      db.prepare<[device: number, source: number], { pos: StreamPos; total: number; size: number }>(
        `SELECT pos, source_total AS total, ${rowSize} + octet_length(type) + octet_length(content) AS size FROM to_device` +
          ` INDEXED BY to_device_source WHERE device = ? AND source = ? ORDER BY pos ${order} LIMIT 1`,
      );
    this.#oldestOf = endOf('ASC');
    this.#newestOf = endOf('DESC');
    this.#nextSource = db
      .prepare<[device: number, after: number], number>(
        'SELECT source FROM to_device INDEXED BY to_device_source WHERE device = ? AND source > ?' +
          ' ORDER BY source LIMIT 1',
      )
      .pluck();
    this.#insert = db.prepare<[number, number, number, number, number, number, string, string], never>(
      'INSERT INTO to_device (device, pos, total, source, source_total, sender, type, content)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#removeOne = db.prepare<[device: number, pos: number], never>(
      'DELETE FROM to_device WHERE device = ? AND pos = ?',
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
   * about `maxSize` bytes, the oldest messages of the source that takes most of it go.
   */
  append(
    device: DeviceNid,
    pos: StreamPos,
    { sender, source, type, content }: ToDeviceMessage & { readonly source: MessageSource },
    maxSize: number,
  ): void {
    const from = typeof source === 'number' ? source : 0 - source.server;
    const size = rowSize + Buffer.byteLength(type) + Buffer.byteLength(content);
    const total = (this.#newest.get(device)?.total ?? 0) + size;
    const fromTotal = (this.#newestOf.get(device, from)?.total ?? 0) + size;
    this.#insert.run(device, pos, total, from, fromTotal, sender, type, content);
    // More than there is, perhaps: what went out of the middle is counted still.
    if (total > maxSize && total - (this.#oldest.get(device)?.total ?? 0) > maxSize) this.#trim(device, maxSize);
  }

  #trim(device: DeviceNid, maxSize: number): void {
    const shares = this.#shares(device);
    let sum = shares.reduce((bytes, share) => bytes + share.bytes, 0);
    while (sum > maxSize) {
      const most = shares.reduce((one, other) => (other.bytes > one.bytes ? other : one));
      const oldest = this.#oldestOf.get(device, most.source);
      if (oldest === undefined) return;
      this.#removeOne.run(device, oldest.pos);
      most.bytes -= oldest.size;
      sum -= oldest.size;
    }
  }

  #shares(device: DeviceNid): Share[] {
    const shares: Share[] = [];
    let source = this.#nextSource.get(device, Number.MIN_SAFE_INTEGER);
    while (source !== undefined) {
      const [oldest, newest] = [this.#oldestOf.get(device, source), this.#newestOf.get(device, source)];
      if (oldest !== undefined && newest !== undefined) {
        shares.push({ source, bytes: newest.total - oldest.total + oldest.size });
      }
      source = this.#nextSource.get(device, source);
    }
    return shares;
  }

  /** Messages in (after, upTo], oldest first, read one by one. */
  page(device: DeviceNid, after: StreamPos, upTo: StreamPos, limit: number): Iterable<QueuedMessage> {
    if ((this.#newest.get(device)?.pos ?? 0) <= after) return [];
    return this.#page.iterate(device, after, upTo, limit);
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
