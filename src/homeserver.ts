import { join } from 'node:path';
import { RoomCosts } from './admin/room-costs.ts';
import { ServerBackups } from './admin/server-backups.ts';
import type { AdminServices } from './admin/services.ts';
import { type App, createApp } from './api/app.ts';
import { clientEndpoints } from './api/client/index.ts';
import { federationEndpoints } from './api/federation/index.ts';
import { ClientAddress } from './api/http/client-address.ts';
import { RateLimits } from './api/http/rate-limits.ts';
import { StrangersTurns } from './api/http/strangers-turns.ts';
import { metricsEndpoint } from './api/metrics.ts';
import type { Services } from './api/services.ts';
import { wellKnownEndpoints } from './api/well-known/endpoints.ts';
import { adminContact } from './config/admin-contact.ts';
import type { Config } from './config/config.ts';
import { configFileText } from './config/render.ts';
import { createDirectory } from './directory/create-directory.ts';
import { UserDirectory } from './directory/user-directory.ts';
import { createE2ee } from './e2ee/create-e2ee.ts';
import { createEphemeral } from './ephemeral/create-ephemeral.ts';
import { createOutbox } from './federation/queue/create-outbox.ts';
import type { Externals } from './homeserver/externals.ts';
import { layFoundation } from './homeserver/foundation.ts';
import { createGate } from './homeserver/gate.ts';
import { Metrics } from './homeserver/metrics.ts';
import { Settings } from './homeserver/settings.ts';
import { endAll } from './homeserver/shutdown.ts';
import { Background } from './jobs/background.ts';
import { backgroundTasks } from './jobs/tasks.ts';
import { AfterRestore } from './lifecycle/after-restore.ts';
import { CatchUpRooms } from './lifecycle/catch-up-rooms.ts';
import { GuestRooms } from './lifecycle/guest-rooms.ts';
import { createLifecycle } from './lifecycle/lifecycle.ts';
import { ServerNotices } from './lifecycle/server-notices.ts';
import { SuccessorRooms } from './lifecycle/successor-rooms.ts';
import { UserRooms } from './lifecycle/user-rooms.ts';
import { createMedia } from './media/create-media.ts';
import { Mailer } from './outbound/mailer.ts';
import type { RoomId, UserId } from './protocol/ids/types.ts';
import { createPush } from './push/create-push.ts';
import { PushCounts } from './push/push-counts.ts';
import { PushRules } from './push/push-rules.ts';
import { createBackfill } from './rooms/backfill/create-backfill.ts';
import { EventObservers } from './rooms/input/event-observers.ts';
import { Ledger } from './rooms/ledger/ledger.ts';
import { CatchUp } from './rooms/receive/catch-up.ts';
import { createReceiving, type Receiving } from './rooms/receive/create-receiving.ts';
import type { EduHandler } from './rooms/receive/transactions.ts';
import { createServing } from './rooms/remote/serve/create-serving.ts';
import { Reports } from './rooms/reports.ts';
import { createRooms } from './rooms/rooms.ts';
import { DelayedEvents } from './rooms/send/delayed-events.ts';
import { createSearch } from './search/create-search.ts';
import { DatabaseMeter } from './store/database-sizes.ts';
import type { Database } from './store/db.ts';
import { SpoolFolder } from './store/spool/spool-folder.ts';
import type { Stores } from './store/stores.ts';
import { Sweep } from './store/sweep.ts';
import type { Streams } from './streams/streams.ts';
import { createSync } from './sync/create-sync.ts';
import type { DeviceObserver } from './users/devices.ts';
import { IdentityServers } from './users/identity/identity-servers.ts';
import type { MailAddressObserver } from './users/mail/mail-addresses.ts';
import { RemoteProfiles } from './users/profiles/remote-profiles.ts';
import { createUsers } from './users/users.ts';

/** A server without ports: `app` answers requests, `admin` runs the admin's operations. */
export interface Homeserver extends AsyncDisposable {
  readonly app: App;
  /** Answers `/metrics`, if the configuration wants it: on a listener of its own. */
  readonly metricsApp: App | undefined;
  readonly clients: ClientAddress;
  readonly settings: Settings;
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
  const { base, clock, workers, outbound, signingKeys, signingKeyFile, ...foundation } = layFoundation(
    config,
    externals,
  );
  const { db, stores, streams, random, log, serverName, federation } = base;

