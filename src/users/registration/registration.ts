import { forbidden, invalidParam, MatrixError, missingParam } from '../../protocol/errors.ts';
import type { UserId } from '../../protocol/ids/types.ts';
import { localpartOf } from '../../protocol/ids/user-id.ts';
import type { Database } from '../../store/db.ts';
import type { UserNid } from '../../store/nids.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Accounts } from '../accounts.ts';
import type { Devices } from '../devices.ts';
import type { Guessing } from '../login/guessing.ts';
import type { Logins, Session, SessionWish } from '../login/logins.ts';
import type { Passwords } from '../login/passwords.ts';
import type { Tokens } from '../login/tokens.ts';
import type { Uia, UiaPassed } from '../login/uia.ts';
import type { StageName } from '../login/uia-stages.ts';
import type { MailAddresses } from '../mail/mail-addresses.ts';
import type { RegistrationTokens } from './registration-tokens.ts';
import { policiesOf, type TermsDocument } from './terms.ts';

export type RegistrationMode = 'closed' | 'token' | 'open';

export interface RegistrationWish extends SessionWish {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly inhibitLogin: boolean;
  /** Who registers is a guest until now, and keeps the user ID. */
  readonly guest: GuestAccount | undefined;
}

export interface GuestAccount {
  readonly user: UserNid;
  readonly userId: UserId;
}

export interface Registered {
  readonly userId: UserId;
  /** `undefined` if the client wanted none. */
  readonly session: Session | undefined;
}

export interface RegistrationUses {
  readonly db: Database;
  readonly mode: RegistrationMode;
  /** Whether guests are let in. */
  readonly guests: boolean;
  readonly tokens: Tokens;
  /** What people accept to make an account. */
  readonly terms: readonly TermsDocument[];
  readonly accounts: Accounts;
  readonly devices: Devices;
  readonly logins: Logins;
  readonly passwords: Passwords;
  readonly registrationTokens: RegistrationTokens;
  readonly uia: Uia;
  readonly guessing: Guessing;
  readonly mailAddresses: MailAddresses;
  readonly clock: Clock;
}

const flowsOf: { readonly [Mode in RegistrationMode]: readonly (readonly StageName[])[] } = {
  closed: [],
  token: [['m.login.registration_token']],
  open: [['m.login.dummy']],
};

const noGuest = () => forbidden('guest_access_token is not the token of a guest');

/** People making their own accounts. */
export class Registration {
  readonly #uses: RegistrationUses;

  constructor(uses: RegistrationUses) {
    this.#uses = uses;
  }

  /** What has to be shown; a request is refused before that if it could not be granted anyway. */
  get flows(): readonly (readonly StageName[])[] {
    const { mode, terms, mailAddresses } = this.#uses;
    const plain = flowsOf[mode].map((stages) => {
      const rest = terms.length === 0 ? [] : (['m.login.terms'] as const);
      return [...stages.filter((stage) => stage !== 'm.login.dummy'), ...rest];
    });
    // The address first: a flow that is the beginning of another would be complete before that.
    const withMail = mailAddresses.enabled ? plain.map((stages) => ['m.login.email.identity' as const, ...stages]) : [];
    return [...plain.map((stages) => (stages.length === 0 ? (['m.login.dummy'] as const) : stages)), ...withMail];
  }

  get terms(): readonly TermsDocument[] {
    return this.#uses.terms;
  }

  /** What the stages tell the client. */
  get params(): JsonObject {
    const { terms } = this.#uses;
    return terms.length === 0 ? {} : { 'm.login.terms': policiesOf(terms) };
  }

  /** 403 M_FORBIDDEN where nobody may register, or not as this kind of user. 400 M_INVALID_PARAM no such kind. */
  checkOpen(kind: string): void {
    if (kind === 'guest') {
      if (!this.#uses.guests) throw forbidden('This server has no guests');
      return;
    }
    if (kind !== 'user') throw invalidParam('kind must be "user" or "guest"');
    if (this.#uses.mode === 'closed') throw forbidden('Registration is closed on this server');
  }

  /** 400 M_INVALID_USERNAME, M_USER_IN_USE, M_WEAK_PASSWORD, M_INVALID_PARAM; 413 M_TOO_LARGE. */
  check(wish: RegistrationWish): void {
    const { accounts, devices, passwords } = this.#uses;
    if (wish.guest !== undefined) this.#checkGuest(wish.guest, wish.username);
    else if (wish.username !== undefined) accounts.freeUserId(wish.username);
    if (wish.password !== undefined) passwords.checkStrength(wish.password);
    devices.checkName(wish.deviceName);
    devices.wantedId(wish.deviceId);
  }

  /** Makes the account, after `check` and the stages. Resolves when it survives a power cut. */
  async register(wish: RegistrationWish, passed: UiaPassed): Promise<Registered> {
    const { db, accounts, devices, logins, passwords, uia, mailAddresses, clock } = this.#uses;
    if (wish.password === undefined) throw missingParam('Missing password');
    const { guest } = wish;
    const userId = guest?.userId ?? this.#freeUserId(wish.username);
    const deviceId = devices.wantedId(wish.deviceId);
    const password = await passwords.hash(wish.password);
    return db.durable<Registered>(() => {
      if (guest !== undefined && !accounts.adopt(guest.user, password)) throw noGuest();
      const user = guest?.user ?? accounts.insert(userId, password, false);
      if (user === undefined) throw new MatrixError(400, 'M_USER_IN_USE', 'This user name is taken');
      uia.finish(passed);
      if (passed.mail !== undefined) mailAddresses.bind(user, { address: passed.mail, validated: clock.now() });
      return { userId, session: wish.inhibitLogin ? undefined : logins.begin(user, deviceId, wish) };
    });
  }

  /** Lets a guest in. Who has no password needs no stages; of what a client wishes only the device's name counts. */
  registerGuest(wish: SessionWish): Promise<Registered> {
    const { db, accounts, devices, logins } = this.#uses;
    devices.checkName(wish.deviceName);
    const deviceId = devices.wantedId(undefined);
    const userId = accounts.anyUserId();
    return db.durable<Registered>(() => {
      const user = accounts.insertGuest(userId);
      return { userId, session: logins.begin(user, deviceId, { ...wish, refreshable: false }) };
    });
  }

  /** The guest whom a token belongs to. 403 M_FORBIDDEN if it is nobody's, or that of a person. */
  guestOf(token: string, ip: string): GuestAccount {
    try {
      const { guest, user, userId } = this.#uses.tokens.authenticate(token, {
        ip,
        agent: undefined,
        evenIfLocked: false,
      });
      if (guest) return { user, userId };
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
    }
    throw noGuest();
  }

  #freeUserId(username: string | undefined): UserId {
    const { accounts } = this.#uses;
    return username === undefined ? accounts.anyUserId() : accounts.freeUserId(username);
  }

  #checkGuest({ userId }: GuestAccount, username: string | undefined): void {
    if (username === undefined) throw missingParam('Missing username');
    if (username.toLowerCase() !== localpartOf(userId).toLowerCase()) {
      throw invalidParam('username must be that of the guest');
    }
  }

  /** 403 M_FORBIDDEN where nobody may register; 429 M_LIMIT_EXCEEDED after too many wrong ones. */
  isTokenValid(token: string, ip: string): boolean {
    const { mode, guessing, registrationTokens } = this.#uses;
    if (mode === 'closed') throw forbidden('Registration is closed on this server');
    const subject = `registration token ${ip}`;
    guessing.check(subject, ip);
    const valid = registrationTokens.isValid(token);
    if (!valid) guessing.failed(subject, ip);
    return valid;
  }
}
