import { streamIdOf } from '../../devices/device-lists.ts';
import { invalidParam, notFound } from '../../protocol/errors.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../protocol/ids/user-id.ts';
import type { DeviceUpdateStore } from '../../store/e2ee/device-updates.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { UserNid } from '../../store/nids.ts';
import type { AccountStore } from '../../store/users/accounts.ts';
import type { Streams } from '../../streams/streams.ts';
import type { JsonObject } from '../../util/json.ts';
import type { WantedDevices } from '../key-queries.ts';
import { deviceMap, type OwnKeys } from '../own-keys.ts';

export interface ServedKeysUses {
  readonly streams: Streams;
  readonly interning: Interning;
  readonly accounts: AccountStore;
  readonly deviceUpdates: DeviceUpdateStore;
  readonly ownKeys: OwnKeys;
  readonly serverName: ServerName;
}

/** What other servers are told of our own users' keys: what the users signed themselves, nothing of the others'. */
export class ServedKeys {
  readonly #uses: ServedKeysUses;

  constructor(uses: ServedKeysUses) {
    this.#uses = uses;
  }

  /**
   * A user's devices that have keys, as of the update `stream_id`. 400 M_INVALID_PARAM not one of our users · 404
   * M_NOT_FOUND.
   */
  devices(text: string): JsonObject {
    const { streams, ownKeys, deviceUpdates, serverName } = this.#uses;
    const userId = parseUserId(text);
    if (userId === undefined || serverOf(userId) !== serverName) throw invalidParam('Not a user of this server');
    const user = this.#user(userId);
    if (user === undefined) throw notFound('There is no such user');
    const newest = deviceUpdates.newest(user);
    const master = ownKeys.crossSigningKey(user, 'master', user);
    const selfSigning = ownKeys.crossSigningKey(user, 'self_signing', user);
    return {
      user_id: userId,
      stream_id: newest === undefined ? 0 : streamIdOf(streams.epoch, newest),
      devices: ownKeys.devices(user, [], user).map(({ deviceId, displayName, keys }) => ({
        device_id: deviceId,
        keys,
        ...(displayName === null ? {} : { device_display_name: displayName }),
      })),
      ...(master === undefined ? {} : { master_key: master }),
      ...(selfSigning === undefined ? {} : { self_signing_key: selfSigning }),
    };
  }

  /** JSON text, read piece by piece. Users who are not ours are left out. */
  *query(wanted: WantedDevices): Generator<string> {
    const { ownKeys } = this.#uses;
    const users = Object.entries(wanted).flatMap(([userId, ids]) => {
      const user = this.#user(userId);
      return user === undefined ? [] : [{ userId, ids, user }];
    });
    yield '{"device_keys":';
    yield* section(users, ({ user, ids }) => deviceMap(ownKeys.devices(user, ids, user)));
    yield ',"master_keys":';
    yield* section(users, ({ user }) => ownKeys.crossSigningKey(user, 'master', user));
    yield ',"self_signing_keys":';
    yield* section(users, ({ user }) => ownKeys.crossSigningKey(user, 'self_signing', user));
    yield '}';
  }

  #user(userId: string): UserNid | undefined {
    const user = this.#uses.interning.findUser(userId);
    return user !== undefined && this.#uses.accounts.find(user) !== undefined ? user : undefined;
  }
}

interface User {
  readonly userId: string;
  readonly ids: readonly string[];
  readonly user: UserNid;
}

function* section(users: readonly User[], of: (user: User) => JsonObject | undefined): Generator<string> {
  let separator = '{';
  for (const user of users) {
    const value = of(user);
    if (value === undefined) continue;
    yield `${separator}${JSON.stringify(user.userId)}:${JSON.stringify(value)}`;
    separator = ',';
  }
  yield separator === '{' ? '{}' : '}';
}
