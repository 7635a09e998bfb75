import type { DeviceId } from '../../protocol/ids/types.ts';
import type { Database } from '../db.ts';
import type { DeviceNid, UserNid } from '../nids.ts';

/** A local device that has published keys. */
export interface DeviceKeysRow {
  readonly device: DeviceNid;
  readonly deviceId: DeviceId;
  readonly displayName: string | null;
  /** A JSON object. */
  readonly keys: string;
}

/** The identity keys of local devices. Writing methods belong inside a write. */
export class DeviceKeyStore {
  readonly #put;
  readonly #find;
  readonly #ofUser;
  readonly #one;
  readonly #remove;
  readonly #users;

  constructor(db: Database) {
    this.#put = db.prepare<[device: number, keys: string], never>(
      'INSERT INTO device_keys (device, keys) VALUES (?, ?) ON CONFLICT (device) DO UPDATE SET keys = excluded.keys',
    );
    this.#find = db.prepare<[device: number], string>('SELECT keys FROM device_keys WHERE device = ?').pluck();
    const select =
      'SELECT device.nid AS device, device.device_id AS deviceId, device.display_name AS displayName, device_keys.keys' +
      ' FROM device CROSS JOIN device_keys ON device_keys.device = device.nid WHERE device.user = ?';
    this.#ofUser = db.prepare<[user: number], DeviceKeysRow>(select);
    this.#one = db.prepare<[user: number, deviceId: string], DeviceKeysRow>(`${select} AND device.device_id = ?`);
    this.#users = db
      .prepare<[], UserNid>(
        'SELECT DISTINCT user FROM device_keys CROSS JOIN device ON device.nid = device_keys.device',
      )
      .pluck();
    this.#remove = db.prepare<[device: number], never>('DELETE FROM device_keys WHERE device = ?');
  }

  put(device: DeviceNid, keys: string): void {
    this.#put.run(device, keys);
  }

  find(device: DeviceNid): string | undefined {
    return this.#find.get(device);
  }

  /** All of a user's. */
  list(user: UserNid): DeviceKeysRow[] {
    return this.#ofUser.all(user);
  }

  one(user: UserNid, deviceId: string): DeviceKeysRow | undefined {
    return this.#one.get(user, deviceId);
  }

  /** Users with a device that has published keys. */
  users(): UserNid[] {
    return this.#users.all();
  }

  /** Returns whether there were any. */
  remove(device: DeviceNid): boolean {
    return this.#remove.run(device).changes > 0;
  }
}
