import { MatrixError, userSuspended } from '../protocol/errors.ts';
import type { ServerName, UserId } from '../protocol/ids/types.ts';
import { localpartOf } from '../protocol/ids/user-id.ts';
import type { Database } from '../store/db.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { DeviceNid, UserNid } from '../store/nids.ts';
import type { AccountValidityStore } from '../store/users/account-validity.ts';
import type { AccountRow, AccountStore } from '../store/users/accounts.ts';
import type { MailAddressStore } from '../store/users/mail-addresses.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';
import { type Random, randomLetters } from '../util/random.ts';
import type { Devices } from './devices.ts';
import type { Passwords } from './login/passwords.ts';
import type { Tokens } from './login/tokens.ts';
import type { PeopleObserver } from './profiles/people-observer.ts';
import { meantUserIds, wantedUserId } from './registration/usernames.ts';

export interface AccountSummary {
  readonly userId: UserId;
  readonly isAdmin: boolean;
  readonly isDeactivated: boolean;
  readonly created: Millis;
}

export interface NewAccount {
  readonly userId: UserId;
  /** Without one nobody can log in by password. */
  readonly password: string | undefined;
  readonly isAdmin: boolean;
}

export interface AccountsUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly store: AccountStore;
  readonly passwords: Passwords;
  readonly tokens: Tokens;
  readonly devices: Devices;
  readonly clock: Clock;
  readonly random: Random;
  readonly serverName: ServerName;
  readonly observers: readonly PeopleObserver[];
  readonly mailAddresses: Pick<MailAddressStore, 'owner'>;
  readonly validity: AccountValidityStore;
}

/** The accounts of this server. */
export class Accounts {
  readonly serverName: ServerName;
  readonly #uses: AccountsUses;

  constructor(uses: AccountsUses) {
    this.#uses = uses;
    this.serverName = uses.serverName;
  }

  /** Whether the ID belongs to somebody, or once did: no ID is given out twice. */
  isTaken(userId: UserId): boolean {
    return this.row(userId) !== undefined;
  }

  /** The free ID for a name. 400 M_INVALID_USERNAME or M_USER_IN_USE. */
  freeUserId(name: string): UserId {
    const userId = wantedUserId(name, this.serverName);
    if (this.isTaken(userId)) throw new MatrixError(400, 'M_USER_IN_USE', 'This user name is taken');
    return userId;
  }

