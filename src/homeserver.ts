import { join } from 'node:path';
import { ServerBackups } from './admin/server-backups.ts';
import type { AdminServices } from './admin/services.ts';
import { SigningKeys } from './admin/signing-keys.ts';
import { type App, createApp } from './api/app.ts';
import { clientEndpoints } from './api/client/index.ts';
import { federationEndpoints } from './api/federation/index.ts';
import { BodyBudget } from './api/http/body-budget.ts';
import { ClientAddress } from './api/http/client-address.ts';
import { RateLimits } from './api/http/rate-limits.ts';
import type { Gate } from './api/http/types.ts';
import type { Services } from './api/services.ts';
import { wellKnownEndpoints } from './api/well-known/endpoints.ts';
import { readCertificateFiles } from './config/certificate-files.ts';
import type { Config } from './config/config.ts';
import { configFileText } from './config/render.ts';
import { createDirectory } from './directory/create-directory.ts';
import { UserDirectory } from './directory/user-directory.ts';
import { createE2ee } from './e2ee/create-e2ee.ts';
import { Presence } from './ephemeral/presence.ts';
import { PresenceEdus } from './ephemeral/presence-edus.ts';
import { ReceiptEdus } from './ephemeral/receipt-edus.ts';
import { Receipts } from './ephemeral/receipts.ts';
import { ephemeralEdus } from './ephemeral/remote-edus.ts';
import { RemoteReceipts } from './ephemeral/remote-receipts.ts';
import { Typing } from './ephemeral/typing.ts';
import { sendTyping } from './ephemeral/typing-edus.ts';
import { TypingService } from './ephemeral/typing-service.ts';
import { createFederation } from './federation/create-federation.ts';
import { HttpsTransport } from './federation/https-transport.ts';
import { createOutbox } from './federation/queue/create-outbox.ts';
import { RemoteDirectory } from './federation/remote-directory.ts';
import type { Transport } from './federation/transport.ts';
import { Background } from './jobs/background.ts';
import { backgroundTasks } from './jobs/tasks.ts';
import { AfterRestore } from './lifecycle/after-restore.ts';
import { CatchUpRooms } from './lifecycle/catch-up-rooms.ts';
import { createLifecycle } from './lifecycle/lifecycle.ts';
import { UserRooms } from './lifecycle/user-rooms.ts';
import { createMedia } from './media/create-media.ts';
import { AddressRanges } from './outbound/address-ranges.ts';
import { OutboundHttp } from './outbound/outbound-http.ts';
import { type Dns, systemDns } from './outbound/resolve-dns.ts';
import { createPush } from './push/create-push.ts';
import { PushCounts } from './push/push-counts.ts';
import { PushRules } from './push/push-rules.ts';
import { createBackfill } from './rooms/backfill/create-backfill.ts';
import { DelayedEvents } from './rooms/delayed-events.ts';
import type { EventObserver } from './rooms/observer.ts';
import { CatchUp } from './rooms/receive/catch-up.ts';
import { createReceiving, type Receiving } from './rooms/receive/create-receiving.ts';
import type { EduHandler } from './rooms/receive/transactions.ts';
import { createServing } from './rooms/remote/serve/create-serving.ts';
import { Reports } from './rooms/reports.ts';
import { createRooms } from './rooms/rooms.ts';
import { createSearch } from './search/create-search.ts';
import { DatabaseMeter } from './store/database-sizes.ts';
import { Database } from './store/db.ts';
import type { SyncCalls } from './store/durability/wal-sync.ts';
import { SigningKeyFile } from './store/signing-key-file.ts';
import { SpoolFolder } from './store/spool/spool-folder.ts';
import { openStores, type Stores } from './store/stores.ts';
import { Sweep } from './store/sweep.ts';
import { Notifier } from './streams/notifier.ts';
import { Streams } from './streams/streams.ts';
import { createSync } from './sync/create-sync.ts';
import type { DeviceObserver } from './users/devices.ts';
import type { PasswordCost } from './users/password-hash.ts';
import { RemoteProfiles } from './users/remote-profiles.ts';
import { createUsers } from './users/users.ts';
import { type Clock, systemClock } from './util/clock.ts';
import { type Log, silentLog } from './util/log.ts';
import { type Random, systemRandom } from './util/random.ts';
import { WorkerPool } from './workers/worker-pool.ts';

/** All of the outside world that the server touches by itself; what a test may replace. */
export interface Externals {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Looks host names up. */
  readonly dns: Dns;
  /** Carries calls to other servers; a network of its own for tests. */
  readonly transport?: Transport;
  /** A cheaper password hash, for tests that make many accounts. */
  readonly passwordCost?: PasswordCost;
  /** Called when the disk refuses to make changes safe: no answer can be given any more, the process should end. */
  readonly onFatal?: (error: Error) => void;
  /** A disk that refuses. */
  readonly syncCalls?: SyncCalls;
}

