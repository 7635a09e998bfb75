import { algorithmOf, isDeviceId, isKeyId } from '../../protocol/ids/key-id.ts';
import { holdsRawNumber } from '../../protocol/parse-json.ts';
import type { RemoteDevice } from '../../store/e2ee/remote-devices.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import { keyText } from '../signed-keys.ts';

/** As much as our own users may upload. */
const maxKeysSize = 32 * 1024;
const maxOneTimeKeySize = 4096;
const maxName = 256;

/** Longer lists are those of programs that log in for every message; nobody can encrypt for so many devices. */
export const maxDevices = 1000;

/** A user's keys as another server tells them, as far as they are good. */
export interface RemoteKeys {
  readonly devices: readonly RemoteDevice[];
  readonly master: string | null;
  readonly selfSigning: string | null;
}

/** The stored form of a device that another server describes; `undefined` if these are no keys of this device. */
export function readDevice(userId: string, deviceId: string, keys: unknown, name: unknown): RemoteDevice | undefined {
  if (!isDeviceId(deviceId) || !isJsonObject(keys)) return undefined;
  if (keys['user_id'] !== userId || keys['device_id'] !== deviceId) return undefined;
  const { algorithms } = keys;
  if (!Array.isArray(algorithms) || !algorithms.every((algorithm) => typeof algorithm === 'string')) return undefined;
  if (!isRecordOf(keys['keys'], isString) || !isRecordOf(keys['signatures'], isSignatures)) return undefined;
  const text = boundedText(keys, maxKeysSize);
  if (text === undefined) return undefined;
  const displayName = typeof name === 'string' && name !== '' && name.isWellFormed() ? name.slice(0, maxName) : null;
  return { deviceId, displayName, keys: text };
}

/** The stored form of a cross-signing key; null if this is none of the user's. */
export function readCrossSigningKey(userId: string, usage: 'master' | 'self_signing', key: unknown): string | null {
  if (!isJsonObject(key) || key['user_id'] !== userId) return null;
  const { usage: usages, keys, signatures } = key;
  if (!Array.isArray(usages) || !usages.includes(usage)) return null;
  if (!isRecordOf(keys, isString) || Object.keys(keys as JsonObject).length !== 1) return null;
  if (signatures !== undefined && !isRecordOf(signatures, isSignatures)) return null;
  return boundedText(key, maxKeysSize) ?? null;
}

/** The public half of a stored cross-signing key. */
export function publicHalf(key: JsonObject): string | undefined {
  const { keys } = key;
  const [value] = isJsonObject(keys) ? Object.values(keys) : [];
  return typeof value === 'string' ? value : undefined;
}

/** What `GET /user/devices` answers; `undefined` if that is not about this user. */
export function readDeviceList(userId: string, answer: JsonObject): (RemoteKeys & { stream: number }) | undefined {
  const { user_id: about, stream_id: stream, devices } = answer;
  if (about !== userId || !isStreamId(stream) || !Array.isArray(devices)) return undefined;
  const found = new Map<string, RemoteDevice>();
  if (devices.length <= maxDevices) {
    for (const device of devices) {
      if (!isJsonObject(device) || typeof device['device_id'] !== 'string') continue;
      const read = readDevice(userId, device['device_id'], device['keys'], device['device_display_name']);
      if (read !== undefined) found.set(read.deviceId, read);
    }
  }
  return {
    stream,
    devices: [...found.values()],
    master: readCrossSigningKey(userId, 'master', answer['master_key']),
    selfSigning: readCrossSigningKey(userId, 'self_signing', answer['self_signing_key']),
  };
}

/** What `POST /user/keys/query` says of one user; `undefined` if it says nothing. */
export function readQueried(userId: string, answer: JsonObject): RemoteKeys | undefined {
  const devices = memberOf(answer['device_keys'], userId);
  if (!isJsonObject(devices)) return undefined;
  const entries = Object.entries(devices);
  const found: RemoteDevice[] = [];
  if (entries.length <= maxDevices) {
    for (const [deviceId, keys] of entries) {
      const { unsigned } = isJsonObject(keys) ? keys : {};
      const read = readDevice(userId, deviceId, keys, isJsonObject(unsigned) ? unsigned['device_display_name'] : null);
      if (read !== undefined) found.push(read);
    }
  }
  return {
    devices: found,
    master: readCrossSigningKey(userId, 'master', memberOf(answer['master_keys'], userId)),
    selfSigning: readCrossSigningKey(userId, 'self_signing', memberOf(answer['self_signing_keys'], userId)),
  };
}

/** The key that `POST /user/keys/claim` gives for one device: `{ "<algorithm>:<id>": key }`. */
export function readClaimed(answer: JsonObject, userId: string, deviceId: string, algorithm: string) {
  const keys = memberOf(memberOf(answer['one_time_keys'], userId), deviceId);
  if (!isJsonObject(keys)) return undefined;
  for (const [id, key] of Object.entries(keys)) {
    if (!isKeyId(id) || algorithmOf(id) !== algorithm) continue;
    const isGood = typeof key === 'string' || (isJsonObject(key) && typeof key['key'] === 'string');
    if (isGood && boundedText(key, maxOneTimeKeySize) !== undefined) return Object.fromEntries([[id, key]]);
  }
  return undefined;
}

/** Whether this can be the `stream_id` of an update. */
export function isStreamId(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value);
}

function memberOf(value: unknown, key: string): unknown {
  return isJsonObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function boundedText(value: JsonObject | string, max: number): string | undefined {
  if (holdsRawNumber(value)) return undefined;
  try {
    const text = keyText(value);
    return text.length <= max ? text : undefined;
  } catch {
    // A lone surrogate: there is no such text in UTF-8.
    return undefined;
  }
}

const isString = (value: unknown): boolean => typeof value === 'string';
const isSignatures = (value: unknown): boolean => isRecordOf(value, isString);

function isRecordOf(value: unknown, check: (member: unknown) => boolean): boolean {
  return isJsonObject(value) && Object.values(value).every(check);
}
