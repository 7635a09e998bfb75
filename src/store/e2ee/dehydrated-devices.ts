import type { Database } from '../db.ts';
import type { DeviceNid, UserNid } from '../nids.ts';

export interface DehydratedDevice {
  readonly device: DeviceNid;
  /** A JSON object that only clients can read. */
  readonly data: string;
}

/** Dehydrated devices, one for a user. Writing methods belong inside a write. */
export class DehydratedDeviceStore {
  readonly #find;
  readonly #put;
  readonly #remove;

  constructor(db: Database) {
    this.#find = db.prepare<[number], DehydratedDevice>('SELECT device, data FROM dehydrated_device WHERE user = ?');
    this.#put = db.prepare<[number, number, string], never>(
      'INSERT INTO dehydrated_device (user, device, data) VALUES (?, ?, ?)',
    );
    this.#remove = db.prepare<[number], never>('DELETE FROM dehydrated_device WHERE device = ?');
  }

  find(user: UserNid): DehydratedDevice | undefined {
    return this.#find.get(user);
  }

  put(user: UserNid, { device, data }: DehydratedDevice): void {
    this.#put.run(user, device, data);
  }

  /** Its device is going; nothing happens to others. */
  remove(device: DeviceNid): void {
    this.#remove.run(device);
  }
}
