import { mock } from 'node:test';
import {
  ClientEvent,
  createClient,
  type ICreateClientOpts,
  type IStartClientOpts,
  type MatrixClient,
  type MatrixEvent,
  type Room,
  RoomEvent,
  SyncState,
} from 'matrix-js-sdk';
import type { Logger } from 'matrix-js-sdk/lib/logger.js';

const quiet: Logger = {
  trace: () => {},
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  getChild: () => quiet,
};

/** Keeps what the SDK says outside of its clients' own logger off the console, until the returned function is called. */
export function muteSdk(): () => void {
  const methods = (['trace', 'debug', 'info', 'warn', 'error', 'log'] as const).map((name) =>
    mock.method(console, name, () => {}),
  );
  return () => {
    for (const { mock: muted } of methods) muted.restore();
  };
}

export interface SdkAccount {
  readonly userId: string;
  readonly accessToken: string;
  readonly deviceId: string;
}

/** Signs up with the client's own interactive flow and answers the account. */
export async function registerWithSdk(baseUrl: string, username: string, password: string): Promise<SdkAccount> {
  const client = createClient({ baseUrl, logger: quiet });
  const session = await client.register(username, password, null, { type: 'm.login.dummy' });
  return {
    userId: session.user_id,
    accessToken: session.access_token as string,
    deviceId: session.device_id as string,
  };
}

/** Logs in with a password and answers the new session. */
export async function loginWithSdk(baseUrl: string, user: string, password: string): Promise<SdkAccount> {
  const session = await createClient({ baseUrl, logger: quiet }).loginRequest({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user },
    password,
  });
  return { userId: session.user_id, accessToken: session.access_token, deviceId: session.device_id };
}

/** A client that syncs; resolves when its first sync is through. */
export async function startSdk(
  baseUrl: string,
  account: SdkAccount,
  options: IStartClientOpts = {},
): Promise<MatrixClient> {
  return started(newClient(baseUrl, account, {}), options);
}

/** A client with Rust crypto; it keeps its keys in memory. */
export interface EncryptedClient {
  readonly client: MatrixClient;
  readonly account: SdkAccount;
  /** What opens the user's secret storage. */
  secretKey: Uint8Array | undefined;
}

/** The same with end-to-end encryption. */
export async function startEncrypted(baseUrl: string, account: SdkAccount): Promise<EncryptedClient> {
  const kept = new Map<string, Uint8Array>();
  const client = newClient(baseUrl, account, {
    cryptoCallbacks: {
      getSecretStorageKey: ({ keys }) => {
        const [id] = Object.keys(keys);
        const key = id === undefined ? undefined : (opened.secretKey ?? kept.get(id));
        return Promise.resolve(id !== undefined && key !== undefined ? [id, new Uint8Array(key)] : null);
      },
      cacheSecretStorageKey: (id, _info, key) => kept.set(id, key),
    },
  });
  const opened: EncryptedClient = { client, account, secretKey: undefined };
  await client.initRustCrypto({ useIndexedDB: false });
  await started(client);
  return opened;
}

function newClient(baseUrl: string, account: SdkAccount, more: Partial<ICreateClientOpts>): MatrixClient {
  return createClient({
    baseUrl,
    userId: account.userId,
    accessToken: account.accessToken,
    deviceId: account.deviceId,
    timelineSupport: true,
    logger: quiet,
    ...more,
  });
}

async function started(client: MatrixClient, options: IStartClientOpts = {}): Promise<MatrixClient> {
  const prepared = new Promise<void>((done, failed) => {
    client.on(ClientEvent.Sync, (state, _previous, data) => {
      if (state === SyncState.Prepared) done();
      if (state === SyncState.Error) failed(data?.error ?? new Error('sync failed'));
    });
  });
  await client.startClient({ initialSyncLimit: 20, lazyLoadMembers: true, pollTimeout: 10_000, ...options });
  await prepared;
  return client;
}

const patience = 8_000;

/** Resolves with the first value that `look` finds, now or after one of the client's events. */
export function until<T>(client: MatrixClient, what: string, look: () => T | undefined | false): Promise<T> {
  const events = [
    ClientEvent.Sync,
    ClientEvent.Room,
    ClientEvent.AccountData,
    ClientEvent.Event,
    RoomEvent.Timeline,
    RoomEvent.Receipt,
    RoomEvent.MyMembership,
    'RoomMember.typing',
    'RoomMember.membership',
    'RoomState.events',
    'Event.decrypted',
  ];
  return new Promise((done, failed) => {
    const emitter = client as unknown as {
      on(name: string, listener: () => void): void;
      off(name: string, listener: () => void): void;
    };
    const stop = (): void => {
      clearTimeout(timer);
      clearInterval(looking);
      for (const name of events) emitter.off(name, check);
    };
    const check = (): void => {
      const found = look();
      if (found === undefined || found === false) return;
      stop();
      done(found);
    };
    // What the SDK works out after a fetch of its own is not always told by an event.
    const looking = setInterval(() => check(), 50);
    const timer = setTimeout(() => {
      stop();
      failed(new Error(`never seen by ${client.getUserId()}: ${what}`));
    }, patience);
    for (const name of events) emitter.on(name, check);
    check();
  });
}

/** The event with that ID in the client's own timeline of the room. */
export function untilEvent(client: MatrixClient, roomId: string, eventId: string): Promise<MatrixEvent> {
  return until(client, `event ${eventId}`, () => client.getRoom(roomId)?.findEventById(eventId));
}

/** The event with that ID when the client can read it. */
export function untilDecrypted(client: MatrixClient, roomId: string, eventId: string): Promise<MatrixEvent> {
  return until(client, `event ${eventId} decrypted`, () => {
    const event = client.getRoom(roomId)?.findEventById(eventId);
    return event !== undefined && event.getClearContent() !== null && !event.isDecryptionFailure() ? event : undefined;
  });
}

export function untilRoom(client: MatrixClient, roomId: string, membership: string): Promise<Room> {
  return until(client, `${membership} of ${roomId}`, () => {
    const room = client.getRoom(roomId);
    return room !== null && room.getMyMembership() === membership ? room : undefined;
  });
}
