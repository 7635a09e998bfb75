import type { E2ee } from '../e2ee/create-e2ee.ts';
import type { Database } from '../store/db.ts';
import type { UserNid } from '../store/nids.ts';
import type { AccountStore } from '../store/users/accounts.ts';
import type { AccountData } from '../users/account-data.ts';
import type { Accounts } from '../users/accounts.ts';
import type { Filters } from '../users/filters.ts';
import type { MailAddresses } from '../users/mail/mail-addresses.ts';
import type { Profiles } from '../users/profiles/profiles.ts';
import type { MembershipPort } from './user-rooms.ts';

export interface DeactivationUses {
  readonly db: Database;
  readonly accounts: Accounts;
  readonly store: AccountStore;
  readonly profiles: Profiles;
  readonly accountData: AccountData;
  readonly filters: Filters;
  readonly e2ee: Pick<E2ee, 'crossSigning' | 'backups'>;
  readonly mailAddresses: MailAddresses;
  readonly rooms: MembershipPort;
}

/** The end of an account. */
export class Deactivation {
  readonly #uses: DeactivationUses;

  constructor(uses: DeactivationUses) {
    this.#uses = uses;
  }

  /**
   * Takes password, tokens, devices, keys and mail addresses away, then leaves all rooms. With `erase` everything that is no event goes too,
   * and rooms hide the user's events from whoever joins later. `also` runs in the same transaction.
   */
  async deactivate(user: UserNid, erase: boolean, also: () => void = () => {}): Promise<void> {
    const { db, accounts, mailAddresses, profiles, accountData, filters, e2ee, rooms } = this.#uses;
    await db.durable<void>(() => {
      also();
      accounts.close(user, erase);
      mailAddresses.forget(user);
      e2ee.crossSigning.forget(user);
      e2ee.backups.forget(user);
      if (!erase) return;
      profiles.erase(user);
      accountData.erase(user);
      filters.erase(user);
    });
    await rooms.leaveAll(user);
  }

  /** At the start: finishes what a crash has interrupted. */
  async resume(): Promise<void> {
    for (const user of this.#uses.store.stillLeaving()) await this.#uses.rooms.leaveAll(user);
  }
}
