import type { Database } from '../db.ts';
import type { DeviceNid, StreamPos } from '../nids.ts';

/** A key that is given out: its ID without the algorithm, and the key as JSON. */
export interface ClaimedKey {
  readonly keyId: string;
  readonly key: string;
}

/** What /sync says of a device's keys, as JSON, and when it changed last. */
export interface KeyCounts {
  /** `{"<algorithm>":<count>}` */
  readonly counts: string;
  /** `["<algorithm>"]` of the fallback keys that nobody has been given. */
  readonly fallback: string;
  readonly pos: StreamPos;
}

/** Claimed keys that are remembered for each device and algorithm: more than any client uploads at a time. */
const remembered = 500;

/** One-time and fallback keys of local devices. Writing methods belong inside a write. */
export class OneTimeKeyStore {
  readonly #find;
  readonly #insert;
  readonly #last;
  readonly #next;
  readonly #claim;
  readonly #forget;
  readonly #fallback;
  readonly #putFallback;
  readonly #useFallback;
  readonly #tally;
  readonly #unused;
  readonly #counts;
  readonly #putCounts;
  readonly #removals;
  readonly #devices;
  readonly #removeOneTime;

  constructor(db: Database) {
    this.#find = db.prepare<[number, string, string], { key: string | null }>(
      'SELECT key FROM one_time_key WHERE device = ? AND algorithm = ? AND key_id = ?',
    );
    this.#insert = db.prepare<[number, string, string, number, string], never>(
      'INSERT INTO one_time_key (device, algorithm, key_id, n, key) VALUES (?, ?, ?, ?, ?)',
    );
    const last = (claimed: string) =>
      `SELECT max(n) FROM one_time_key WHERE device = :device AND algorithm = :algorithm AND key IS ${claimed}`;
    this.#last = db
      .prepare<{ device: number; algorithm: string }, number>(
        `SELECT max(coalesce((${last('NOT NULL')}), 0), coalesce((${last('NULL')}), 0))`,
      )
      .pluck();
    this.#next = db.prepare<[number, string], ClaimedKey & { readonly n: number }>(
      'SELECT key_id AS keyId, key, n FROM one_time_key' +
        ' WHERE device = ? AND algorithm = ? AND key IS NOT NULL ORDER BY n LIMIT 1',
    );
    this.#claim = db.prepare<[number, string, string], never>(
      'UPDATE one_time_key SET key = NULL WHERE device = ? AND algorithm = ? AND key_id = ?',
    );
    this.#forget = db.prepare<[number, string, number], never>(
      'DELETE FROM one_time_key WHERE device = ? AND algorithm = ? AND key IS NULL AND n <= ?',
    );
    this.#fallback = db.prepare<[number, string], ClaimedKey>(
      'SELECT key_id AS keyId, key FROM fallback_key WHERE device = ? AND algorithm = ?',
    );
    this.#putFallback = db.prepare<[number, string, string, string], never>(
      'INSERT INTO fallback_key (device, algorithm, key_id, key, used) VALUES (?, ?, ?, ?, 0)' +
        ' ON CONFLICT (device, algorithm) DO UPDATE SET key_id = excluded.key_id, key = excluded.key, used = 0',
    );
    this.#useFallback = db.prepare<[number, string], never>(
      'UPDATE fallback_key SET used = 1 WHERE device = ? AND algorithm = ? AND used = 0',
    );
    this.#tally = db.prepare<[number], { algorithm: string; count: number }>(
      'SELECT algorithm, count(*) AS count FROM one_time_key INDEXED BY one_time_key_order WHERE device = ? AND key IS NOT NULL GROUP BY algorithm',
    );
    this.#unused = db
      .prepare<[number], string>('SELECT algorithm FROM fallback_key WHERE device = ? AND used = 0 ORDER BY algorithm')
      .pluck();
    this.#counts = db.remember<[number], KeyCounts>('SELECT counts, fallback, pos FROM key_count WHERE device = ?');
    this.#putCounts = db.prepare<[number, string, string, number], never>(
      'INSERT INTO key_count (device, counts, fallback, pos) VALUES (?, ?, ?, ?) ON CONFLICT (device)' +
        ' DO UPDATE SET counts = excluded.counts, fallback = excluded.fallback, pos = excluded.pos',
    );
    this.#devices = db.prepare<[], DeviceNid>('SELECT device FROM key_count').pluck();
    this.#removeOneTime = db.prepare<[number], never>('DELETE FROM one_time_key WHERE device = ?');
    this.#removals = ['one_time_key', 'fallback_key', 'key_count'].map((table) =>
      db.prepare<[number], never>(`DELETE FROM ${table} WHERE device = ?`),
    );
  }

  /** The key under an ID; `null` if it has been claimed, `undefined` if it is not known. */
  find(device: DeviceNid, algorithm: string, keyId: string): string | null | undefined {
    return this.#find.get(device, algorithm, keyId)?.key;
  }

  /** Puts a new key at the end of the queue. */
  insert(device: DeviceNid, algorithm: string, { keyId, key }: ClaimedKey): void {
    const n = (this.#last.get({ device, algorithm }) ?? 0) + 1;
    this.#insert.run(device, algorithm, keyId, n, key);
  }

  /** Takes the key that was uploaded first out of the queue, for good. */
  claim(device: DeviceNid, algorithm: string): ClaimedKey | undefined {
    const next = this.#next.get(device, algorithm);
    if (next === undefined) return undefined;
    this.#claim.run(device, algorithm, next.keyId);
    this.#forget.run(device, algorithm, next.n - remembered);
    return next;
  }

  fallback(device: DeviceNid, algorithm: string): ClaimedKey | undefined {
    return this.#fallback.get(device, algorithm);
  }

  /** Replaces the fallback key of an algorithm by one that nobody has been given. */
  putFallback(device: DeviceNid, algorithm: string, { keyId, key }: ClaimedKey): void {
    this.#putFallback.run(device, algorithm, keyId, key);
  }

  /** Notes that the fallback key was given out; false if that was known. */
  useFallback(device: DeviceNid, algorithm: string): boolean {
    return this.#useFallback.run(device, algorithm).changes > 0;
  }

  /** How many one-time keys of each algorithm are left. */
  tally(device: DeviceNid): Map<string, number> {
    return new Map(this.#tally.all(device).map(({ algorithm, count }) => [algorithm, count]));
  }

  /** Algorithms whose fallback key nobody has been given. */
  unusedFallbacks(device: DeviceNid): string[] {
    return this.#unused.all(device);
  }

  counts(device: DeviceNid): KeyCounts | undefined {
    return this.#counts.get(device);
  }

  putCounts(device: DeviceNid, { counts, fallback, pos }: KeyCounts): void {
    this.#putCounts.run(device, counts, fallback, pos);
  }

  /** Every device that has ever uploaded keys. */
  devices(): DeviceNid[] {
    return this.#devices.all();
  }

  /** Forgets a device's one-time keys, those that were claimed too; fallback keys stay. */
  removeOneTime(device: DeviceNid): void {
    this.#removeOneTime.run(device);
  }

  removeAll(device: DeviceNid): void {
    for (const removal of this.#removals) removal.run(device);
  }
}
