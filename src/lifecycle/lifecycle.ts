import type { E2ee } from '../e2ee/create-e2ee.ts';
import type { Database } from '../store/db.ts';
import type { Stores } from '../store/stores.ts';
import type { Streams } from '../streams/streams.ts';
import type { Users } from '../users/users.ts';
import type { Clock } from '../util/clock.ts';
import { AccountAdministration } from './account-admin.ts';
import { Deactivation } from './deactivation.ts';
import { Dehydration } from './dehydration.ts';
import { Logouts } from './logouts.ts';
import { ProfileChanges } from './profile-changes.ts';
import type { MembershipPort } from './user-rooms.ts';

export interface LifecycleUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly stores: Pick<Stores, 'accounts' | 'devices' | 'dehydratedDevices' | 'interning'>;
  readonly users: Users;
  readonly e2ee: Pick<E2ee, 'crossSigning' | 'backups' | 'keys' | 'toDevice'>;
  readonly rooms: MembershipPort;
}

/** Use cases over many domains. */
export interface Lifecycle {
  readonly deactivation: Deactivation;
  readonly logouts: Logouts;
  readonly dehydration: Dehydration;
  readonly profileChanges: ProfileChanges;
  readonly accountAdministration: AccountAdministration;
}

export function createLifecycle({ db, streams, clock, stores, users, e2ee, rooms }: LifecycleUses): Lifecycle {
  const { accounts, profiles, accountData, filters, devices, mailAddresses, bindings } = users;
  const deactivation = new Deactivation({
    db,
    accounts,
    store: stores.accounts,
    profiles,
    accountData,
    filters,
    e2ee,
    mailAddresses,
    rooms,
  });
  return {
    deactivation,
    logouts: new Logouts({ db, devices }),
    dehydration: new Dehydration({ ...stores, ...e2ee, db, streams, clock, devices, deviceStore: stores.devices }),
    profileChanges: new ProfileChanges({ db, profiles, rooms }),
    accountAdministration: new AccountAdministration({ accounts, deactivation, bindings }),
  };
}
