import { type App, createApp } from '../../src/api/app.ts';
import { pushRuleEndpoints } from '../../src/api/client/sync/push-rules.ts';
import { receiptEndpoints } from '../../src/api/client/sync/receipts.ts';
import { syncEndpoints } from '../../src/api/client/sync/sync.ts';
import { typingEndpoints } from '../../src/api/client/sync/typing.ts';
import type { Services } from '../../src/api/services.ts';
import { createE2ee } from '../../src/e2ee/create-e2ee.ts';
import { Presence } from '../../src/ephemeral/presence.ts';
import { Receipts } from '../../src/ephemeral/receipts.ts';
import { Typing } from '../../src/ephemeral/typing.ts';
import { TypingService } from '../../src/ephemeral/typing-service.ts';
import { unknownToken } from '../../src/protocol/errors.ts';
import { asKeyId } from '../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import type { DeviceId, UserId } from '../../src/protocol/ids/types.ts';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import { SigningKey } from '../../src/protocol/signing/keys.ts';
import { PushCounts } from '../../src/push/push-counts.ts';
import { PushRules } from '../../src/push/push-rules.ts';
import type { CreateRoomOptions } from '../../src/rooms/create/options.ts';
import { EventObservers } from '../../src/rooms/input/event-observers.ts';
import type { CommittedEvent } from '../../src/rooms/input/observer.ts';
import { createRooms, type Rooms } from '../../src/rooms/rooms.ts';
import type { DeviceNid } from '../../src/store/nids.ts';
import { createSync } from '../../src/sync/create-sync.ts';
import { AccountData } from '../../src/users/account-data.ts';
import { Filters } from '../../src/users/filters.ts';
import type { Requester } from '../../src/users/login/requester.ts';
import { silentLog } from '../../src/util/log.ts';
import { type Injected, type InjectOptions, inject } from '../support/clients/inject.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { alone } from '../support/servers/alone.ts';
import { openTestStore, type TestStore } from '../support/store.ts';
import { noFederation } from '../support/stubs/no-federation.ts';
import { nobodysDirectory } from '../support/stubs/nobody.ts';

/** Rooms, /sync and all that goes into it, on a fresh database: `await using world = openSyncWorld()`. */
export interface SyncWorld extends AsyncDisposable {
  readonly store: TestStore;
  readonly rooms: Rooms;
  readonly app: App;
  readonly services: Pick<Services, 'sync' | 'receipts' | 'typing' | 'pushRules' | 'filters'>;
  readonly accountData: AccountData;
  /** All accepted events in the order of the stream. */
  readonly committed: readonly CommittedEvent[];
  /** A user with a device; the same name gives the same user. */
  person(name: string, device?: number): Person;
}

/** Somebody who uses the API. */
export class Person {
  readonly requester: Requester;
  readonly #world: SyncWorld;
  #txn = 0;

  constructor(world: SyncWorld, requester: Requester) {
    this.#world = world;
    this.requester = requester;
  }

  get userId(): UserId {
    return this.requester.userId;
  }

