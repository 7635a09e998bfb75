import type { E2ee } from '../e2ee/create-e2ee.ts';
import type { Database } from '../store/db.ts';
import type { Stores } from '../store/stores.ts';
import type { Users } from '../users/users.ts';
import { AccountAdministration } from './account-admin.ts';
import { Deactivation } from './deactivation.ts';
import { Logouts } from './logouts.ts';
import { ProfileChanges } from './profile-changes.ts';
import type { MembershipPort } from './user-rooms.ts';

export interface LifecycleUses {
  readonly db: Database;
  readonly stores: Pick<Stores, 'accounts'>;
  readonly users: Users;
  readonly e2ee: Pick<E2ee, 'crossSigning' | 'backups'>;
  readonly rooms: MembershipPort;
}

/** Use cases over many domains. */
export interface Lifecycle {
  readonly deactivation: Deactivation;
  readonly logouts: Logouts;
  readonly profileChanges: ProfileChanges;
  readonly accountAdministration: AccountAdministration;
}

export function createLifecycle({ db, stores, users, e2ee, rooms }: LifecycleUses): Lifecycle {
  const { accounts, profiles, accountData, filters, devices } = users;
  const deactivation = new Deactivation({
    db,
    accounts,
    store: stores.accounts,
    profiles,
    accountData,
    filters,
    e2ee,
    rooms,
  });
  return {
    deactivation,
    logouts: new Logouts({ db, devices }),
    profileChanges: new ProfileChanges({ db, profiles, rooms }),
    accountAdministration: new AccountAdministration({ accounts, deactivation }),
  };
}