  // People and their devices.
  const userDirectory = new UserDirectory(base);
  const e2ee = createE2ee(base);
  const deviceObservers: DeviceObserver[] = [e2ee.keys];
  const { passwordCost } = externals;
  const mailer = new Mailer(config.smtp, clock);
  const mailAddressObservers: MailAddressObserver[] = [];
  const identityServers = new IdentityServers({ ...base, http: outbound });
  const users = createUsers({
    ...base,
    identityServers,
    mailer,
    publicUrl: config.publicUrl,
    mailAddressObservers,
    peopleObservers: [userDirectory],
    deviceObservers,
    registration: config.registration,
    ...(passwordCost === undefined ? {} : { passwordCost }),
  });
  const { people } = users;
  const isTaken = (userId: UserId) => users.accounts.isTaken(userId);

  const databaseFile = join(config.dataDir, 'hearth.db');

  // Rooms, and what other servers send about them. Observers are told of each event inside its transaction.
  const observers = new EventObservers();
  const rooms = createRooms({
    ...base,
    identityServers,
    people,
    settings: config.rooms,
    limitSettings: config.limits.room,
    purgeSettings: config.purge,
    adminContact: adminContact(config),
    observers,
    spools: new SpoolFolder(config.dataDir),
    workers,
    databaseFile,
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

  // What is told to people and to other servers.
  const pushRules = new PushRules(shared);
  users.accountData.observe(pushRules);
  users.accountData.provideDefault('m.push_rules', (user) => pushRules.content(user));
  const pushCounts = new PushCounts({ ...shared, rules: pushRules });
  const push = createPush({ ...shared, config, outbound, mailer, mailAddresses: users.mailAddresses });
  mailAddressObservers.push(push.pushers);
  deviceObservers.push(push.pushers);
  const ephemeral = createEphemeral({ ...shared, enabled: config.presence.enabled, exists: isTaken });
  const { typing, typingService, presence, receipts, movedReceipts } = ephemeral;
  for (const [type, handler] of ephemeral.eduHandlers) eduHandlers.set(type, handler);
  const outbox = createOutbox({ ...base, config });
  for (const source of e2ee.remote.sources) outbox.addSource(source);
  ephemeral.tell(outbox);
  observers.add(pushCounts, typingService, presence, outbox.events, directory.openRooms, movedReceipts);

  // The past, and what is looked for in it.
  const { search, searchIndex } = createSearch({ ...shared, people, enabled: config.search.enabled });
  if (searchIndex !== undefined) observers.add(searchIndex);
  const history = createBackfill({
    ...base,
    rooms,
    client: federation.client,
    verifier: receiving.verifier,
    maxAge: config.purge.historyMaxAge,
  });
  const catchUp = new CatchUp({ ...shared, ...receiving, ...history });

  const guestRooms = new GuestRooms({
    ...shared,
    accounts: stores.accounts,
    asSender: (user) => people.asSender(user),
  });
  observers.add(guestRooms, new SuccessorRooms({ ...shared, pushRules }));
  const userRooms = new UserRooms(shared);
  const leave = (roomId: RoomId) => userRooms.leaveRoom(roomId);
  const measure = (request: { top: number }) => workers.run('ledger', { file: databaseFile, ...request });
  const notices = new ServerNotices({ ...base, rooms, users, settings: config.serverNotices });
  const ledger = new Ledger({ ...shared, measure, leave, tellAdmins: (text) => notices.toAdmins(text) });
  observers.add(ledger, rooms.filling);
  const lifecycle = createLifecycle({ ...base, users, e2ee, rooms: userRooms });
  if (clock.isRight) await lifecycle.deactivation.resume();
  else
    clock.whenRight(
      () => void lifecycle.deactivation.resume().catch((cause) => log.error('deactivation.failed', { cause })),
    );
  new AfterRestore({ ...base, ...e2ee }).run();

  const mediaServices = createMedia({ ...base, workers, config, outbound, client: federation.client });
  const { media, thumbnails } = mediaServices;
  const delayedEvents = new DelayedEvents({
    ...base,
    store: stores.delayedEvents,
    rooms: rooms.known,
    sending: rooms.sending,
    maxDelay: config.delayedEvents.maxDelay,
    senderOf: (user) => people.asSender(user),
  });
  observers.add(delayedEvents);
  const reports = new Reports({
    ...base,
    store: stores.reports,
    rooms: rooms.known,
    reading: rooms.reading,
    exists: isTaken,
  });

  // What is answered.
  const rateLimits = new RateLimits(config.rateLimits, clock);
  const services: Services = {
    ...users,
    ...lifecycle,
    ...history,
    federation,
    serving: createServing({ ...base, rooms, people, receiving, inviteObservers: [pushCounts] }),
    wellKnown: config.wellKnown,
    remoteProfiles: new RemoteProfiles({ client: federation.client, clock }),
    strangers: new StrangersTurns(),
    server: {
      serverName,
      publicUrl: config.publicUrl,
      defaultRoomVersion: config.rooms.defaultVersion,
      maxDelay: config.delayedEvents.maxDelay,
    },
    turn: config.turn,
    clock,
    rooms,
    admitMany: (...counted) => rateLimits.admitMany(...counted),
    receiving,
    reports,
    delayedEvents,
    directory,
    search,
    e2ee,
    ...createSync({ ...shared, pushRules, people, typing, presence, e2ee }),
    receipts,
    typing: typingService,
    presence,
    pushRules,
    pushers: push.pushers,
    notifications: push.notifications,
    media,
    thumbnails,
  };
  const settings = new Settings(config, { rateLimits, policy: federation.policy, roomLimits: rooms.limits });
  const gate = createGate({ rateLimits, gates: base.gates, clock, users, federation });
  const metrics = config.metrics.enabled ? new Metrics({ ...base, dataDir: config.dataDir }) : undefined;
  const app = createApp(
    [...clientEndpoints(services), ...federationEndpoints(services), ...wellKnownEndpoints(services)],
    { gate, log: log.child('http'), random, meter: metrics },
  );

  // What goes on by itself.
  const sweep = new Sweep(db, stores.interning, { clock, serverName });
  const catchUpRooms = new CatchUpRooms({ ...shared, catchUp });
  const tasks = backgroundTasks({
    ...base,
    catchUpRooms,
    sweep,
    media,
    mediaPruning: mediaServices.pruning,
    uia: users.uia,
    accounts: users.accounts,
    mailAddresses: users.mailAddresses,
    e2ee,
    searchIndex,
    rooms,
    ledger,
  });
  const background = new Background(tasks, { clock, log, mayWork: () => base.gates.mayWork });
  const backups = new ServerBackups({
    ...base,
    workers,
    dataDir: config.dataDir,
    settings: config.backup,
    configText: () => configFileText(settings.inForce),
    signingKey: signingKeyFile,
    media: mediaServices,
  });
  base.governor.onChange(() => {
    rooms.remote.setAtOnce(base.gates.joinsAtOnce);
    rooms.filling.setAtOnce(base.gates.joinsAtOnce);
  });
  base.governor.start();
  clock.whenRight(() => {
    backups.start();
    delayedEvents.start();
    receiving.receiver.start();
    rooms.resolutions.start();
    rooms.filling.start(leave);
    push.delivery.start();
    if (federation.enabled) directory.crawl.start();
    e2ee.remote.resyncs.start();
    outbox.start();
  });
  clock.start();

  return {
    app,
    metricsApp:
      metrics && createApp([metricsEndpoint(() => metrics.text(), config.metrics.token)], { gate, log, random }),
    clients: new ClientAddress(config.network.trustedProxies),
    settings,
    admin: {
      serverName,
      synced: () => db.synced(),
      accounts: lifecycle.accountAdministration,
      registrationTokens: users.registrationTokens,
      reports,
      notices,
      signingKeys,
      database: new DatabaseMeter(db),
      governor: base.governor,
      clock,
      backups,
      roomCosts: new RoomCosts({ rooms, leave, ledger }),
    },
    services,
    db,
    stores,
    streams,
    [Symbol.asyncDispose]: () =>
      endAll(log, [
        // First those who would take the end of their calls for an answer.
        () => base.governor.stop(),
        () => clock.stop(),
        () => rooms.remote.stop(),
        () => rooms.filling.stop(),
        () => outbox.stop(),
        () => e2ee.remote.resyncs.stop(),
        () => directory.crawl.stop(),
        () => catchUpRooms.stop(),
        () => foundation.hangUp(),
        () => receiving.receiver.stop(),
        () => rooms.resolutions.stop(),
        () => guestRooms.settled(),
        () => push.delivery.stop(() => outbound.close()),
        () => delayedEvents.stop(),
        () => background.stop(),
        () => backups.stop(),
        () => sweep.stop(),
        () => mediaServices.closeMedia(),
        () => metrics?.[Symbol.dispose](),
        () => db.close(),
        () => workers.close(),
      ]),
  };
}
