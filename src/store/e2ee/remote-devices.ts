import type { Database } from '../db.ts';
import type { UserNid } from '../nids.ts';

/** A device of another server's user. */
export interface RemoteDevice {
  readonly deviceId: string;
  readonly displayName: string | null;
  /** A JSON object. */
  readonly keys: string;
}

/** Devices of other servers' users. Writing methods belong inside a write. */
export class RemoteDeviceStore {
  readonly #list;
  readonly #one;
  readonly #count;
  readonly #put;
  readonly #remove;
  readonly #removeAll;

  constructor(db: Database) {
    const select = 'SELECT device_id AS deviceId, display_name AS displayName, keys FROM remote_device WHERE user = ?';
    this.#list = db.prepare<[number], RemoteDevice>(`${select} ORDER BY device_id`);
    this.#one = db.prepare<[number, string], RemoteDevice>(`${select} AND device_id = ?`);
    this.#count = db.prepare<[number], number>('SELECT count(*) FROM remote_device WHERE user = ?').pluck();
    this.#put = db.prepare<[number, string, string | null, string], never>(
      'INSERT INTO remote_device (user, device_id, display_name, keys) VALUES (?, ?, ?, ?) ON CONFLICT' +
        ' (user, device_id) DO UPDATE SET display_name = excluded.display_name, keys = excluded.keys',
    );
    this.#remove = db.prepare<[number, string], never>('DELETE FROM remote_device WHERE user = ? AND device_id = ?');
    this.#removeAll = db.prepare<[number], never>('DELETE FROM remote_device WHERE user = ?');
  }

  /** By device ID. */
  list(user: UserNid): RemoteDevice[] {
    return this.#list.all(user);
  }

  one(user: UserNid, deviceId: string): RemoteDevice | undefined {
    return this.#one.get(user, deviceId);
  }

  /** How many devices of a user are known. */
  count(user: UserNid): number {
    return this.#count.get(user) ?? 0;
  }

  put(user: UserNid, { deviceId, displayName, keys }: RemoteDevice): void {
    this.#put.run(user, deviceId, displayName, keys);
  }

  remove(user: UserNid, deviceId: string): void {
    this.#remove.run(user, deviceId);
  }

  removeAll(user: UserNid): void {
    this.#removeAll.run(user);
  }
}
