import { DeviceLists } from '../devices/device-lists.ts';
import { IncomingToDevice } from '../devices/incoming-to-device.ts';
import { OutgoingToDevice } from '../devices/outgoing-to-device.ts';
import { ToDevice } from '../devices/to-device.ts';
import type { FederationClient } from '../federation/client.ts';
import type { FederationPolicy } from '../federation/policy.ts';
import type { EduSource } from '../federation/queue/edu-source.ts';
import type { Reachability } from '../federation/reachability.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { Database } from '../store/db.ts';
import type { Stores } from '../store/stores.ts';
import type { Streams } from '../streams/streams.ts';
import type { Clock } from '../util/clock.ts';
import type { JsonObject } from '../util/json.ts';
import type { Log } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import { Backups } from './backups.ts';
import { CrossSigning } from './cross-signing.ts';
import { DeviceKeys } from './device-keys.ts';
import { KeyClaims } from './key-claims.ts';
import { KeyQueries } from './key-queries.ts';
import { OwnKeys } from './own-keys.ts';
import { DeviceUpdateSource } from './remote/device-update-source.ts';
import { RemoteAsking } from './remote/remote-asking.ts';
import { RemoteLists } from './remote/remote-lists.ts';
import { RemoteQueries } from './remote/remote-queries.ts';
import { Resyncs } from './remote/resyncs.ts';
import { ServedKeys } from './remote/served-keys.ts';
import { Rendezvous } from './rendezvous.ts';
import { Signatures } from './signatures.ts';

export interface CreateE2eeUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly stores: Stores;
  readonly serverName: ServerName;
  readonly federation: {
    readonly client: Pick<FederationClient, 'call'>;
    readonly reachability: Pick<Reachability, 'retryAt' | 'onUp' | 'isDown' | 'failingSince'>;
    readonly policy: Pick<FederationPolicy, 'mayTalkTo'>;
  };
}

/** What a server does for end-to-end encryption, put together. */
export interface E2ee {
  readonly lists: DeviceLists;
  readonly toDevice: ToDevice;
  readonly keys: DeviceKeys;
  readonly queries: KeyQueries;
  readonly claims: KeyClaims;
  readonly crossSigning: CrossSigning;
  readonly signatures: Signatures;
  readonly backups: Backups;
  readonly rendezvous: Rendezvous;
  /** Across servers. */
  readonly remote: {
    readonly lists: RemoteLists;
    readonly resyncs: Resyncs;
    readonly served: ServedKeys;
    readonly incoming: IncomingToDevice;
    /** What other servers tell, by `edu_type`. */
    readonly eduHandlers: ReadonlyMap<string, (origin: ServerName, content: JsonObject) => void>;
    /** What other servers must hear of. */
    readonly sources: readonly EduSource[];
  };
}

/** Builds it bottom-up. */
export function createE2ee({ stores, federation, ...base }: CreateE2eeUses): E2ee {
  const { client, reachability, policy } = federation;
  const log = base.log.child('e2ee');
  const shared = { ...stores, ...base, log, client, reachability };
  const lists = new DeviceLists(shared);
  const keys = new DeviceKeys({ ...shared, lists });
  const ownKeys = new OwnKeys(shared);
  const tracked = new RemoteLists({ ...shared, lists });
  const asking = new RemoteAsking(shared);
  const outgoing = new OutgoingToDevice({ ...shared, mayTalkTo: (server) => policy.mayTalkTo(server) });
  const toDevice = new ToDevice({ ...shared, outgoing });
  const incoming = new IncomingToDevice({ ...shared, toDevice });
  return {
    lists,
    toDevice,
    keys,
    queries: new KeyQueries({ ...shared, ownKeys, remote: new RemoteQueries({ ...shared, tracked, asking }) }),
    claims: new KeyClaims({ ...shared, keys, asking }),
    crossSigning: new CrossSigning({ ...shared, lists }),
    signatures: new Signatures({
      ...shared,
      lists,
      masterKey: (user) => stores.crossSigning.find(user, 'master') ?? tracked.masterKey(user),
    }),
    backups: new Backups(shared),
    rendezvous: new Rendezvous(shared),
    remote: {
      lists: tracked,
      resyncs: new Resyncs({ ...shared, tracked }),
      served: new ServedKeys({ ...shared, ownKeys }),
      incoming,
      eduHandlers: new Map([
        ['m.direct_to_device', (origin, content) => incoming.receive(origin, content)],
        ['m.device_list_update', (origin, content) => tracked.deviceListUpdate(origin, content)],
        ['m.signing_key_update', (origin, content) => tracked.signingKeyUpdate(origin, content)],
      ]),
      // Whose message it is should be known before it comes.
      sources: [new DeviceUpdateSource({ ...shared, ownKeys }), outgoing],
    },
  };
}
