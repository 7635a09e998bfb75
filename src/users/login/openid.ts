import { unknownToken } from '../../protocol/errors.ts';
import type { UserId } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { OpenIdTokenStore } from '../../store/users/openid-tokens.ts';
import type { Clock } from '../../util/clock.ts';
import { sha256 } from '../../util/hash.ts';
import { type Random, randomToken } from '../../util/random.ts';
import type { Accounts } from '../accounts.ts';
import type { Requester } from './requester.ts';

export interface OpenIdUses {
  readonly db: Database;
  readonly store: OpenIdTokenStore;
  readonly accounts: Accounts;
  readonly clock: Clock;
  readonly random: Random;
}

/** Long enough for a widget to log somebody in, and not for much more. */
const lifetime = 60 * 60_000;

/** With each new token so many old ones are swept out at most. */
const sweepAtOnce = 20;

/**
 * Tokens by which people show other services who they are, and that are good for nothing else.
 * @see https://spec.matrix.org/v1.19/client-server-api/#openid
 */
export class OpenId {
  readonly #uses: OpenIdUses;

  constructor(uses: OpenIdUses) {
    this.#uses = uses;
  }

  /** Survives a power cut once it resolves. `expiresIn` in seconds. */
  async request(requester: Requester): Promise<{ readonly token: string; readonly expiresIn: number }> {
    const { db, store, clock, random } = this.#uses;
    const token = `hoi_${randomToken(random, 32)}`;
    const now = clock.now();
    await db.durable<void>(() => {
      store.removeExpired(now, sweepAtOnce);
      store.insert(sha256(token), requester.user, now + lifetime);
    });
    return { token, expiresIn: lifetime / 1000 };
  }

  /** Who has been given the token. 401 M_UNKNOWN_TOKEN unknown or expired, or the account is locked or closed */
  owner(token: string): UserId {
    const { store, accounts, clock } = this.#uses;
    const found = store.find(sha256(token));
    const account = found && accounts.rowOf(found.user);
    if (found === undefined || clock.now() >= found.expires || account === undefined) throw unknownToken();
    if (account.deactivated || account.locked) throw unknownToken();
    return accounts.userId(found.user);
  }
}
