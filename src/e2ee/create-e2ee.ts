import { DeviceLists } from '../devices/device-lists.ts';
import { ToDevice } from '../devices/to-device.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { Database } from '../store/db.ts';
import type { Stores } from '../store/stores.ts';
import type { Streams } from '../streams/streams.ts';
import type { Clock } from '../util/clock.ts';
import { Backups } from './backups.ts';
import { CrossSigning } from './cross-signing.ts';
import { DeviceKeys } from './device-keys.ts';
import { KeyClaims } from './key-claims.ts';
import { KeyQueries } from './key-queries.ts';
import { Signatures } from './signatures.ts';

export interface CreateE2eeUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly stores: Stores;
  readonly serverName: ServerName;
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
}

/** Builds it bottom-up. */
export function createE2ee({ db, streams, clock, stores, serverName }: CreateE2eeUses): E2ee {
  const shared = { ...stores, db, streams, clock, serverName };
  const lists = new DeviceLists(shared);
  const keys = new DeviceKeys({ ...shared, lists });
  return {
    lists,
    toDevice: new ToDevice(shared),
    keys,
    queries: new KeyQueries(shared),
    claims: new KeyClaims({ ...shared, keys }),
    crossSigning: new CrossSigning({ ...shared, lists }),
    signatures: new Signatures({ ...shared, lists }),
    backups: new Backups(shared),
  };
}
