import { join } from 'node:path';
import { SigningKeys } from '../admin/signing-keys.ts';
import { adminContact } from '../config/admin-contact.ts';
import { readCertificateFiles } from '../config/certificate-files.ts';
import type { Config } from '../config/config.ts';
import { createFederation } from '../federation/create-federation.ts';
import { HttpsTransport } from '../federation/https-transport.ts';
import { RemoteDirectory } from '../federation/remote-directory.ts';
import { Gates } from '../governor/gates.ts';
import { Governor } from '../governor/governor.ts';
import { restfulReadings } from '../governor/readings.ts';
import { WatchedClock } from '../governor/watched-clock.ts';
import { AddressRanges } from '../outbound/address-ranges.ts';
import { OutboundHttp } from '../outbound/outbound-http.ts';
import { systemDns } from '../outbound/resolve-dns.ts';
import { clockWrong } from '../protocol/errors.ts';
import { Database } from '../store/db.ts';
import { SigningKeyFile } from '../store/signing-key-file.ts';
import { openStores, type Stores } from '../store/stores.ts';
import { Notifier } from '../streams/notifier.ts';
import { Streams } from '../streams/streams.ts';
import { systemClock } from '../util/clock.ts';
import { silentLog } from '../util/log.ts';
import { systemRandom } from '../util/random.ts';
import { built } from '../util/version.ts';
import { WorkerPool } from '../workers/worker-pool.ts';
import type { Externals } from './externals.ts';

/** What every domain stands on: the database with its stores, streams, our keys, the way to other servers. */
export function layFoundation(config: Config, externals: Partial<Externals>) {
  const { clock: systemsClock = systemClock, random = systemRandom, log = silentLog } = externals;
  const { serverName } = config;
  const { db, workers } = openDatabase(config, { ...externals, clock: systemsClock, log });
  const stores = openStores(db, serverName);
  const clock = new WatchedClock({
    ...stores,
    db,
    clock: systemsClock,
    built: externals.built ?? built,
    isSynchronised: externals.isClockSynchronised ?? (() => false),
    log,
  });
  const outside = { clock, random, log };
  const notifier = new Notifier({ localUsers: stores.localUsers, clock });
  const streams = new Streams({ db, positions: stores.positions, notifier, log });
  const signingKeyFile = new SigningKeyFile(config.dataDir);
  const signingKeys = new SigningKeys({ db, store: stores.serverKeys, file: signingKeyFile, clock, random });
  // Read at each use: the key changes with a rotation.
  const signer = {
    serverName,
    get key() {
      if (!clock.isRight) throw clockWrong();
      return signingKeys.current;
    },
  };
  const dns = externals.dns ?? systemDns();
  const ranges = new AddressRanges(config.network.allowIpRanges);
  const authorities = readCertificateFiles(config.federation.customCaFiles);
  const https = new HttpsTransport({ ...stores, ...outside, db, dns, ranges, config, authorities });
  const transport = externals.transport ?? https;
  const federation = createFederation({ ...outside, db, stores, config, signer, transport });
  const tls = authorities.length === 0 ? {} : { tls: { authorities: { more: authorities } } };
  const outbound = new OutboundHttp({ ranges, resolveDns: dns.addresses, clock, ...tls });
  const governor = createGovernor(config, { ...externals, ...outside }, { db, interning: stores.interning });
  return {
    /** What domains are built from. The stores stand in it by name too. */
    base: {
      ...stores,
      ...outside,
      stores,
      db,
      streams,
      notifier,
      serverName,
      signer,
      federation,
      remoteDirectory: new RemoteDirectory(federation.client),
      governor,
      gates: new Gates(governor, adminContact(config)),
    },
    clock,
    workers,
    signingKeys,
    signingKeyFile,
    outbound,
    /** Breaks off what is still under way to other servers. */
    hangUp: () => {
      federation.client.close();
      https.close();
    },
  };
}

function createGovernor(
  config: Config,
  { readings = restfulReadings, clock, log }: Partial<Externals> & Pick<Externals, 'clock' | 'log'>,
  { db, interning }: Pick<Stores, 'interning'> & { readonly db: Database },
): Governor {
  const governor = new Governor({ readings, budgetMb: config.memory.budgetMb, clock, log });
  const whole = pageCacheKib(config);
  governor.onShrink((level) => {
    if (level !== 'easy') interning.clearCaches();
    db.shrinkMemory(level === 'easy' ? whole : level === 'tight' ? whole / 2 : smallestPageCache);
  });
  return governor;
}

/** What a query over a few tables needs to go on at all. */
const smallestPageCache = 1024;

function openDatabase(config: Config, externals: Partial<Externals> & Pick<Externals, 'clock' | 'log'>) {
  const { clock, log, onFatal, syncCalls } = externals;
  const db = Database.open({
    file: join(config.dataDir, 'hearth.db'),
    cacheKib: pageCacheKib(config),
    clock,
    log,
    ...(onFatal === undefined ? {} : { onFatal }),
    ...(syncCalls === undefined ? {} : { syncCalls }),
  });
  const workers = new WorkerPool({ clock, log });
  db.useCheckpointer((file) => workers.run('checkpoint', file));
  return { db, workers };
}

/** SQLite's page cache: a thirty-second of the budget, between what a small query needs and what still gains anything. */
function pageCacheKib({ memory }: Config): number {
  return Math.min(8192, Math.max(2048, (memory.budgetMb * 1024) / 32));
}
