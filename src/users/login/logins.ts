import { forbidden, MatrixError } from '../../protocol/errors.ts';
import type { DeviceId, UserId } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { UserNid } from '../../store/nids.ts';
import type { AccountRow } from '../../store/users/accounts.ts';
import type { TokenStore } from '../../store/users/tokens.ts';
import type { Clock } from '../../util/clock.ts';
import { sha256 } from '../../util/hash.ts';
import { type Random, randomToken } from '../../util/random.ts';
import type { Accounts } from '../accounts.ts';
import type { Devices } from '../devices.ts';
import type { Guessing } from './guessing.ts';
import type { IssuedTokens, Tokens } from './tokens.ts';

/** What a client says of the session it wants. */
export interface SessionWish {
  readonly deviceId: string | undefined;
  readonly deviceName: string | undefined;
  readonly refreshable: boolean;
  readonly ip: string;
  readonly agent: string | undefined;
}

export interface Session extends IssuedTokens {
  readonly userId: UserId;
  readonly deviceId: DeviceId;
}

export interface LoginsUses {
  readonly db: Database;
  readonly accounts: Accounts;
  readonly devices: Devices;
  readonly tokens: Tokens;
  readonly store: TokenStore;
  readonly guessing: Guessing;
  readonly clock: Clock;
  readonly random: Random;
}

/** How long a login token is good for, as the specification recommends. */
export const loginTokenLifetime = 120_000;

const wrongPassword = () => forbidden('Wrong user name or password');

/** Ways in: by password, or by a token that another session of the user has asked for. */
export class Logins {
  readonly #uses: LoginsUses;

  constructor(uses: LoginsUses) {
    this.#uses = uses;
  }

  /**
   * The account that `name` and `password` belong to. 403 M_FORBIDDEN for a wrong one of either, 403
   * M_USER_DEACTIVATED, 429 M_LIMIT_EXCEEDED after too many wrong ones.
   */
  async checkPassword(name: string, password: string, ip: string): Promise<AccountRow> {
    const { accounts, guessing } = this.#uses;
    const account = accounts.meant(name);
    const subject = account === undefined ? name.slice(0, 255).toLowerCase() : accounts.userId(account.user);
    guessing.check(subject, ip);
    // Counted before the hash is made, else many guesses could be under way at once.
    guessing.failed(subject, ip);
    const fits = await accounts.verifyPassword(account, password);
    if (account?.deactivated) throw new MatrixError(403, 'M_USER_DEACTIVATED', 'This account is deactivated');
    if (!fits || account === undefined) throw wrongPassword();
    guessing.succeeded(subject, ip);
    return accounts.rowOf(account.user) ?? account;
  }

  /**
   * A session for a user who has shown who they are by the password. 401 M_USER_LOCKED, 400 M_INVALID_PARAM, 413
   * M_TOO_LARGE, 403 M_FORBIDDEN if it was changed since.
   */
  open(account: AccountRow, wish: SessionWish): Promise<Session> {
    this.#check(account);
    const deviceId = this.#deviceId(wish);
    return this.#uses.db.durable(() => {
      const now = this.#uses.accounts.rowOf(account.user);
      if (now === undefined || now.password !== account.password) throw wrongPassword();
      this.#check(now);
      return this.begin(account.user, deviceId, wish);
    });
  }

  /** Inside a write: the session itself. */
  begin(user: UserNid, deviceId: DeviceId, wish: SessionWish): Session {
    const { accounts, devices, tokens } = this.#uses;
    const device = devices.forSession(user, deviceId, wish.deviceName);
    devices.seen(device, wish.ip, wish.agent);
    return { ...tokens.issue(user, device, wish.refreshable), userId: accounts.userId(user), deviceId };
  }

  /** A token that lets another client in as this user, once, within two minutes. `also` runs in the same transaction. */
  async loginToken(
    user: UserNid,
    also: () => void = () => {},
  ): Promise<{ readonly token: string; readonly expiresIn: number }> {
    const { db, store, clock, random } = this.#uses;
    const token = `hlt_${randomToken(random, 32)}`;
    await db.durable<void>(() => {
      also();
      const now = clock.now();
      store.removeExpiredLogin(now);
      store.insertLogin(sha256(token), user, now + loginTokenLifetime);
    });
    return { token, expiresIn: loginTokenLifetime };
  }

  /** Opens a session by such a token. 403 M_FORBIDDEN, 403 M_USER_DEACTIVATED, 401 M_USER_LOCKED. */
  async byToken(token: string, wish: SessionWish): Promise<Session> {
    const { db, store, accounts, clock } = this.#uses;
    const deviceId = this.#deviceId(wish);
    const hash = sha256(token);
    // A token that is refused is used up all the same, so what is wrong with it is told after the commit.
    const outcome = await db.durable(() => {
      const row = store.takeLogin(hash);
      if (row === undefined || clock.now() >= row.expires) return undefined;
      const account = accounts.rowOf(row.user);
      if (account === undefined || account.deactivated || account.locked) return account;
      return this.begin(row.user, deviceId, wish);
    });
    if (outcome === undefined) throw forbidden('Unknown or expired login token');
    if ('accessToken' in outcome) return outcome;
    this.#check(outcome);
    throw forbidden('Unknown or expired login token');
  }

  #check(account: AccountRow): void {
    if (account.deactivated) throw new MatrixError(403, 'M_USER_DEACTIVATED', 'This account is deactivated');
    if (account.locked) {
      throw new MatrixError(401, 'M_USER_LOCKED', 'This account is locked', { fields: { soft_logout: true } });
    }
  }

  #deviceId(wish: SessionWish): DeviceId {
    this.#uses.devices.checkName(wish.deviceName);
    return this.#uses.devices.wantedId(wish.deviceId);
  }
}
