import type { CrossSigningStore, KeyUsage } from '../store/e2ee/cross-signing.ts';
import type { DeviceKeyStore, DeviceKeysRow } from '../store/e2ee/device-keys.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { UserNid } from '../store/nids.ts';
import type { JsonObject } from '../util/json.ts';
import { storedKey, withSignatures } from './signed-keys.ts';

export interface OwnKeysUses {
  readonly interning: Interning;
  readonly deviceKeys: DeviceKeyStore;
  readonly crossSigning: CrossSigningStore;
}

/** A device as others see it. */
export interface ShownDevice {
  readonly deviceId: string;
  readonly displayName: string | null;
  readonly keys: JsonObject;
}

/** So many are looked up one by one. */
const fewDevices = 20;

/** The keys of our own users, with the signatures that a viewer may see; servers see what the owner sees. */
export class OwnKeys {
  readonly #uses: OwnKeysUses;

  constructor(uses: OwnKeysUses) {
    this.#uses = uses;
  }

  /** The devices with these IDs that have keys; all of them if none is named. */
  devices(user: UserNid, ids: readonly string[], viewer: UserNid): ShownDevice[] {
    const { deviceKeys } = this.#uses;
    const wanted = new Set(ids);
    // Whoever names more than there are, or the same again and again, costs no more than who wants all.
    const rows =
      wanted.size > 0 && wanted.size <= fewDevices
        ? [...wanted].map((id) => deviceKeys.one(user, id)).filter((row) => row !== undefined)
        : deviceKeys.list(user).filter(({ deviceId }) => wanted.size === 0 || wanted.has(deviceId));
    return rows.map((row) => this.#shown(user, row, viewer));
  }

  device(user: UserNid, deviceId: string, viewer: UserNid): ShownDevice | undefined {
    const row = this.#uses.deviceKeys.one(user, deviceId);
    return row && this.#shown(user, row, viewer);
  }

  crossSigningKey(user: UserNid, usage: KeyUsage, viewer: UserNid): JsonObject | undefined {
    const row = this.#uses.crossSigning.find(user, usage);
    return row && withSignatures(storedKey(row.key), { user, target: row.public, viewer }, this.#uses);
  }

  #shown(user: UserNid, { deviceId, displayName, keys }: DeviceKeysRow, viewer: UserNid): ShownDevice {
    const signed = withSignatures(storedKey(keys), { user, target: deviceId, viewer }, this.#uses);
    return { deviceId, displayName, keys: signed };
  }
}

/** Devices as /keys/query names them. */
export function deviceMap(devices: readonly ShownDevice[]): JsonObject {
  return Object.fromEntries(
    devices.map(({ deviceId, displayName, keys }) => [
      deviceId,
      displayName === null ? keys : { ...keys, unsigned: { device_display_name: displayName } },
    ]),
  );
}
