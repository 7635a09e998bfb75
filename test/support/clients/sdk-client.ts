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
import {
  type CryptoApi,
  CryptoEvent,
  type ShowSasCallbacks,
  VerificationPhase,
  type VerificationRequest,
  VerificationRequestEvent,
  type Verifier,
  VerifierEvent,
} from 'matrix-js-sdk/lib/crypto-api/index.js';
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
  return startSyncing(newClient(baseUrl, account, {}), options);
}

/** A client with Rust crypto; it keeps its keys in memory. */
export interface EncryptedClient {
  readonly client: MatrixClient;
  readonly account: SdkAccount;
  /** What opens the user's secret storage. */
  secretKey: Uint8Array | undefined;
  readonly line: Line;
}

/** The way of a client to its server, which may be cut. */
class Line {
  #cut = new AbortController();

  cut(): void {
    this.#cut.abort();
  }

  mend(): void {
    this.#cut = new AbortController();
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const { signal } = this.#cut;
    const given = init?.signal ?? undefined;
    const signals = given === undefined ? [signal] : [signal, given];
    try {
      return await fetch(input, { ...init, signal: AbortSignal.any(signals) });
    } catch (problem) {
      throw signal.aborted ? new TypeError('fetch failed') : problem;
    }
  };
}

/** The same with end-to-end encryption. */
export async function startEncrypted(baseUrl: string, account: SdkAccount): Promise<EncryptedClient> {
  const kept = new Map<string, Uint8Array>();
  const line = new Line();
  const client = newClient(baseUrl, account, {
    fetchFn: line.fetch,
    cryptoCallbacks: {
      getSecretStorageKey: ({ keys }) => {
        const [id] = Object.keys(keys);
        const key = id === undefined ? undefined : (opened.secretKey ?? kept.get(id));
        return Promise.resolve(id !== undefined && key !== undefined ? [id, new Uint8Array(key)] : null);
      },
      cacheSecretStorageKey: (id, _info, key) => kept.set(id, key),
    },
  });
  const opened: EncryptedClient = { client, account, secretKey: undefined, line };
  await client.initRustCrypto({ useIndexedDB: false });
  await startSyncing(client);
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

async function startSyncing(client: MatrixClient, options: IStartClientOpts = {}): Promise<MatrixClient> {
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

/** Servers in processes of their own may share a busy machine with other tests. */
const patience = 20_000;

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
      failed(new Error(`never seen by ${client.getUserId()} ${client.getDeviceId()}: ${what}`));
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

/** Asks again and again; for what the SDK tells by no event. */
export async function eventually(what: string, look: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + patience; performance.now() < end; ) {
    if (await look()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`never seen: ${what}`);
}

/**
 * Lets two clients compare emoji and confirm them, as two people (or one with two devices) do.
 * @param begin how the first asks for it, e.g. by `requestOwnUserVerification`.
 */
export async function verifyByEmoji(
  asking: MatrixClient,
  asked: MatrixClient,
  begin: (crypto: CryptoApi) => Promise<VerificationRequest>,
): Promise<void> {
  const received = new Promise<VerificationRequest>((done) => {
    asked.once(CryptoEvent.VerificationRequestReceived, done);
  });
  const crypto = asking.getCrypto();
  if (crypto === undefined) throw new Error('this client has no crypto');
  const request = await begin(crypto);
  const theirs = await within('the request to verify', received);
  await theirs.accept();
  await within('both to be ready', untilPhase(request, VerificationPhase.Ready));
  const seen: string[] = [];
  const compare = async (verifier: Verifier): Promise<void> => {
    const shown = new Promise<ShowSasCallbacks>((done) => {
      const now = verifier.getShowSasCallbacks();
      if (now !== null) done(now);
      else verifier.once(VerifierEvent.ShowSas, done);
    });
    const verified = verifier.verify();
    const callbacks = await Promise.race([shown, verified.then(() => undefined)]);
    if (callbacks === undefined) throw new Error('verified without emoji');
    seen.push((callbacks.sas.emoji ?? []).map(([emoji]) => emoji).join(' '));
    await callbacks.confirm();
    await verified;
  };
  const first = compare(await request.startVerification('m.sas.v1'));
  await within('the other to see the start', untilPhase(theirs, VerificationPhase.Started));
  if (theirs.verifier === undefined) throw new Error('nothing to verify');
  await within('emoji to be confirmed', Promise.all([first, compare(theirs.verifier)]));
  if (seen.length !== 2 || seen[0] === '' || seen[0] !== seen[1]) throw new Error(`unlike: ${seen.join(' / ')}`);
  await within('both to be done', Promise.all([request, theirs].map((one) => untilPhase(one, VerificationPhase.Done))));
}

function untilPhase(request: VerificationRequest, phase: VerificationPhase): Promise<void> {
  return new Promise((done, failed) => {
    const look = (): void => {
      if (request.phase === VerificationPhase.Cancelled) failed(new Error(`called off: ${request.cancellationCode}`));
      else if (request.phase >= phase) done();
      else return;
      request.off(VerificationRequestEvent.Change, look);
    };
    request.on(VerificationRequestEvent.Change, look);
    look();
  });
}

async function within<T>(what: string, awaited: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_done, failed) => {
    timer = setTimeout(() => failed(new Error(`never seen: ${what}`)), patience);
  });
  return Promise.race([awaited, late]).finally(() => clearTimeout(timer));
}
