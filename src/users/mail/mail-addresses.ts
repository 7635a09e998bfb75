import type { Mailer } from '../../outbound/mailer.ts';
import { forbidden, invalidParam, limitExceeded, MatrixError } from '../../protocol/errors.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { UserNid } from '../../store/nids.ts';
import type { MailAddress, MailAddressStore, MailPurpose, MailSession } from '../../store/users/mail-addresses.ts';
import type { Clock } from '../../util/clock.ts';
import { sha256 } from '../../util/hash.ts';
import type { Log } from '../../util/log.ts';
import { type Random, randomToken } from '../../util/random.ts';
import { confirmationMail } from './mail-texts.ts';

/** Hears of an address that is no longer its user's, inside the write. */
export interface MailAddressObserver {
  onMailAddressRemoved(user: UserNid, address: string): void;
}

export interface MailAddressesUses {
  readonly db: Database;
  readonly store: MailAddressStore;
  readonly mailer: Mailer;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly serverName: ServerName;
  /** What links begin with. */
  readonly publicUrl: string | undefined;
  readonly observers: readonly MailAddressObserver[];
}

/** What a client says who wants a mail sent. */
export interface MailWish {
  readonly email: string;
  readonly clientSecret: string;
  readonly sendAttempt: number;
  readonly nextLink: string | undefined;
}

export interface ProvenAddress {
  readonly address: string;
  readonly validated: number;
}

/** Where the links in mails lead. */
export const confirmPath = '/_hearth/client/confirm_mail';

