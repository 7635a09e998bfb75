import type { Config } from '../config/config.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { SigningKey } from '../protocol/signing/keys.ts';
import type { Database } from '../store/db.ts';
import type { Stores } from '../store/stores.ts';
import type { Clock } from '../util/clock.ts';
import type { Log } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import { FederationClient } from './client.ts';
import { KeyRing } from './key-ring.ts';
import { KeyFetcher } from './keys/key-fetcher.ts';
import { KnownKeys } from './keys/known-keys.ts';
import { Notary } from './keys/notary.ts';
import { OwnKeys } from './keys/own-keys.ts';
import { FederationPolicy } from './policy.ts';
import { Reachability } from './reachability.ts';
import { RequestAuth } from './request-auth.ts';
import type { Transport } from './transport.ts';

export interface FederationUses {
  readonly db: Database;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly config: Pick<Config, 'federation'>;
  /** Who we are; the key changes with a rotation. */
  readonly signer: { readonly serverName: ServerName; readonly key: SigningKey };
  readonly transport: Transport;
}

/** How this server talks to others. */
export interface Federation {
  /** Whether there are others at all: without it, endpoints for them are not served. */
  readonly enabled: boolean;
  readonly policy: FederationPolicy;
  readonly client: FederationClient;
  readonly keyRing: KeyRing;
  readonly ownKeys: OwnKeys;
  readonly notary: Notary;
  readonly reachability: Reachability;
  readonly requestAuth: RequestAuth;
}

export function createFederation(uses: FederationUses): Federation {
  const { db, stores, clock, random, signer, transport } = uses;
  const { serverName } = signer;
  const settings = uses.config.federation;
  const log = uses.log.child('federation');
  const policy = new FederationPolicy(settings, serverName);
  const retry = { min: settings.retryMin, max: settings.retryMax };
  const reachability = new Reachability({ ...stores, db, clock, random, log, retry });
  const client = new FederationClient({ transport, policy, reachability, signer, clock, log });
  const known = new KnownKeys({ ...stores, db, clock });
  const fetcher = new KeyFetcher({ client, known, notaries: settings.notaries, clock, log });
  reachability.onUp((server) => fetcher.cameBack(server));
  const keyRing = new KeyRing({ ...stores, serverName, known, fetcher, policy, clock });
  const ownKeys = new OwnKeys({ ...stores, signer, clock });
  const notary = new Notary({ serverName, keyRing, ownKeys });
  const requestAuth = new RequestAuth({ serverName, policy, keyRing, reachability, clock });
  return { enabled: settings.enabled, policy, client, keyRing, ownKeys, notary, reachability, requestAuth };
}
