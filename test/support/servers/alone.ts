import { join } from 'node:path';
import { createFederation } from '../../../src/federation/create-federation.ts';
import { AddressRanges } from '../../../src/outbound/address-ranges.ts';
import { OutboundHttp } from '../../../src/outbound/outbound-http.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { SigningKey } from '../../../src/protocol/signing/keys.ts';
import type { RoomsUses } from '../../../src/rooms/rooms.ts';
import type { Database } from '../../../src/store/db.ts';
import { SpoolFolder } from '../../../src/store/spool/spool-folder.ts';
import type { Stores } from '../../../src/store/stores.ts';
import { IdentityServers } from '../../../src/users/identity/identity-servers.ts';
import { millis } from '../../../src/util/brand.ts';
import type { Clock } from '../../../src/util/clock.ts';
import { KeyedQueue } from '../../../src/util/keyed-queue.ts';
import { silentLog } from '../../../src/util/log.ts';
import type { Random } from '../../../src/util/random.ts';
import { WorkerPool } from '../../../src/workers/worker-pool.ts';

const noLimits: RoomsUses['limitSettings'] = {
  maxMembers: Number.MAX_SAFE_INTEGER,
  maxServers: Number.MAX_SAFE_INTEGER,
  maxStateEvents: Number.MAX_SAFE_INTEGER,
  maxDiskMb: Number.MAX_SAFE_INTEGER,
  maxJoinMinutes: Number.MAX_SAFE_INTEGER,
  whenOutgrown: 'warn',
};

/** What rooms need of other servers where there are none. */
export function alone(uses: {
  readonly db: Database;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly random: Random;
  readonly folder: string;
  readonly key: SigningKey;
}): Pick<
  RoomsUses,
  | 'federation'
  | 'spools'
  | 'workers'
  | 'databaseFile'
  | 'receiver'
  | 'log'
  | 'limitSettings'
  | 'purgeSettings'
  | 'adminContact'
  | 'identityServers'
> {
  const federation = createFederation({
    ...uses,
    log: silentLog,
    signer: { serverName: asServerName('localhost'), key: uses.key },
    config: {
      federation: {
        enabled: false,
        verifyCertificates: true,
        customCaFiles: [],
        notaries: [],
        allow: [],
        deny: [],
        resolve: new Map(),
        retryMin: millis(60_000),
        retryMax: millis(60_000),
      },
    },
    transport: { send: () => Promise.reject(new Error('there are no other servers')) },
  });
  const receiver = {
    lanes: new KeyedQueue<never>(1),
    receive: () => Promise.resolve(new Map()),
    revisit: () => Promise.resolve(),
    retryDeferred: () => {},
  };
  const resolveDns = () => Promise.reject(new Error('there are no names'));
  const outbound = new OutboundHttp({ ranges: new AddressRanges([]), resolveDns, clock: uses.clock });
  return {
    federation,
    identityServers: new IdentityServers({
      http: outbound,
      signer: { serverName: asServerName('localhost'), key: uses.key },
    }),
    spools: new SpoolFolder(uses.folder),
    databaseFile: join(uses.folder, 'hearth.db'),
    workers: new WorkerPool({ clock: uses.clock, log: silentLog }),
    receiver: () => receiver,
    log: silentLog,
    limitSettings: noLimits,
    purgeSettings: { historyMaxAge: undefined, emptyRoomsAfter: millis(60_000) },
    adminContact: 'mailto:admin@localhost',
  };
}
