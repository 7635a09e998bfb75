import type { ServerName } from '../protocol/ids/types.ts';
import type { CrossSigningStore, KeyUsage } from '../store/e2ee/cross-signing.ts';
import type { DeviceKeyStore, DeviceKeysRow } from '../store/e2ee/device-keys.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { UserNid } from '../store/nids.ts';
import type { JsonObject } from '../util/json.ts';
import { type Failures, partition } from './reachable.ts';
import { storedKey, withSignatures } from './signed-keys.ts';

export interface KeyQueriesUses {
  readonly interning: Interning;
  readonly deviceKeys: DeviceKeyStore;
  readonly crossSigning: CrossSigningStore;
  readonly serverName: ServerName;
}

/** User ID → device IDs; an empty list stands for all devices. */
export type WantedDevices = Readonly<Record<string, readonly string[]>>;

export interface QueriedKeys {
  readonly device_keys: JsonObject;
  readonly master_keys: JsonObject;
  readonly self_signing_keys: JsonObject;
  readonly user_signing_keys: JsonObject;
  readonly failures: Failures;
}

/** Tells the keys of users and their devices. */
export class KeyQueries {
  readonly #uses: KeyQueriesUses;

  constructor(uses: KeyQueriesUses) {
    this.#uses = uses;
  }

  /** What `viewer` may see: signatures of owner and viewer, user-signing keys only of the viewer. 400 M_INVALID_PARAM. */
  query(viewer: UserNid, wanted: WantedDevices): QueriedKeys {
    const { interning, serverName } = this.#uses;
    const { local, failures } = partition(Object.entries(wanted), serverName);
    const users = local.map(([userId, ids]) => ({ userId, ids, user: interning.findUser(userId) }));
    const keysOf = (usage: KeyUsage, isShown: (user: UserNid) => boolean) =>
      Object.fromEntries(
        users.flatMap(({ userId, user }) => {
          const key = user !== undefined && isShown(user) ? this.#crossSigningKey(user, usage, viewer) : undefined;
          return key === undefined ? [] : [[userId, key] as const];
        }),
      );
    return {
      device_keys: Object.fromEntries(
        users.map(({ userId, user, ids }) => [userId, user === undefined ? {} : this.#devices(user, ids, viewer)]),
      ),
      master_keys: keysOf('master', () => true),
      self_signing_keys: keysOf('self_signing', () => true),
      user_signing_keys: keysOf('user_signing', (user) => user === viewer),
      failures,
    };
  }

  #devices(user: UserNid, ids: readonly string[], viewer: UserNid): JsonObject {
    const { deviceKeys } = this.#uses;
    const rows =
      ids.length === 0
        ? deviceKeys.list(user)
        : ids.map((id) => deviceKeys.one(user, id)).filter((row) => row !== undefined);
    return Object.fromEntries(rows.map((row) => [row.deviceId, this.#device(user, row, viewer)]));
  }

  #device(user: UserNid, { deviceId, displayName, keys }: DeviceKeysRow, viewer: UserNid): JsonObject {
    const signed = withSignatures(storedKey(keys), { user, target: deviceId, viewer }, this.#uses);
    return displayName === null ? signed : { ...signed, unsigned: { device_display_name: displayName } };
  }

  #crossSigningKey(user: UserNid, usage: KeyUsage, viewer: UserNid): JsonObject | undefined {
    const row = this.#uses.crossSigning.find(user, usage);
    return row && withSignatures(storedKey(row.key), { user, target: row.public, viewer }, this.#uses);
  }
}