  request(options: Omit<InjectOptions, 'token'>): Promise<Injected> {
    const token = `${this.userId} ${this.requester.device}`.replace(' ', '/');
    return inject(this.#world.app, { ...options, token });
  }

  /** Answers the parsed body of a /sync; throws on anything but 200. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every form
  async sync(query: Record<string, string> = {}): Promise<any> {
    const path = `/_matrix/client/v3/sync?${new URLSearchParams(query).toString()}`;
    const answer = await this.request({ path });
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
    return answer.json;
  }

  createRoom(options: Partial<CreateRoomOptions> = {}): Promise<string> {
    return this.#world.rooms.creation.createRoom(this.requester, { ...roomDefaults, ...options });
  }

  async join(room: string): Promise<void> {
    await this.#world.rooms.membership.join(this.requester, room);
  }

  async leave(room: string): Promise<void> {
    await this.#world.rooms.membership.leave(this.requester, room);
  }

  send(room: string, content: Record<string, unknown>, type = 'm.room.message'): Promise<string> {
    const draft = { type, content: content as never };
    return this.#world.rooms.sending.send(this.requester, room, draft, { txnId: `t${this.#txn++}` });
  }

  say(room: string, body: string, more: Record<string, unknown> = {}): Promise<string> {
    return this.send(room, { msgtype: 'm.text', body, ...more });
  }

  state(room: string, type: string, content: Record<string, unknown>, stateKey = ''): Promise<string> {
    const draft = { type, content: content as never, stateKey };
    return this.#world.rooms.sending.sendState(this.requester, room, draft);
  }

  read(room: string, eventId: string, type = 'm.read', body: Record<string, unknown> = {}): Promise<Injected> {
    const encoded = [room, type, eventId].map(encodeURIComponent);
    const path = `/_matrix/client/v3/rooms/${encoded[0]}/receipt/${encoded[1]}/${encoded[2]}`;
    return this.request({ method: 'POST', path, body });
  }

  typing(room: string, typing: boolean, timeout?: number): Promise<Injected> {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/typing/${encodeURIComponent(this.userId)}`;
    return this.request({ method: 'PUT', path, body: { typing, timeout } });
  }
}

export const roomDefaults: CreateRoomOptions = {
  visibility: 'private',
  preset: 'public_chat',
  invite: [],
  isDirect: false,
  version: '12',
  creationContent: {},
  initialState: [],
  powerLevelOverride: {},
};

export function openSyncWorld(options: Parameters<typeof openTestStore>[0] = {}): SyncWorld {
  const store = openTestStore(options);
  const { stores, db, streams, clock } = store;
  const names = new Set<UserId>();
  const committed: CommittedEvent[] = [];
  const observers = new EventObservers();
  observers.add({ follows: { live: 'all' }, onEvent: (event) => committed.push(event) });
  const key = new SigningKey(asKeyId('ed25519:a'), Buffer.alloc(32, 7));
  const rooms = createRooms({
    ...store,
    remoteDirectory: nobodysDirectory,
    ...alone({ ...store, key }),
    signer: { serverName: asServerName('localhost'), key },
    people: {
      exists: (user) => names.has(user),
      profile: () => ({}),
      blocksInvites: () => false,
      isErased: () => false,
      ignored: () => new Set(),
    },
    settings: { defaultVersion: '12', publicDirectory: 'members' },
    observers,
  });
  const base = { ...stores, ...store, knownRooms: rooms.known };
  const accountData = new AccountData({ ...base, store: stores.accountData });
  const pushRules = new PushRules({ ...base, accountData });
  accountData.observe(pushRules);
  const memoryTyping = new Typing(streams, clock);
  const presence = new Presence({ ...base, serverName: asServerName('localhost'), enabled: false, exists: () => true });
  const typing = new TypingService({ ...base, typing: memoryTyping });
  observers.add(new PushCounts({ ...base, ...rooms, rules: pushRules }), typing);
  const services = {
    pushRules,
    typing,
    presence,
    filters: new Filters({ db, store: stores.filters }),
    receipts: new Receipts({ ...base, accountData, visibility: rooms.visibility }),
    ...createSync({
      ...base,
      reading: rooms.reading,
      messages: rooms.messages,
      accountDataStore: stores.accountData,
      visibility: rooms.visibility,
      clientEvents: rooms.clientEvents,
      bundles: rooms.bundles,
      pushRules,
      people: { blocksInvites: () => false },
      partialState: rooms.partialState,
      citedMembers: rooms.citedMembers,
      typing: memoryTyping,
      presence,
      e2ee: createE2ee({
        db,
        streams,
        clock,
        random: new SeededRandom(),
        log: silentLog,
        stores,
        serverName: asServerName('localhost'),
        federation: noFederation,
      }),
    }),
  };
  const known = services as unknown as Services;
  const endpoints = [syncEndpoints, receiptEndpoints, typingEndpoints, pushRuleEndpoints].flatMap((make) =>
    make(known),
  );
  const requesters = new Map<string, Requester>();
  const app = createApp(endpoints, {
    gate: {
      authenticate(token) {
        const requester = requesters.get(token);
        if (requester === undefined) throw unknownToken();
        return requester;
      },
    },
    log: silentLog,
    random: store.random,
  });
  const world: SyncWorld = {
    store,
    rooms,
    app,
    services,
    accountData,
    committed,
    person(name, device = 1) {
      const userId = asUserId(`@${name}:localhost`);
      names.add(userId);
      const requester: Requester = {
        user: db.write(() => stores.interning.user(userId)),
        userId,
        device: device as DeviceNid,
        deviceId: `D${device}` as DeviceId,
        admin: false,
        guest: false,
        tokenHash: Buffer.alloc(32),
      };
      requesters.set(`${userId}/${device}`, requester);
      return new Person(world, requester);
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
  return world;
}
