import type { ServerName } from '../protocol/ids/types.ts';
import { parseJson } from '../protocol/parse-json.ts';
import type { Database } from '../store/db.ts';
import type { ClaimedKey, OneTimeKeyStore } from '../store/e2ee/one-time-keys.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { DeviceNid } from '../store/nids.ts';
import type { DeviceStore } from '../store/users/devices.ts';
import type { Streams } from '../streams/streams.ts';
import type { JsonObject, JsonValue } from '../util/json.ts';
import type { DeviceKeys } from './device-keys.ts';
import { type Failures, partition } from './reachable.ts';

export interface KeyClaimsUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly interning: Interning;
  readonly devices: DeviceStore;
  readonly oneTimeKeys: OneTimeKeyStore;
  readonly keys: DeviceKeys;
  readonly serverName: ServerName;
}

/** User ID → device ID → algorithm. */
export type WantedKeys = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface ClaimedKeys {
  readonly one_time_keys: JsonObject;
  readonly failures: Failures;
}

/**
 * Gives one-time keys out, each once.
 * @see https://spec.matrix.org/v1.19/client-server-api/#one-time-and-fallback-keys
 */
export class KeyClaims {
  readonly #uses: KeyClaimsUses;

  constructor(uses: KeyClaimsUses) {
    this.#uses = uses;
  }

  /**
   * One key for each device that has one: the one-time key that was uploaded first, else the fallback key. Resolves when
   * it is safe that none of the one-time keys will be given out again. 400 M_INVALID_PARAM for what is no user ID.
   */
  async claim(wanted: WantedKeys): Promise<ClaimedKeys> {
    const { local, failures } = partition(Object.entries(wanted), this.#uses.serverName);
    const claimed = await this.#uses.db.durable<[string, JsonObject][]>(() =>
      local.map(([userId, devices]) => [userId, this.#ofUser(userId, devices)]),
    );
    const found = claimed.filter(([, devices]) => Object.keys(devices).length > 0);
    return { one_time_keys: Object.fromEntries(found), failures };
  }

  #ofUser(userId: string, wanted: Readonly<Record<string, string>>): JsonObject {
    const { interning, devices, keys, streams } = this.#uses;
    const user = interning.findUser(userId);
    if (user === undefined) return {};
    const found: [string, JsonValue][] = [];
    for (const [deviceId, algorithm] of Object.entries(wanted)) {
      const device = devices.find(user, deviceId)?.nid;
      const claimed = device === undefined ? undefined : this.#take(device, algorithm);
      if (device === undefined || claimed === undefined) continue;
      found.push([deviceId, { [`${algorithm}:${claimed.keyId}`]: parseJson(claimed.key) }]);
      keys.recount(device, 'other');
      streams.touchUser(user);
    }
    return Object.fromEntries(found);
  }

  #take(device: DeviceNid, algorithm: string): ClaimedKey | undefined {
    const { oneTimeKeys } = this.#uses;
    const key = oneTimeKeys.claim(device, algorithm);
    if (key !== undefined) return key;
    const fallback = oneTimeKeys.fallback(device, algorithm);
    if (fallback !== undefined) oneTimeKeys.useFallback(device, algorithm);
    return fallback;
  }
}