/** As long as the link in a mail works, and what came of it. */
const lifetime = 24 * 60 * 60_000;
/** Nobody's mailbox is flooded: so many mails a day, whoever asks for them. */
const mailsADay = 10;
/** More than anybody has. */
const maxAddresses = 20;
const sweepAtOnce = 20;
const opaque = /^[0-9a-zA-Z.=_-]{1,255}$/;
/** One mailbox at one host; nothing that could end a header or begin another address. */
const mailbox = /^[^\s@"<>(),:;\\[\]\p{C}]{1,64}@[\p{L}\p{N}](?:[\p{L}\p{N}.-]{0,250}[\p{L}\p{N}])?$/u;

/**
 * Mail addresses of accounts. Whoever opens the link in a mail has shown that its address is theirs; no identity
 * server has a part in it.
 * @see https://spec.matrix.org/v1.19/client-server-api/#adding-account-administrative-contact-information
 */
export class MailAddresses {
  readonly #uses: MailAddressesUses;

  constructor(uses: MailAddressesUses) {
    this.#uses = uses;
  }

  /** Whether this server can send mail. */
  get enabled(): boolean {
    return this.#uses.mailer.enabled;
  }

  list(user: UserNid): MailAddress[] {
    return this.#uses.store.ofUser(user);
  }

  isOf(user: UserNid, address: string): boolean {
    return this.#uses.store.owner(normal(address)) === user;
  }

  /** Whose account has this address. */
  owner(address: string): UserNid | undefined {
    return this.#uses.store.owner(normal(address));
  }

  /**
   * Has a mail sent, once for each `sendAttempt`, and answers the session. 400 M_THREEPID_MEDIUM_NOT_SUPPORTED without
   * a mail server, M_INVALID_PARAM, M_THREEPID_IN_USE, M_THREEPID_NOT_FOUND; 429 M_LIMIT_EXCEEDED; 500
   * M_EMAIL_SEND_ERROR.
   */
  async request(purpose: MailPurpose, wish: MailWish): Promise<string> {
    const { db, store, random, clock } = this.#uses;
    if (!this.enabled) {
      throw new MatrixError(400, 'M_THREEPID_MEDIUM_NOT_SUPPORTED', 'This server sends no mail');
    }
    checkWish(wish);
    const address = normal(wish.email);
    const isKnown = store.owner(address) !== undefined;
    if (purpose === 'password' && !isKnown) {
      throw new MatrixError(400, 'M_THREEPID_NOT_FOUND', 'No account has this address');
    }
    if (purpose !== 'password' && isKnown) throw inUse();
    const known = this.#live(store.findSession(address, wish.clientSecret, purpose));
    if (known !== undefined && wish.sendAttempt <= known.sendAttempt) return known.sid;
    if (store.mailsTo(address) >= mailsADay) throw limitExceeded(60 * 60_000, 'Too many mails to this address');
    const sid = known?.sid ?? randomToken(random, 18);
    const secret = randomToken(random, 24);
    const mail = {
      sendAttempt: wish.sendAttempt,
      token: sha256(secret),
      nextLink: wish.nextLink ?? null,
      expires: clock.now() + lifetime,
    };
    // Counted before it is sent: else many could be under way at once.
    await db.durable<void>(() => {
      this.forgetExpired(sweepAtOnce);
      if (known !== undefined) store.mailed(sid, mail);
      else {
        const over = store.findSession(address, wish.clientSecret, purpose);
        if (over !== undefined) store.removeSession(over.sid);
        store.insertSession({ ...mail, sid, address, clientSecret: wish.clientSecret, purpose });
      }
    });
    await this.#send(purpose, address, this.#link(sid, wish.clientSecret, secret));
    return sid;
  }

  /** Whether a link is good; says where its person goes on. */
  linkOf(sid: string, clientSecret: string, secret: string): { readonly address: string } | undefined {
    const session = this.#live(this.#uses.store.session(sid));
    if (session === undefined || session.clientSecret !== clientSecret) return undefined;
    return session.token.equals(sha256(secret)) ? { address: session.address } : undefined;
  }

  /** Somebody has opened the link and gone on: the address is theirs. `undefined` if the link is not good. */
  async confirm(sid: string, clientSecret: string, secret: string): Promise<{ nextLink: string | null } | undefined> {
    const { db, store, clock } = this.#uses;
    return db.durable(() => {
      if (this.linkOf(sid, clientSecret, secret) === undefined) return undefined;
      const session = store.session(sid) as MailSession;
      if (session.validated === null) store.validate(sid, clock.now());
      return { nextLink: session.nextLink };
    });
  }

  /** Inside a write: uses up what a link has shown. `undefined` if it was not opened, or was for something else. */
  take(sid: string, clientSecret: string, purposes: readonly MailPurpose[]): ProvenAddress | undefined {
    const { store } = this.#uses;
    const session = this.#live(store.session(sid));
    if (session === undefined || session.clientSecret !== clientSecret) return undefined;
    if (session.validated === null || !purposes.includes(session.purpose)) return undefined;
    store.removeSession(sid);
    return { address: session.address, validated: session.validated };
  }

  /** Inside a write: the address is the account's. 400 M_THREEPID_IN_USE, M_INVALID_PARAM too many. */
  bind(user: UserNid, { address, validated }: ProvenAddress): void {
    const { store, clock } = this.#uses;
    const owner = store.owner(address);
    if (owner === user) return;
    if (owner !== undefined) throw inUse();
    if (store.ofUser(user).length >= maxAddresses) throw invalidParam(`A user can have ${maxAddresses} addresses`);
    store.insert({ address, user, validated, added: clock.now() });
  }

  /** Has the account show by a link that an address is its own. 400 M_THREEPID_AUTH_FAILED, M_THREEPID_IN_USE. */
  add(user: UserNid, sid: string, clientSecret: string, also: () => void): Promise<void> {
    return this.#uses.db.durable<void>(() => {
      const proven = this.take(sid, clientSecret, ['address']);
      if (proven === undefined) {
        throw new MatrixError(400, 'M_THREEPID_AUTH_FAILED', 'The link in the mail has not been opened');
      }
      also();
      this.bind(user, proven);
    });
  }

  /** An address that is not the user's is gone already. */
  delete(user: UserNid, address: string): Promise<void> {
    return this.#uses.db.durable<void>(() => this.#remove(user, normal(address)));
  }

  /** Inside a write: the account has no addresses any more. */
  forget(user: UserNid): void {
    for (const { address } of this.list(user)) this.#remove(user, address);
  }

  /** Inside a write. */
  forgetExpired(limit: number): number {
    return this.#uses.store.removeExpired(this.#uses.clock.now(), limit);
  }

  #remove(user: UserNid, address: string): void {
    if (!this.#uses.store.remove(user, address)) return;
    for (const observer of this.#uses.observers) observer.onMailAddressRemoved(user, address);
  }

  async #send(purpose: MailPurpose, to: string, link: string): Promise<void> {
    const { mailer, log, serverName } = this.#uses;
    const outcome = await mailer.send({ to, ...confirmationMail(purpose, serverName, link) });
    if (outcome.kind === 'sent') return;
    log.warn('mail.failed', { detail: outcome.detail });
    if (outcome.kind === 'refused') throw invalidParam('The mail server does not take mail for this address');
    throw new MatrixError(500, 'M_EMAIL_SEND_ERROR', 'The mail could not be sent; try again later');
  }

  #link(sid: string, clientSecret: string, token: string): string {
    const base = (this.#uses.publicUrl ?? '').replace(/\/+$/, '');
    return `${base}${confirmPath}?${new URLSearchParams({ sid, client_secret: clientSecret, token }).toString()}`;
  }

  #live(session: MailSession | undefined): MailSession | undefined {
    return session && this.#uses.clock.now() < session.expires ? session : undefined;
  }
}

/** The form in which addresses are compared. */
function normal(address: string): string {
  return address.normalize('NFC').toLowerCase();
}

function checkWish({ email, clientSecret, sendAttempt, nextLink }: MailWish): void {
  if (!mailbox.test(email)) throw invalidParam('email must be a mail address');
  if (!opaque.test(clientSecret)) throw invalidParam('client_secret has characters that it must not have');
  if (!Number.isSafeInteger(sendAttempt) || sendAttempt < 0) throw invalidParam('send_attempt must be a whole number');
  if (nextLink === undefined) return;
  const url = URL.canParse(nextLink) ? new URL(nextLink) : undefined;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (!isWeb || nextLink.length > 2048) throw invalidParam('next_link must be a web address');
}

const inUse = () => new MatrixError(400, 'M_THREEPID_IN_USE', 'This address belongs to an account already');

/** 403: for a stage that shows who somebody is. */
export const notProven = (): MatrixError =>
  new MatrixError(403, 'M_THREEPID_AUTH_FAILED', 'The link in the mail has not been opened yet');

export const anotherOwner = (): MatrixError => forbidden('This address is not of this account');
