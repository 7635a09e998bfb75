import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { DeviceNid, EventNid } from '../nids.ts';

/**
 * Which event a device's transaction ID made, so that a repeated request answers the same. The key holds the path
 * besides the ID, because an ID counts for one path only.
 * @see https://spec.matrix.org/v1.19/client-server-api/#transaction-identifiers
 */
export class TransactionStore {
  readonly #find;
  readonly #ofEvent;
  readonly #insert;
  readonly #expire;

  constructor(db: Database) {
    this.#find = db.prepare<[device: number, txn: string], { event: EventNid }>(
      'SELECT event FROM event_txn WHERE device = ? AND txn = ?',
    );
    this.#ofEvent = db.prepare<[event: number], { device: DeviceNid; txn: string }>(
      'SELECT device, txn FROM event_txn WHERE event = ?',
    );
    this.#insert = db.prepare<[device: number, txn: string, event: number, ts: number], unknown>(
      'INSERT INTO event_txn (device, txn, event, ts) VALUES (?, ?, ?, ?)',
    );
    this.#expire = db.prepare<[limit: number, before: number], unknown>(
      // The oldest come first, so the scan ends at the first that is to stay or at the limit.
      `DELETE FROM event_txn WHERE event < coalesce(
         (SELECT max(event) + 1 FROM (SELECT event, ts FROM event_txn WHERE event > 0 ORDER BY event LIMIT ?) WHERE ts < ?), 0)`,
    );
  }

  find(device: DeviceNid, key: string): EventNid | undefined {
    return this.#find.get(device, key)?.event;
  }

  /** The key under which an event was sent, and by which device; gone once the row has expired. */
  ofEvent(event: EventNid): { readonly device: DeviceNid; readonly txn: string } | undefined {
    return this.#ofEvent.get(event);
  }

  insert(device: DeviceNid, key: string, event: EventNid, now: Millis): void {
    this.#insert.run(device, key, event, now);
  }

  /** Drops rows older than `before`, at most `limit`; returns how many went. */
  expire(before: Millis, limit: number): number {
    return this.#expire.run(limit, before).changes;
  }
}
