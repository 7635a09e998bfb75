import { MatrixError, unknownToken } from '../../protocol/errors.ts';
import type { Database } from '../../store/db.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { DeviceNid, UserNid } from '../../store/nids.ts';
import type { AccountStore } from '../../store/users/accounts.ts';
import type { DeviceStore } from '../../store/users/devices.ts';
import type { TokenHash, TokenStore } from '../../store/users/tokens.ts';
import type { Clock } from '../../util/clock.ts';
import { sha256 } from '../../util/hash.ts';
import { Lru } from '../../util/lru.ts';
import { type Random, randomToken } from '../../util/random.ts';
import type { Requester } from './requester.ts';

/** What a client gets. */
export interface IssuedTokens {
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  readonly expiresIn: number | undefined;
}

/** Where and by what a token is being used. */
export interface TokenUse {
  readonly ip: string;
  readonly agent: string | undefined;
  readonly evenIfLocked: boolean;
}

interface Verified {
  readonly requester: Requester;
  readonly expires: number | undefined;
  readonly locked: boolean;
  /** When the device was last noted as seen. */
  seen: number;
}

export interface TokensUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly store: TokenStore;
  readonly accounts: AccountStore;
  readonly devices: DeviceStore;
  readonly clock: Clock;
  readonly random: Random;
}

/** Verified tokens in memory, some 500 bytes each: the devices of a family, and of a small club, several times over. */
const maxVerified = 512;

/** The life of an access token that can be refreshed. */
export const accessTokenLifetime = 60 * 60_000;

/** "Last seen" is this exact; each look at it would else be a write. */
const seenEvery = 5 * 60_000;

const maxAgentLength = 512;

/**
 * Access and refresh tokens: made here, stored as hashes only. Every way to end a session comes here to have it
 * forgotten in memory as well.
 */
export class Tokens {
  readonly #uses: TokensUses;
  readonly #verified = new Lru<string, Verified>(maxVerified);

  constructor(uses: TokensUses) {
    this.#uses = uses;
  }

  /**
   * Who holds the token. 401 M_UNKNOWN_TOKEN if nobody does (`soft_logout: true` if it has expired and can be
   * refreshed), 401 M_USER_LOCKED.
   */
  authenticate(token: string, use: TokenUse): Requester {
    const hash = sha256(token);
    const key = hash.toString('latin1');
    let verified = this.#verified.get(key);
    if (verified === undefined) {
      verified = this.#look(hash);
      this.#verified.set(key, verified);
    }
    const now = this.#uses.clock.now();
    if (verified.expires !== undefined && now >= verified.expires) throw unknownToken(true);
    if (verified.locked && !use.evenIfLocked) throw userLocked();
    if (Math.abs(now - verified.seen) >= seenEvery) this.#noteSeen(verified, use, now);
    return verified.requester;
  }

  /** Inside a write: new tokens for a device. Only with `refreshable` do they expire. */
  issue(user: UserNid, device: DeviceNid, refreshable: boolean): IssuedTokens {
    return this.#issue(user, device, refreshable ? randomToken(this.#uses.random, 32) : undefined);
  }

  /**
   * Trades a refresh token. The old one stays good until one of the new ones is used, so that an answer that got lost
   * can be asked for again. 401 M_UNKNOWN_TOKEN, 401 M_USER_LOCKED.
   */
  refresh(refreshToken: string): Promise<IssuedTokens> {
    const hash = sha256(refreshToken);
    return this.#uses.db.durable(() => {
      const { store, accounts, random } = this.#uses;
      const row = store.refresh(hash);
      if (row === undefined) throw unknownToken(false, 'Unknown refresh token');
      if (accounts.find(row.user)?.locked === true) throw userLocked();
      this.#used(hash, row.device);
      if (row.successor !== null) {
        // Asked for again: what was given the last time never arrived.
        store.removeRefresh(row.successor, row.device);
        this.forget();
      }
      const next = randomToken(random, 32);
      const issued = this.#issue(row.user, row.device, next);
      store.setSuccessor(hash, sha256(`${refreshPrefix}${next}`));
      return issued;
    });
  }

  /** Inside a write: takes back what was given to let other clients in as this user. */
  removeLogins(user: UserNid): void {
    this.#uses.store.removeLogins(user);
  }

  /** Inside a write: tokens, or what they stand for, have changed. */
  forget(): void {
    // All of them: sessions end rarely, and each costs one look-up to learn again.
    this.#verified.clear();
    // What was looked up again before the change was committed is old by then.
    this.#uses.db.afterCommit(() => this.#verified.clear());
  }

  #issue(user: UserNid, device: DeviceNid, refreshSecret: string | undefined): IssuedTokens {
    const { store, clock, random } = this.#uses;
    const now = clock.now();
    const accessToken = `hat_${randomToken(random, 32)}`;
    const refreshToken = refreshSecret === undefined ? undefined : `${refreshPrefix}${refreshSecret}`;
    const refresh = refreshToken === undefined ? undefined : sha256(refreshToken);
    const expiresIn = refresh === undefined ? undefined : accessTokenLifetime;
    if (refresh) store.insertRefresh(refresh, user, device, now);
    const expires = expiresIn === undefined ? undefined : now + expiresIn;
    store.insertAccess(sha256(accessToken), { user, device, created: now, expires, refresh });
    return { accessToken, refreshToken, expiresIn };
  }

  #look(hash: TokenHash): Verified {
    const { store, accounts, devices, interning } = this.#uses;
    const row = store.access(hash);
    const account = row && accounts.find(row.user);
    const device = row && devices.row(row.device);
    if (row === undefined || account === undefined || device === undefined || account.deactivated) {
      throw unknownToken();
    }
    const { refresh } = row;
    if (refresh !== null && store.predecessor(refresh) !== undefined) {
      this.#uses.db.write<void>(() => this.#used(refresh, row.device));
    }
    return {
      requester: {
        user: row.user,
        userId: interning.userId(row.user),
        device: row.device,
        deviceId: device.deviceId,
        admin: account.admin,
        guest: account.kind === 'guest',
        suspended: account.suspended,
        tokenHash: hash,
      },
      expires: row.expires ?? undefined,
      locked: account.locked,
      seen: device.seenTs ?? 0,
    };
  }

  /** Inside a write: a token of this generation is in use, so the one before it is over. */
  #used(refresh: TokenHash, device: DeviceNid): void {
    const before = this.#uses.store.predecessor(refresh);
    if (before === undefined) return;
    this.#uses.store.removeRefresh(before, device);
    this.forget();
  }

  #noteSeen(verified: Verified, use: TokenUse, now: number): void {
    const agent = use.agent?.slice(0, maxAgentLength);
    this.#uses.db.write<void>(() => this.#uses.devices.seen(verified.requester.device, now, use.ip, agent));
    verified.seen = now;
  }
}

const refreshPrefix = 'hrt_';

const userLocked = () =>
  new MatrixError(401, 'M_USER_LOCKED', 'This account is locked', { fields: { soft_logout: true } });
