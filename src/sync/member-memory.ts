import type { DeviceNid, RoomNid, StreamPos, UserNid } from '../store/nids.ts';
import { Lru } from '../util/lru.ts';

/** Devices that sync at the same time on a busy small server. */
const maxDevices = 100;
/** People whose member event a device has got; the speakers of the rooms it sees. About 30 kB for each device. */
const maxMembers = 512;

/**
 * Which member events a device that loads members lazily has already been sent. A device that is forgotten gets some
 * of them once more, which the specification allows: so nothing of this is stored, and it is small.
 * @see https://spec.matrix.org/v1.19/client-server-api/#lazy-loading-room-members
 */
export class MemberMemory {
  readonly #devices = new Lru<DeviceNid, Lru<number, StreamPos>>(maxDevices);

  /**
   * Whether the device has got the member event with an answer at or before the one it now builds on. An answer that
   * may have been lost on the way does not count: the same question is answered with the same members.
   */
  knows(device: DeviceNid, room: RoomNid, user: UserNid, since: StreamPos): boolean {
    const told = this.#devices.get(device)?.get(pair(room, user));
    return told !== undefined && told <= since;
  }

  /** The answer that ends at `now` holds the member event. */
  tell(device: DeviceNid, room: RoomNid, user: UserNid, now: StreamPos): void {
    let members = this.#devices.get(device);
    if (members === undefined) {
      members = new Lru(maxMembers);
      this.#devices.set(device, members);
    }
    members.set(pair(room, user), now);
  }

  /** The device begins anew. */
  forget(device: DeviceNid): void {
    this.#devices.delete(device);
  }
}

/** Two NIDs in one number: fits a double up to 2^27 rooms and 2^26 users. */
function pair(room: RoomNid, user: UserNid): number {
  return room * 2 ** 26 + user;
}
