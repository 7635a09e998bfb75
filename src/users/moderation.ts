import { forbidden, invalidParam, notFound } from '../protocol/errors.ts';
import type { ServerName, UserId } from '../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../protocol/ids/user-id.ts';
import type { AccountRow } from '../store/users/accounts.ts';
import type { Accounts } from './accounts.ts';
import type { Device, Devices } from './devices.ts';
import type { Requester } from './login/requester.ts';

/** What an admin can do to an account, and undo. */
export type Restriction = 'locked' | 'suspended';

/**
 * What admins of the server do to accounts from their client. Whether the requester is one is asked before anything
 * else, so that nobody learns who has an account.
 * @see https://spec.matrix.org/v1.19/client-server-api/#server-administration
 */
export class Moderation {
  readonly #accounts: Accounts;
  readonly #devices: Devices;
  readonly #serverName: ServerName;

  constructor(uses: { accounts: Accounts; devices: Devices; serverName: ServerName }) {
    this.#accounts = uses.accounts;
    this.#devices = uses.devices;
    this.#serverName = uses.serverName;
  }

  /** 403 M_FORBIDDEN · 400 M_INVALID_PARAM a user of another server · 404 M_NOT_FOUND unknown or deactivated */
  isRestricted(requester: Requester, userId: string, restriction: Restriction): boolean {
    return this.#target(requester, userId)[restriction];
  }

  /** The same errors, and 403 M_FORBIDDEN for the requester's own account. Resolves when it survives a power cut. */
  async restrict(requester: Requester, userId: string, restriction: Restriction, on: boolean): Promise<void> {
    checkAdmin(requester);
    if (userId === requester.userId) throw forbidden('This is your own account');
    const { user } = this.#target(requester, userId);
    const target = this.#accounts.userId(user);
    if (restriction === 'locked') await this.#accounts.setLocked(target, on);
    else await this.#accounts.setSuspended(target, on);
  }

  /** The devices of the requester, or of anybody for an admin. 403 M_FORBIDDEN · 400 M_INVALID_PARAM · 404 M_NOT_FOUND */
  whois(requester: Requester, userId: string): readonly Device[] {
    if (userId !== requester.userId) checkAdmin(requester);
    const row = this.#accounts.row(this.#local(userId));
    if (row === undefined) throw notFound('There is no such user');
    return this.#devices.list(row.user);
  }

  #target(requester: Requester, userId: string): AccountRow {
    checkAdmin(requester);
    const row = this.#accounts.row(this.#local(userId));
    if (row === undefined || row.deactivated) throw notFound('There is no such user');
    if (row.admin && row.user !== requester.user) throw forbidden('This user is an admin, too');
    return row;
  }

  #local(text: string): UserId {
    const userId = parseUserId(text);
    if (userId === undefined || serverOf(userId) !== this.#serverName) {
      throw invalidParam('This is not a user of this server');
    }
    return userId;
  }
}

function checkAdmin({ admin }: Requester): void {
  if (!admin) throw forbidden('Only admins of the server may do this');
}
