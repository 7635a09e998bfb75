import assert from 'node:assert/strict';
import type { Config } from '../../src/config/config.ts';
import { asKeyId } from '../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import type { DeviceId, UserId } from '../../src/protocol/ids/types.ts';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import { SigningKey } from '../../src/protocol/signing/keys.ts';
import type { CreateRoomOptions } from '../../src/rooms/create/options.ts';
import { EventObservers } from '../../src/rooms/input/event-observers.ts';
import type { CommittedEvent } from '../../src/rooms/input/observer.ts';
import type { LocalPeople } from '../../src/rooms/membership/member-rules.ts';
import { createRooms, type Rooms } from '../../src/rooms/rooms.ts';
import { checkConsistency } from '../../src/store/check.ts';
import type { DeviceNid, UserNid } from '../../src/store/nids.ts';
import type { Requester } from '../../src/users/login/requester.ts';
import { alone } from '../support/servers/alone.ts';
import { openTestStore, type TestStore } from '../support/store.ts';
import { nobodysDirectory } from '../support/stubs/nobody.ts';

/** Rooms on a fresh database, with people who exist: `await using world = openRoomWorld()`. */
export interface RoomWorld extends AsyncDisposable {
  readonly store: TestStore;
  readonly rooms: Rooms;
  /** Every accepted event, in the order of the commits, also of those that were rolled back. */
  readonly observed: CommittedEvent[];
  /** Called for each of them: what it throws undoes the transaction. */
  onEvent: (event: CommittedEvent) => void;
  readonly blocking: Set<UserId>;
  /** Whom each user ignores. */
  readonly ignored: Map<UserNid, Set<UserNid>>;
  /** A user with a device; the same name gives the same user, another device number another device. */
  person(
    name: string,
    options?: { device?: number; admin?: boolean; guest?: boolean; displayname?: string },
  ): Requester;
}

export const worldKey = new SigningKey(asKeyId('ed25519:a'), Buffer.alloc(32, 7));

export const defaults: CreateRoomOptions = {
  visibility: 'private',
  invite: [],
  isDirect: false,
  version: '12',
  creationContent: {},
  initialState: [],
  powerLevelOverride: {},
};

export function openRoomWorld(
  settings: Config['rooms'] = { defaultVersion: '12', publicDirectory: 'members' },
): RoomWorld {
  const store = openTestStore();
  const names = new Map<UserId, string | undefined>();
  const observed: CommittedEvent[] = [];
  const blocking = new Set<UserId>();
  const ignored = new Map<UserNid, Set<UserNid>>();
  const people: LocalPeople = {
    exists: (user) => names.has(user),
    profile: (user) => {
      const displayname = names.get(user);
      return displayname === undefined ? {} : { displayname };
    },
    isErased: () => false,
    ignored: (user) => ignored.get(user) ?? new Set(),
    blocksInvites: (user) => blocking.has(user),
  };
  const observers = new EventObservers();
  observers.add({
    follows: { live: 'all' },
    onEvent(event) {
      observed.push(event);
      world.onEvent(event);
    },
  });
  const rooms = createRooms({
    ...store,
    remoteDirectory: nobodysDirectory,
    ...alone({ ...store, key: worldKey }),
    signer: { serverName: asServerName('localhost'), key: worldKey },
    people,
    settings,
    observers,
  });
  const world: RoomWorld = {
    store,
    rooms,
    observed,
    onEvent: () => {},
    blocking,
    ignored,
    person(name, { device = 1, admin = false, guest = false, displayname } = {}) {
      const userId = asUserId(`@${name}:localhost`);
      if (!names.has(userId) || displayname !== undefined) names.set(userId, displayname);
      return {
        user: store.db.write(() => store.stores.interning.user(userId)),
        userId,
        device: device as DeviceNid,
        deviceId: `D${device}` as DeviceId,
        admin,
        guest,
        tokenHash: Buffer.alloc(32),
      };
    },
    async [Symbol.asyncDispose]() {
      // After whatever a test did, everything derived has to follow from the events.
      const problems = checkConsistency(store.db, asServerName('localhost'));
      await store[Symbol.asyncDispose]();
      assert.deepEqual(problems, []);
    },
  };
  return world;
}
