import type { Database } from '../../store/db.ts';
import type { RegistrationTokenRow, RegistrationTokenStore } from '../../store/users/registration-tokens.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { type Random, randomToken } from '../../util/random.ts';

export interface RegistrationTokenInfo {
  readonly token: string;
  /** How often it may be used; undefined: any number of times. */
  readonly uses: number | undefined;
  readonly used: number;
  readonly created: Millis;
  readonly expires: Millis | undefined;
}

export interface NewRegistrationToken {
  /** Undefined: one is made up. */
  readonly token: string | undefined;
  readonly uses: number | undefined;
  readonly lifetime: Millis | undefined;
}

/** Tokens that let people make an account. */
export class RegistrationTokens {
  readonly #db: Database;
  readonly #store: RegistrationTokenStore;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(uses: { db: Database; store: RegistrationTokenStore; clock: Clock; random: Random }) {
    this.#db = uses.db;
    this.#store = uses.store;
    this.#clock = uses.clock;
    this.#random = uses.random;
  }

  create(wanted: NewRegistrationToken): RegistrationTokenInfo | 'taken' {
    const token = wanted.token ?? randomToken(this.#random, 12);
    const now = this.#clock.now();
    const expires = wanted.lifetime === undefined ? undefined : now + wanted.lifetime;
    return this.#db.write<RegistrationTokenInfo | 'taken'>(() => {
      if (!this.#store.insert(token, wanted.uses, now, expires)) return 'taken';
      return info(this.#store.find(token) as RegistrationTokenRow);
    });
  }

  /** In the order of the tokens, after `after`, at most `limit`. */
  list(after: string | undefined, limit: number): readonly RegistrationTokenInfo[] {
    return this.#store.page(after ?? '', limit).map(info);
  }

  /** False if there is no such token. */
  revoke(token: string): boolean {
    return this.#db.write(() => this.#store.remove(token));
  }

  /** Whether somebody could register with it at this moment. */
  isValid(token: string): boolean {
    const row = this.#store.find(token);
    if (row === undefined) return false;
    if (row.expires !== null && this.#clock.now() >= row.expires) return false;
    return row.uses === null || row.used + row.pending < row.uses;
  }

  /** Inside a write: sets one use aside for a registration under way; false if there is none left. */
  reserve(token: string): boolean {
    if (!this.isValid(token)) return false;
    this.#store.count(token, { pending: 1, used: 0 });
    return true;
  }

  /** Inside a write: the registration came to nothing. */
  release(token: string): void {
    this.#store.count(token, { pending: -1, used: 0 });
  }

  /** Inside a write: the account is made. */
  spend(token: string): void {
    this.#store.count(token, { pending: -1, used: 1 });
  }
}

function info(row: RegistrationTokenRow): RegistrationTokenInfo {
  return {
    token: row.token,
    uses: row.uses ?? undefined,
    used: row.used,
    created: millis(row.created),
    expires: row.expires === null ? undefined : millis(row.expires),
  };
}
