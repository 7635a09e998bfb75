import type { ServerName } from '../protocol/ids/types.ts';
import { parseJson } from '../protocol/parse-json.ts';
import type { Database } from '../store/db.ts';
import type { ClaimedKey, OneTimeKeyStore } from '../store/e2ee/one-time-keys.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { DeviceNid } from '../store/nids.ts';
import type { DeviceStore } from '../store/users/devices.ts';
import type { Streams } from '../streams/streams.ts';
import type { Millis } from '../util/brand.ts';
import type { JsonObject, JsonValue } from '../util/json.ts';
import type { DeviceKeys } from './device-keys.ts';
import { chunks, partition, type Wanted } from './reachable.ts';
import { readClaimed } from './remote/answers.ts';
import type { Failures, Question, RemoteAsking } from './remote/remote-asking.ts';

export interface KeyClaimsUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly interning: Interning;
  readonly devices: DeviceStore;
  readonly oneTimeKeys: OneTimeKeyStore;
  readonly keys: DeviceKeys;
  readonly asking: RemoteAsking;
  readonly serverName: ServerName;
}

/** User ID → device ID → algorithm. */
export type WantedKeys = Readonly<Record<string, WantedAlgorithms>>;
type WantedAlgorithms = Readonly<Record<string, string>>;

/** Devices in one transaction, or in one question: a few milliseconds' work, an answer of some ten kilobytes. */
const devicesAtOnce = 100;

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
   * it is safe that none of our users' one-time keys will be given out again; other servers are asked for theirs, for so
   * long at most. 400 M_INVALID_PARAM for what is no user ID.
   */
  async claim(wanted: WantedKeys, timeout: Millis): Promise<ClaimedKeys> {
    const { local, remote } = partition(Object.entries(wanted), this.#uses.serverName);
    const [own, { found, failures }] = await Promise.all([this.#own(local), this.#remote(remote, timeout)]);
    return { one_time_keys: Object.fromEntries([...own, ...found]), failures };
  }

  /** The same for another server, about our own users only. */
  async claimFor(wanted: WantedKeys): Promise<JsonObject> {
    const { local } = partition(Object.entries(wanted), this.#uses.serverName);
    return Object.fromEntries(await this.#own(local));
  }

  async #own(wanted: readonly Wanted<WantedAlgorithms>[]): Promise<[string, JsonObject][]> {
    const found: [string, JsonObject][] = [];
    // Some milliseconds of work at a time, however much is asked for.
    for (const part of bounded(wanted)) {
      const claimed = await this.#uses.db.durable<[string, JsonObject][]>(() =>
        part.map(([userId, devices]) => [userId, this.#ofUser(userId, devices)]),
      );
      found.push(...claimed);
    }
    const byUser = Map.groupBy(found, ([userId]) => userId);
    return [...byUser]
      .map(([userId, parts]): [string, JsonObject] => [
        userId,
        Object.fromEntries(parts.flatMap(([, keys]) => Object.entries(keys))),
      ])
      .filter(([, keys]) => Object.keys(keys).length > 0);
  }

  async #remote(
    wanted: ReadonlyMap<ServerName, Wanted<WantedAlgorithms>[]>,
    timeout: Millis,
  ): Promise<{ found: [string, JsonObject][]; failures: Failures }> {
    const found = new Map<string, JsonObject>();
    const questions = [...wanted].flatMap(([server, users]) =>
      bounded(users).map((part) => claimQuestion(server, part, found)),
    );
    const failures = await this.#uses.asking.ask(questions, timeout);
    return { found: [...found], failures };
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

/** Parts with so many devices at most; a user with more is in several. */
function bounded(wanted: readonly Wanted<WantedAlgorithms>[]): Wanted<WantedAlgorithms>[][] {
  const parts: Wanted<WantedAlgorithms>[][] = [];
  let room = 0;
  for (const [userId, devices] of wanted) {
    for (const some of chunks(Object.entries(devices), devicesAtOnce)) {
      if (room < some.length) {
        parts.push([]);
        room = devicesAtOnce;
      }
      room -= some.length;
      parts.at(-1)?.push([userId, Object.fromEntries(some)]);
    }
  }
  return parts;
}

function claimQuestion(
  server: ServerName,
  users: readonly Wanted<WantedAlgorithms>[],
  found: Map<string, JsonObject>,
): Question {
  return {
    server,
    path: '/_matrix/federation/v1/user/keys/claim',
    content: { one_time_keys: Object.fromEntries(users) },
    maxBytes: 1024 * 1024,
    take(answer) {
      for (const [userId, devices] of users) {
        const keys = Object.entries(devices).flatMap(([deviceId, algorithm]) => {
          const key = readClaimed(answer, userId, deviceId, algorithm);
          return key === undefined ? [] : [[deviceId, key] as const];
        });
        if (keys.length > 0) found.set(userId, { ...found.get(userId), ...Object.fromEntries(keys) });
      }
    },
  };
}