/** A server without ports: `app` answers requests, `admin` runs the admin's operations. */
export interface Homeserver extends AsyncDisposable {
  readonly app: App;
  readonly clients: ClientAddress;
  readonly admin: AdminServices;
  readonly services: Services;
  readonly db: Database;
  readonly stores: Stores;
  readonly streams: Streams;
}

/**
 * Opens the data folder of a configuration and wires everything, bottom-up. The caller holds the folder's process lock
 * and disposes of the server before it lets that go.
 */
export async function createHomeserver(config: Config, externals: Partial<Externals> = {}): Promise<Homeserver> {
  const { clock = systemClock, random = systemRandom, log = silentLog, passwordCost, onFatal, syncCalls } = externals;
  const { serverName, dataDir } = config;
  const db = Database.open({
    file: join(dataDir, 'hearth.db'),
    cacheKib: pageCacheKib(config),
    clock,
    log,
    ...(onFatal === undefined ? {} : { onFatal }),
    ...(syncCalls === undefined ? {} : { syncCalls }),
  });
  const workers = new WorkerPool({ clock, log });
  db.useCheckpointer((file) => workers.run('checkpoint', file));
  const stores = openStores(db, serverName);
  const notifier = new Notifier({ localUsers: stores.localUsers, clock });
  const streams = new Streams({ db, positions: stores.positions, notifier, log });
  const signingKeyFile = new SigningKeyFile(dataDir);
  const signingKeys = new SigningKeys({
    db,
    store: stores.serverKeys,
    file: signingKeyFile,
    clock,
    random,
  });
  // Read at each use: the key changes with a rotation.
  const signer = {
    serverName,
    get key() {
      return signingKeys.current;
    },
  };
  const dns = externals.dns ?? systemDns();
  const ranges = new AddressRanges(config.network.allowIpRanges);
  const authorities = readCertificateFiles(config.federation.customCaFiles);
  const https = new HttpsTransport({ ...stores, db, clock, random, log, dns, ranges, config, authorities });
  const transport = externals.transport ?? https;
  const federation = createFederation({ db, stores, clock, random, log, config, signer, transport });
  const remoteDirectory = new RemoteDirectory(federation.client);
  const base = {
    ...stores,
    stores,
    db,
    streams,
    notifier,
    clock,
    random,
    log,
    serverName,
    federation,
    remoteDirectory,
  };

  const { mode, sharedSecret, terms } = config.registration;
  const userDirectory = new UserDirectory({ ...stores, serverName });
  const e2ee = createE2ee(base);
  const deviceObservers: DeviceObserver[] = [e2ee.keys];
  const users = createUsers({
    ...base,
    peopleObservers: [userDirectory],
    deviceObservers,
    registration: { mode, sharedSecret, terms },
    ...(passwordCost === undefined ? {} : { passwordCost }),
  });
  const observers: EventObserver[] = [];
  const rooms = createRooms({
    ...base,
    signer,
    people: users.people,
    settings: config.rooms,
    observers,
    spools: new SpoolFolder(dataDir),
    receiver: () => receiving.receiver,
  });
  const eduHandlers = new Map<string, EduHandler>(e2ee.remote.eduHandlers);
  const receiving: Receiving = createReceiving({ ...base, rooms, eduHandlers });
  const shared = {
    ...base,
    ...rooms,
    accountData: users.accountData,
    accountDataStore: stores.accountData,
    knownRooms: rooms.known,
    memberships: rooms.membership,
  };
  const directory = createDirectory({ ...shared, userDirectory, crawlSettings: config.federationDirectory });
  const pushRules = new PushRules(shared);
  users.accountData.observe(pushRules);
  users.accountData.provideDefault('m.push_rules', (user) => pushRules.content(user));
  const typing = new Typing(streams, clock);
  const presence = new Presence({
    ...base,
    enabled: config.presence.enabled,
    exists: (userId) => users.accounts.isTaken(userId),
  });
  const typingService = new TypingService({ ...shared, typing });
  const pushCounts = new PushCounts({ ...shared, rules: pushRules });
  observers.push(pushCounts, typingService, presence);
  const remoteReceipts = new RemoteReceipts(shared);
  for (const [type, handler] of ephemeralEdus({ ...shared, typing, presence, remoteReceipts })) {
    eduHandlers.set(type, handler);
  }
  const outbox = createOutbox({ ...base, config });
  observers.push(outbox.events);
  for (const source of e2ee.remote.sources) outbox.addSource(source);
  outbox.addSource(new ReceiptEdus(shared));
  outbox.addSource(new PresenceEdus({ ...shared, presence }));
  sendTyping({ ...base, typing, send: (room, edu) => outbox.ephemeral(room, edu) });
  const outbound = new OutboundHttp({
    ranges,
    resolveDns: dns.addresses,
    clock,
  });
  const push = createPush({ ...shared, config, outbound });
  deviceObservers.push(push.pushers);
  observers.push(directory.openRooms);
  const { search, searchIndex } = createSearch({ ...shared, people: users.people, enabled: config.search.enabled });
  const history = createBackfill({
    ...base,
    rooms,
    client: federation.client,
    verifier: receiving.verifier,
    observers: searchIndex === undefined ? [] : [searchIndex],
  });
  const catchUp = new CatchUp({ ...shared, ...receiving, ...history });
  const lifecycle = createLifecycle({ db, streams, clock, stores, users, e2ee, rooms: new UserRooms(shared) });
  await lifecycle.deactivation.resume();
  new AfterRestore({ ...base, ...e2ee }).run();
  const mediaServices = createMedia({ ...base, workers, config, outbound, client: federation.client });
  const { media, thumbnails } = mediaServices;

  const delayedEvents = new DelayedEvents({
    ...base,
    store: stores.delayedEvents,
    rooms: rooms.known,
    sending: rooms.sending,
    maxDelay: config.delayedEvents.maxDelay,
    senderOf: (user) => users.people.asSender(user),
  });
  observers.push(delayedEvents);
  delayedEvents.start();
  const reports = new Reports({
    ...base,
    store: stores.reports,
    rooms: rooms.known,
    reading: rooms.reading,
    exists: (userId) => users.accounts.isTaken(userId),
  });
  const serving = createServing({
    ...base,
    rooms,
    signer,
    people: users.people,
    receiving,
    inviteObservers: [pushCounts],
  });
  const services: Services = {
    ...users,
    ...lifecycle,
    federation,
    serving,
    wellKnown: config.wellKnown,
    remoteProfiles: new RemoteProfiles({ client: federation.client, clock }),
    server: { serverName, publicUrl: config.publicUrl, defaultRoomVersion: config.rooms.defaultVersion },
    turn: config.turn,
    clock,
    ...history,
    rooms,
    receiving,
    reports,
    delayedEvents,
    directory,
    search,
    e2ee,
    sync: createSync({ ...shared, pushRules, people: users.people, typing, presence, e2ee }),
    receipts: new Receipts(shared),
    typing: typingService,
    presence,
    pushRules,
    pushers: push.pushers,
    notifications: push.notifications,
    media,
    thumbnails,
  };
  const limits = new RateLimits(config.rateLimits, clock);
  const gate: Gate = {
    authenticate: (token, sighting) => users.tokens.authenticate(token, sighting),
    admit: (action, ip, requester) => limits.admit(action, ip, requester),
    servers: {
      bodies: new BodyBudget(clock),
      begin: (header, admit) => federation.requestAuth.begin(header, admit),
      verify: (header, request) => federation.requestAuth.verify(header, request),
      admit: (action, origin) => limits.admitServer(action, origin),
    },
  };
  const app = createApp(
    [...clientEndpoints(services), ...federationEndpoints(services), ...wellKnownEndpoints(services)],
    {
      gate,
      log: log.child('http'),
      random,
    },
  );
  const sweep = new Sweep(db, stores.interning, { clock, serverName });
  const background = new Background(
    backgroundTasks({
      catchUpRooms: new CatchUpRooms({ ...shared, catchUp }),
      db,
      stores,
      sweep,
      media,
      mediaPruning: mediaServices.pruning,
      clock,
      uia: users.uia,
      e2ee,
      searchIndex,
      federation,
      rooms,
    }),
    {
      clock,
      log,
    },
  );
  const backups = new ServerBackups({
    ...base,
    workers,
    dataDir,
    settings: config.backup,
    configText: configFileText(config),
    signingKey: signingKeyFile,
    media: mediaServices,
  });
  backups.start();
  receiving.receiver.start();
  push.delivery.start();
  if (federation.enabled) directory.crawl.start();
  e2ee.remote.resyncs.start();
  outbox.start();
  return {
    app,
    clients: new ClientAddress(config.network.trustedProxies),
    admin: {
      serverName,
      accounts: lifecycle.accountAdministration,
      registrationTokens: users.registrationTokens,
      reports,
      signingKeys,
      database: new DatabaseMeter(db),
      backups,
    },
    services,
    db,
    stores,
    streams,
    async [Symbol.asyncDispose]() {
      await rooms.remote.stop();
      await outbox.stop();
      await receiving.receiver.stop();
      await push.delivery.stop(() => outbound.close());
      await e2ee.remote.resyncs.stop();
      await delayedEvents.stop();
      await directory.crawl.stop();
      await background.stop();
      await backups.stop();
      sweep.stop();
      https.close();
      mediaServices.closeMedia();
      try {
        await db.close();
      } finally {
        await workers.close();
      }
    },
  };
}

/** SQLite's page cache: a thirty-second of the budget, between what a small query needs and what still gains anything. */
function pageCacheKib({ memory }: Config): number {
  return Math.min(8192, Math.max(2048, (memory.budgetMb * 1024) / 32));
}
