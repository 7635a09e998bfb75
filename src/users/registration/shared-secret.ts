import { createHmac, timingSafeEqual } from 'node:crypto';
import { forbidden, MatrixError } from '../../protocol/errors.ts';
import type { Database } from '../../store/db.ts';
import type { Clock } from '../../util/clock.ts';
import { type Random, randomToken } from '../../util/random.ts';
import type { Accounts } from '../accounts.ts';
import type { Devices } from '../devices.ts';
import type { Logins, Session, SessionWish } from '../login/logins.ts';
import type { Passwords } from '../login/passwords.ts';
import type { Profiles } from '../profiles/profiles.ts';

export interface SharedSecretRequest {
  readonly nonce: string;
  readonly username: string;
  readonly password: string;
  readonly admin: boolean;
  readonly userType: string | undefined;
  /** HMAC-SHA1 in hex. */
  readonly mac: string;
  readonly displayName: string | undefined;
}

export interface SharedSecretUses {
  readonly db: Database;
  readonly secret: string | undefined;
  readonly accounts: Accounts;
  readonly devices: Devices;
  readonly logins: Logins;
  readonly passwords: Passwords;
  readonly profiles: Profiles;
  readonly clock: Clock;
  readonly random: Random;
}

const nonceLifetime = 60_000;

/** Nonces are asked for without any proof; the oldest goes when there are this many. */
const maxNonces = 1000;

/** Accounts made by programs that know the configured secret, in the form that tools around Synapse use. */
export class SharedSecretRegistration {
  readonly #uses: SharedSecretUses;
  /** With the monotonic time at which each is over. */
  readonly #nonces = new Map<string, number>();

  constructor(uses: SharedSecretUses) {
    this.#uses = uses;
  }

  /** 400 M_UNKNOWN without a configured secret. */
  nonce(): string {
    this.#secret();
    const [oldest] = this.#nonces.keys();
    if (oldest !== undefined && this.#nonces.size >= maxNonces) this.#nonces.delete(oldest);
    const nonce = randomToken(this.#uses.random, 24);
    this.#nonces.set(nonce, this.#uses.clock.monotonic() + nonceLifetime);
    return nonce;
  }

  /**
   * 400 M_UNKNOWN unknown nonce · 403 M_FORBIDDEN wrong MAC · 400 M_INVALID_USERNAME, M_USER_IN_USE. The password may be
   * weak: whoever knows the secret is the admin.
   */
  async register(request: SharedSecretRequest, wish: SessionWish): Promise<Session> {
    const { db, accounts, devices, logins, passwords, profiles } = this.#uses;
    const secret = this.#secret();
    const over = this.#nonces.get(request.nonce);
    this.#nonces.delete(request.nonce);
    if (over === undefined || this.#uses.clock.monotonic() >= over) {
      throw new MatrixError(400, 'M_UNKNOWN', 'This nonce is unknown or over');
    }
    if (!hasRightMac(request, secret)) throw forbidden('The MAC is wrong');
    const userId = accounts.freeUserId(request.username);
    const deviceId = devices.wantedId(wish.deviceId);
    const password = await passwords.hash(request.password);
    return db.durable<Session>(() => {
      const user = accounts.insert(userId, password, request.admin);
      if (user === undefined) throw new MatrixError(400, 'M_USER_IN_USE', 'This user name is taken');
      if (request.displayName !== undefined) profiles.begin(user, request.displayName);
      return logins.begin(user, deviceId, wish);
    });
  }

  #secret(): string {
    const { secret } = this.#uses;
    if (secret === undefined) {
      throw new MatrixError(400, 'M_UNKNOWN', 'Registration by a shared secret is not enabled on this server');
    }
    return secret;
  }
}

function hasRightMac(request: SharedSecretRequest, secret: string): boolean {
  const hmac = createHmac('sha1', secret)
    .update(`${request.nonce}\0${request.username}\0${request.password}\0`)
    .update(request.admin ? 'admin' : 'notadmin');
  if (request.userType !== undefined) hmac.update(`\0${request.userType}`);
  const wanted = hmac.digest();
  const given = Buffer.from(request.mac, 'hex');
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}