  /** A free ID for somebody who does not care. */
  anyUserId(): UserId {
    for (;;) {
      const userId = wantedUserId(randomLetters(this.#uses.random, 12), this.serverName);
      if (!this.isTaken(userId)) return userId;
    }
  }

  /** Survives a power cut once it resolves. How good the password is was decided before. */
  async create(account: NewAccount): Promise<'created' | 'taken'> {
    if (this.isTaken(account.userId)) return 'taken';
    const password = account.password === undefined ? undefined : await this.#uses.passwords.hash(account.password);
    const made = await this.#uses.db.durable(() => this.insert(account.userId, password, account.isAdmin));
    return made === undefined ? 'taken' : 'created';
  }

  /** Inside a write: adds an account with a hashed password; `undefined` if the ID is taken. */
  insert(userId: UserId, hashedPassword: string | undefined, isAdmin: boolean): UserNid | undefined {
    const { interning, store, clock } = this.#uses;
    const user = interning.user(userId);
    const made = store.insert(user, { kind: 'person', password: hashedPassword, admin: isAdmin, created: clock.now() });
    if (!made) return undefined;
    this.#tell(user);
    return user;
  }

  /** Inside a write: a guest, who has no password. */
  insertGuest(userId: UserId): UserNid {
    const { interning, store, clock } = this.#uses;
    const user = interning.user(userId);
    store.insert(user, { kind: 'guest', password: undefined, admin: false, created: clock.now() });
    return user;
  }

  /** Inside a write: a guest becomes a person, who keeps the user ID. False if it is no guest any more. */
  adopt(guest: UserNid, hashedPassword: string): boolean {
    if (!this.#uses.store.makePerson(guest, hashedPassword)) return false;
    this.#uses.tokens.forget();
    this.#tell(guest);
    return true;
  }

  find(userId: UserId): AccountSummary | undefined {
    const row = this.row(userId);
    return row && this.#summary(row);
  }

  /** In the order of their localparts, after `after`, at most `limit`. */
  list(after: UserId | undefined, limit: number): readonly AccountSummary[] {
    const server = this.#uses.interning.findServer(this.serverName);
    if (server === undefined) return [];
    const from = after === undefined ? '' : localpartOf(after);
    return this.#uses.store.page(server, from, limit).map((row) => this.#summary(row));
  }

  isErased(user: UserNid): boolean {
    return this.#uses.store.isErased(user);
  }

  /** The account's row, deactivated or not. */
  row(userId: UserId): AccountRow | undefined {
    const user = this.#uses.interning.findUser(userId);
    return user === undefined ? undefined : this.#uses.store.find(user);
  }

  rowOf(user: UserNid): AccountRow | undefined {
    return this.#uses.store.find(user);
  }

  /** The account that somebody means who gives an ID or a localpart. */
  meant(name: string): AccountRow | undefined {
    for (const userId of meantUserIds(name, this.serverName)) {
      const row = this.row(userId);
      if (row) return row;
    }
    return undefined;
  }

  /** Whose account has a mail address. */
  ownerOf(mail: string): UserId | undefined {
    const user = this.#uses.mailAddresses.owner(mail.normalize('NFC').toLowerCase());
    return user === undefined ? undefined : this.userId(user);
  }

  userId(user: UserNid): UserId {
    return this.#uses.interning.userId(user);
  }

  /** With `logOut` all devices are logged out; without it sessions stay. */
  setPassword(userId: UserId, password: string, logOut: boolean): Promise<void> {
    return this.changePassword(this.#existing(userId), password, { logOut });
  }

  /** The same with one device that stays in any case, and something more to do in the same transaction. */
  async changePassword(
    user: UserNid,
    password: string,
    options: { readonly logOut: boolean; readonly except?: DeviceNid | undefined; readonly also?: () => void },
  ): Promise<void> {
    const hashed = await this.#uses.passwords.hash(password);
    await this.#uses.db.durable<void>(() => {
      options.also?.();
      this.#uses.store.setPassword(user, hashed);
      if (options.logOut) this.#uses.devices.removeAll(user, options.except);
    });
  }

  /**
   * Whether the password is the account's, and still is when that is found out: it takes a while, in which it may be
   * changed. A hash of an older cost is replaced on the way.
   */
  async verifyPassword(account: AccountRow | undefined, password: string): Promise<boolean> {
    const { passwords, db, store } = this.#uses;
    const stored = account?.password;
    const fits = await passwords.verify(password, stored);
    if (!fits || account === undefined || stored === undefined) return false;
    if (passwords.isOutdated(stored)) {
      const renewed = await passwords.hash(password);
      if (db.write(() => store.replacePassword(account.user, stored, renewed))) return true;
    } else if (store.find(account.user)?.password === stored) return true;
    return this.verifyPassword(store.find(account.user), password);
  }

  setAdmin(userId: UserId, isAdmin: boolean): void {
    const user = this.#existing(userId);
    this.#change(() => this.#uses.store.setAdmin(user, isAdmin));
  }

  /** A locked account can only log out, until it is unlocked. */
  setLocked(userId: UserId, isLocked: boolean): Promise<void> {
    const user = this.#existing(userId);
    return this.#restrict(() => this.#uses.store.setLocked(user, isLocked));
  }

  /**
   * How long an account is good; without an end if `until` is not given. Then it is locked, until it is good again: which
   * unlocks one that was locked because its time was over; what an admin has locked stays locked.
   */
  setValidity(userId: UserId, until: Millis | undefined): Promise<void> {
    const user = this.#existing(userId);
    const { store, validity, clock } = this.#uses;
    return this.#restrict(() => {
      const isGood = until === undefined || until > clock.now();
      if (isGood && validity.hasEnded(user)) store.setLocked(user, false);
      if (until === undefined) validity.remove(user);
      else validity.set(user, until);
    });
  }

  /** Inside a write: locks some of the accounts that are good no longer; how many. None while the time is not known. */
  lockExpired(limit: number): number {
    const { store, validity, clock, tokens } = this.#uses;
    const over = clock.isRight ? validity.over(clock.now(), limit) : [];
    for (const user of over) {
      store.setLocked(user, true);
      validity.end(user);
    }
    if (over.length > 0) tokens.forget();
    return over.length;
  }

  /** A suspended account can read, but neither write nor join. */
  setSuspended(userId: UserId, isSuspended: boolean): Promise<void> {
    const user = this.#existing(userId);
    return this.#restrict(() => this.#uses.store.setSuspended(user, isSuspended));
  }

  /** 403 M_USER_SUSPENDED: for what a suspended account may not do. */
  checkNotSuspended(user: UserNid): void {
    if (this.#uses.store.find(user)?.suspended === true) throw userSuspended();
  }

  /** Inside a write: takes password, admin rights, devices and tokens away for good. Rooms are not left here. */
  close(user: UserNid, erase: boolean): void {
    this.#uses.store.deactivate(user, erase);
    this.#uses.validity.remove(user);
    this.#uses.devices.removeAll(user);
    this.#tell(user);
  }

  #tell(user: UserNid): void {
    for (const observer of this.#uses.observers) observer.onPerson(user);
  }

  /** Survives a power cut once it resolves. */
  #restrict(change: () => void): Promise<void> {
    return this.#uses.db.durable<void>(() => {
      change();
      this.#uses.tokens.forget();
    });
  }

  #change(change: () => void): void {
    this.#uses.db.write<void>(() => {
      change();
      this.#uses.tokens.forget();
    });
  }

  #existing(userId: UserId): UserNid {
    const row = this.row(userId);
    if (row === undefined) throw new MatrixError(404, 'M_NOT_FOUND', 'There is no such user');
    return row.user;
  }

  #summary(row: AccountRow): AccountSummary {
    return {
      userId: this.userId(row.user),
      isAdmin: row.admin,
      isDeactivated: row.deactivated,
      created: millis(row.created),
    };
  }
}
