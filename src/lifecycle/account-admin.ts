import { notFound } from '../protocol/errors.ts';
import type { UserId } from '../protocol/ids/types.ts';
import type { AccountSummary, Accounts, NewAccount } from '../users/accounts.ts';
import type { Bindings } from '../users/identity/bindings.ts';
import type { Millis } from '../util/brand.ts';
import type { Deactivation } from './deactivation.ts';

/** What an admin does to accounts. */
export class AccountAdministration {
  readonly #accounts: Accounts;
  readonly #deactivation: Deactivation;
  readonly #bindings: Bindings;

  constructor(uses: { accounts: Accounts; deactivation: Deactivation; bindings: Bindings }) {
    this.#accounts = uses.accounts;
    this.#deactivation = uses.deactivation;
    this.#bindings = uses.bindings;
  }

  create(account: NewAccount): Promise<'created' | 'taken'> {
    return this.#accounts.create(account);
  }

  /** In the order of their localparts, after `after`, at most `limit`. */
  list(after: UserId | undefined, limit: number): readonly AccountSummary[] {
    return this.#accounts.list(after, limit);
  }

  find(userId: UserId): AccountSummary | undefined {
    return this.#accounts.find(userId);
  }

  /** With `logOut` all devices are logged out; without it sessions stay. */
  setPassword(userId: UserId, password: string, logOut: boolean): Promise<void> {
    return this.#accounts.setPassword(userId, password, logOut);
  }

  /** Without an end if `until` is not given. */
  setValidity(userId: UserId, until: Millis | undefined): Promise<void> {
    return this.#accounts.setValidity(userId, until);
  }

  setAdmin(userId: UserId, isAdmin: boolean): void {
    this.#accounts.setAdmin(userId, isAdmin);
  }

  /** 404 M_NOT_FOUND. Resolves when all rooms are left, and identity servers are told to forget whose addresses were. */
  async deactivate(userId: UserId, erase: boolean): Promise<void> {
    const account = this.#accounts.row(userId);
    if (account === undefined) throw notFound('There is no such user');
    await this.#deactivation.deactivate(account.user, erase);
    await this.#bindings.unbindAll({ user: account.user, userId });
  }
}
