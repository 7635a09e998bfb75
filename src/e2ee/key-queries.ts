import type { ServerName } from '../protocol/ids/types.ts';
import type { CrossSigningStore, KeyUsage } from '../store/e2ee/cross-signing.ts';
import type { RemoteListRow, RemoteListStore } from '../store/e2ee/remote-lists.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { UserNid } from '../store/nids.ts';
import type { Millis } from '../util/brand.ts';
import type { JsonObject } from '../util/json.ts';
import { deviceMap, type OwnKeys } from './own-keys.ts';
import { partition } from './reachable.ts';
import { publicHalf, type RemoteKeys } from './remote/answers.ts';
import type { RemoteQueries } from './remote/remote-queries.ts';
import { storedKey, withSignatures } from './signed-keys.ts';

export interface KeyQueriesUses {
  readonly interning: Interning;
  readonly crossSigning: CrossSigningStore;
  readonly remoteLists: RemoteListStore;
  readonly ownKeys: OwnKeys;
  readonly remote: RemoteQueries;
  readonly serverName: ServerName;
}

/** User ID → device IDs; an empty list stands for all devices. */
export type WantedDevices = Readonly<Record<string, readonly string[]>>;

/** One user's part of an answer, read when it is written. */
interface Source {
  readonly userId: string;
  /** `undefined`: nothing is known, not even that there is no device. */
  devices(): JsonObject | undefined;
  key(usage: KeyUsage): JsonObject | undefined;
}

/** Tells the keys of users and their devices. */
export class KeyQueries {
  readonly #uses: KeyQueriesUses;

  constructor(uses: KeyQueriesUses) {
    this.#uses = uses;
  }

  /**
   * What `viewer` may see: signatures of owner and viewer, user-signing keys only of the viewer. Other servers are asked
   * for what is not known here, for so long at most; those that do not answer stand in `failures`, beside what was known
   * of their users. The answer is JSON text, read piece by piece. 400 M_INVALID_PARAM.
   */
  async query(viewer: UserNid, wanted: WantedDevices, timeout: Millis): Promise<Iterable<string>> {
    const { interning, serverName, remote } = this.#uses;
    const parts = partition(Object.entries(wanted), serverName);
    const fetched = await remote.fetch(parts.remote, timeout);
    const sources = [
      ...parts.local.map(([userId, ids]) => this.#local(userId, interning.findUser(userId), ids, viewer)),
      ...[...parts.remote.values()].flat().map(([userId, ids]) => {
        const stranger = fetched.strangers.get(userId);
        return stranger === undefined
          ? this.#followed(userId, ids, viewer)
          : this.#stranger(userId, stranger, ids, viewer);
      }),
    ];
    return written(sources, fetched.failures);
  }

  #local(userId: string, user: UserNid | undefined, ids: readonly string[], viewer: UserNid): Source {
    const { ownKeys } = this.#uses;
    return {
      userId,
      devices: () => (user === undefined ? {} : deviceMap(ownKeys.devices(user, ids, viewer))),
      key: (usage) =>
        user === undefined || (usage === 'user_signing' && user !== viewer)
          ? undefined
          : ownKeys.crossSigningKey(user, usage, viewer),
    };
  }

  #followed(userId: string, ids: readonly string[], viewer: UserNid): Source {
    const { interning, remoteLists } = this.#uses;
    const user = interning.findUser(userId);
    const known = (): RemoteListRow | undefined => (user === undefined ? undefined : remoteLists.find(user));
    return {
      userId,
      devices: () => {
        const row = known();
        if (row === undefined) return undefined;
        const devices = remoteLists.devices.list(row.user);
        // It was asked for and nothing ever came.
        return devices.length === 0 && row.stale === 1 ? undefined : shownDevices(devices, ids);
      },
      key: (usage) => {
        const row = known();
        return row && this.#remoteKey(usage, row, row.user, viewer);
      },
    };
  }

  #stranger(userId: string, keys: RemoteKeys, ids: readonly string[], viewer: UserNid): Source {
    const user = this.#uses.interning.findUser(userId);
    return {
      userId,
      devices: () => shownDevices(keys.devices, ids),
      key: (usage) => this.#remoteKey(usage, keys, user, viewer),
    };
  }

  #remoteKey(
    usage: KeyUsage,
    keys: Pick<RemoteKeys, 'master' | 'selfSigning'>,
    user: UserNid | undefined,
    viewer: UserNid,
  ): JsonObject | undefined {
    const text = usage === 'master' ? keys.master : usage === 'self_signing' ? keys.selfSigning : null;
    if (text === null) return undefined;
    const key = storedKey(text);
    const target = publicHalf(key);
    return user === undefined || target === undefined ? key : withSignatures(key, { user, target, viewer }, this.#uses);
  }
}

function shownDevices(devices: RemoteKeys['devices'], ids: readonly string[]): JsonObject {
  const named = new Set(ids);
  const wanted = named.size === 0 ? devices : devices.filter(({ deviceId }) => named.has(deviceId));
  return deviceMap(wanted.map((device) => ({ ...device, keys: storedKey(device.keys) })));
}

function* written(sources: readonly Source[], failures: JsonObject): Generator<string> {
  yield '{"device_keys":';
  yield* section(sources, (source) => source.devices());
  for (const usage of ['master', 'self_signing', 'user_signing'] as const) {
    yield `,"${usage}_keys":`;
    yield* section(sources, (source) => source.key(usage));
  }
  yield `,"failures":${JSON.stringify(failures)}}`;
}

function* section(sources: readonly Source[], of: (source: Source) => JsonObject | undefined): Generator<string> {
  let separator = '{';
  for (const source of sources) {
    const value = of(source);
    if (value === undefined) continue;
    yield `${separator}${JSON.stringify(source.userId)}:${JSON.stringify(value)}`;
    separator = ',';
  }
  yield separator === '{' ? '{}' : '}';
}
