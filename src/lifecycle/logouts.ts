import type { Database } from '../store/db.ts';
import type { DeviceNid, UserNid } from '../store/nids.ts';
import type { Devices } from '../users/devices.ts';
import type { Requester } from '../users/login/requester.ts';

/** Sessions that end. The device goes with its tokens, and what others keep of it hears of that (`DeviceObserver`). */
export class Logouts {
  readonly #db: Database;
  readonly #devices: Devices;

  constructor(uses: { db: Database; devices: Devices }) {
    this.#db = uses.db;
    this.#devices = uses.devices;
  }

  logout(requester: Requester): Promise<void> {
    return this.deleteDevices(requester.user, [requester.deviceId]);
  }

  logoutAll(user: UserNid, except?: DeviceNid): Promise<void> {
    return this.#db.durable<void>(() => this.#devices.removeAll(user, except));
  }

  /** Devices that do not exist are gone already. `also` runs in the same transaction. */
  deleteDevices(user: UserNid, deviceIds: readonly string[], also: () => void = () => {}): Promise<void> {
    return this.#db.durable<void>(() => {
      also();
      this.#devices.remove(user, deviceIds);
    });
  }
}
