import type { DeviceLists } from '../devices/device-lists.ts';
import { invalidParam, tooLarge, unknownToken } from '../protocol/errors.ts';
import { algorithmOf, isKeyId, keyNameOf } from '../protocol/ids/key-id.ts';
import type { DeviceId, KeyId } from '../protocol/ids/types.ts';
import type { Database } from '../store/db.ts';
import type { CrossSigningStore } from '../store/e2ee/cross-signing.ts';
import type { DehydratedDeviceStore } from '../store/e2ee/dehydrated-devices.ts';
import type { DeviceKeyStore } from '../store/e2ee/device-keys.ts';
import type { OneTimeKeyStore } from '../store/e2ee/one-time-keys.ts';
import type { ToDeviceStore } from '../store/e2ee/to-device.ts';
import type { DeviceNid, UserNid } from '../store/nids.ts';
import { streamStart } from '../store/sync/positions.ts';
import type { DeviceStore } from '../store/users/devices.ts';
import type { Streams } from '../streams/streams.ts';
import type { DeviceObserver } from '../users/devices.ts';
import type { Requester } from '../users/login/requester.ts';
import type { JsonObject } from '../util/json.ts';
import { keyText, storedKey } from './signed-keys.ts';

export interface DeviceKeysUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly devices: DeviceStore;
  readonly deviceKeys: DeviceKeyStore;
  readonly oneTimeKeys: OneTimeKeyStore;
  readonly crossSigning: CrossSigningStore;
  readonly toDevice: ToDeviceStore;
  readonly dehydratedDevices: DehydratedDeviceStore;
  readonly lists: DeviceLists;
}

/** Keys that a device publishes. */
export interface KeyUpload {
  readonly deviceKeys?: JsonObject | undefined;
  /** Key ID → the key. */
  readonly oneTimeKeys?: Readonly<Record<string, JsonObject | string>> | undefined;
  readonly fallbackKeys?: Readonly<Record<string, JsonObject | string>> | undefined;
}

/** What clients in use publish has some hundred bytes. */
const maxKeySize = 4096;
const maxDeviceKeysSize = 32 * 1024;
/** Unclaimed keys of a device; clients keep fifty or a hundred. */
const maxOneTimeKeys = 1000;
const maxAlgorithms = 16;

/** Whose keys they are. */
export type KeyOwner = Pick<Requester, 'user' | 'userId' | 'device' | 'deviceId'>;

interface PlainUpload {
  readonly identity: string | undefined;
  readonly oneTime: readonly PlainKey[];
  readonly fallback: readonly PlainKey[];
}

interface PlainKey {
  readonly id: KeyId;
  readonly key: string;
}

/**
 * The keys of local devices.
 * @see https://spec.matrix.org/v1.19/client-server-api/#device-keys
 */
export class DeviceKeys implements DeviceObserver {
  readonly #uses: DeviceKeysUses;

  constructor(uses: DeviceKeysUses) {
    this.#uses = uses;
  }

  /**
   * Resolves with the number of one-time keys for each algorithm when all is safe. 400 M_INVALID_PARAM keys of another
   * device, a key ID with another key, no key ID · 401 M_UNKNOWN_TOKEN logged out meanwhile · 413 M_TOO_LARGE.
   */
  async upload(requester: Requester, upload: KeyUpload): Promise<Record<string, number>> {
    const { db, oneTimeKeys } = this.#uses;
    const given = read(requester, upload);
    if (given.identity === undefined && given.oneTime.length === 0 && given.fallback.length === 0) {
      return Object.fromEntries(oneTimeKeys.tally(requester.device));
    }
    return db.durable(() => Object.fromEntries(this.#keep(requester, given)));
  }

  /** Inside a write: the same for a device that somebody else brings. */
  bring(owner: KeyOwner, upload: KeyUpload): void {
    this.#keep(owner, read(owner, upload));
  }

  /** Inside a write: brings what /sync says of a device's keys up to date; `other`: somebody took one. */
  recount(device: DeviceNid, by: 'own' | 'other'): void {
    this.#count(device, by);
  }

  /** What every /sync says: JSON members, to stand behind another one. */
  countsText(device: DeviceNid): string {
    const row = this.#uses.oneTimeKeys.counts(device);
    const counts = row?.counts ?? noKeys;
    return `,"device_one_time_keys_count":${counts},"device_unused_fallback_key_types":${row?.fallback ?? '[]'}`;
  }

  onDeviceRemoved(user: UserNid, device: DeviceNid, deviceId: DeviceId): void {
    const { deviceKeys, oneTimeKeys, crossSigning, toDevice, dehydratedDevices, lists } = this.#uses;
    const hadKeys = deviceKeys.remove(device);
    oneTimeKeys.removeAll(device);
    crossSigning.removeSignatures(user, deviceId);
    toDevice.removeAll(device);
    dehydratedDevices.remove(device);
    if (hadKeys) lists.announce(user, [deviceId]);
  }

  onDeviceRenamed(user: UserNid, device: DeviceNid, deviceId: DeviceId): void {
    const { deviceKeys, lists } = this.#uses;
    if (deviceKeys.find(device) !== undefined) lists.announce(user, [deviceId]);
  }

  #keep({ user, device, deviceId }: KeyOwner, { identity, oneTime, fallback }: PlainUpload): Map<string, number> {
    // It may have logged out since the request began.
    if (this.#uses.devices.row(device) === undefined) throw unknownToken();
    if (identity !== undefined) this.#putIdentity(user, device, deviceId, identity);
    for (const key of oneTime) this.#putOneTime(device, key);
    for (const key of fallback) this.#putFallback(device, key);
    return this.#count(device, 'own');
  }

  #putIdentity(user: UserNid, device: DeviceNid, deviceId: DeviceId, text: string): void {
    const { deviceKeys, oneTimeKeys, crossSigning, lists } = this.#uses;
    const before = deviceKeys.find(device);
    if (before === text) return;
    if (before !== undefined && keysOf(before) !== keysOf(text)) {
      // What belongs to the old identity is of no use under the new one.
      oneTimeKeys.removeAll(device);
      crossSigning.removeSignatures(user, deviceId);
    }
    deviceKeys.put(device, text);
    lists.announce(user, [deviceId]);
  }

  #putOneTime(device: DeviceNid, { id, key }: PlainKey): void {
    const { oneTimeKeys } = this.#uses;
    const [algorithm, keyId] = [algorithmOf(id), keyNameOf(id)];
    const before = oneTimeKeys.find(device, algorithm, keyId);
    // An upload that is repeated must not bring a claimed key back.
    if (before === null || before === key) return;
    if (before !== undefined) throw invalidParam(`There is another one-time key ${id}`);
    oneTimeKeys.insert(device, algorithm, { keyId, key });
  }

  #putFallback(device: DeviceNid, { id, key }: PlainKey): void {
    const { oneTimeKeys } = this.#uses;
    const [algorithm, keyId] = [algorithmOf(id), keyNameOf(id)];
    const before = oneTimeKeys.fallback(device, algorithm);
    if (before?.keyId === keyId && before.key === key) return;
    oneTimeKeys.putFallback(device, algorithm, { keyId, key });
  }

  #count(device: DeviceNid, by: 'own' | 'other'): Map<string, number> {
    const { oneTimeKeys, streams } = this.#uses;
    const tally = oneTimeKeys.tally(device);
    const sum = [...tally.values()].reduce((total, count) => total + count, 0);
    if (sum > maxOneTimeKeys) throw tooLarge(`A device may have at most ${maxOneTimeKeys} one-time keys`);
    if (tally.size > maxAlgorithms) throw tooLarge(`A device may have keys of at most ${maxAlgorithms} algorithms`);
    const fallback = oneTimeKeys.unusedFallbacks(device);
    if (fallback.length > maxAlgorithms) throw tooLarge(`A device may have at most ${maxAlgorithms} fallback keys`);
    // Some clients take an absent number for "no news" instead of 0.
    const counts = JSON.stringify({ signed_curve25519: 0, ...Object.fromEntries(tally) });
    const pos = by === 'other' ? streams.next() : (oneTimeKeys.counts(device)?.pos ?? streamStart);
    oneTimeKeys.putCounts(device, { counts, fallback: JSON.stringify(fallback), pos });
    return tally;
  }
}

const noKeys = '{"signed_curve25519":0}';

function read(owner: KeyOwner, upload: KeyUpload): PlainUpload {
  return {
    identity: upload.deviceKeys === undefined ? undefined : identityText(owner, upload.deviceKeys),
    oneTime: plainKeys(upload.oneTimeKeys),
    fallback: plainKeys(upload.fallbackKeys),
  };
}

function identityText(requester: KeyOwner, keys: JsonObject): string {
  if (keys['user_id'] !== requester.userId || keys['device_id'] !== requester.deviceId) {
    throw invalidParam('device_keys must be those of the device that uploads them');
  }
  const text = keyText(keys);
  if (text.length > maxDeviceKeysSize) throw tooLarge(`device_keys may have at most ${maxDeviceKeysSize} bytes`);
  return text;
}

function keysOf(text: string): string {
  return JSON.stringify(storedKey(text)['keys']);
}

function plainKeys(keys: Readonly<Record<string, JsonObject | string>> = {}): PlainKey[] {
  return Object.entries(keys).map(([id, value]) => {
    if (!isKeyId(id)) throw invalidParam('A key ID must be an algorithm, a colon and a name');
    const key = keyText(value);
    if (key.length > maxKeySize) throw tooLarge(`A key may have at most ${maxKeySize} bytes`);
    return { id, key };
  });
}
