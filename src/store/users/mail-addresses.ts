import type { Database } from '../db.ts';
import type { UserNid } from '../nids.ts';

export interface MailAddress {
  /** In lower case. */
  readonly address: string;
  readonly user: UserNid;
  /** When it was shown to be the user's, milliseconds since the epoch. */
  readonly validated: number;
  readonly added: number;
}

/** What a proof of an address is for. */
export type MailPurpose = 'address' | 'registration' | 'password';

const purposes: readonly MailPurpose[] = ['address', 'registration', 'password'];

export interface MailSession {
  readonly sid: string;
  readonly address: string;
  readonly clientSecret: string;
  readonly purpose: MailPurpose;
  readonly sendAttempt: number;
  /** SHA-256 of what stands in the newest mail. */
  readonly token: Buffer;
  readonly nextLink: string | null;
  /** How many mails were sent. */
  readonly mails: number;
  readonly validated: number | null;
  readonly expires: number;
}

type Raw = Omit<MailSession, 'purpose'> & { readonly purpose: number };

/** Mail addresses of accounts, and the proofs under way. Writing methods belong inside a write. */
export class MailAddressStore {
  readonly #owner;
  readonly #ofUser;
  readonly #insert;
  readonly #remove;
  readonly #removeAll;
  readonly #session;
  readonly #find;
  readonly #count;
  readonly #insertSession;
  readonly #mailed;
  readonly #validate;
  readonly #removeSession;
  readonly #removeExpired;

  constructor(db: Database) {
    this.#owner = db.prepare<[address: string], { user: UserNid }>('SELECT user FROM mail_address WHERE address = ?');
    this.#ofUser = db.prepare<[user: number], MailAddress>(
      'SELECT address, user, validated, added FROM mail_address WHERE user = ?',
    );
    this.#insert = db.prepare<[string, number, number, number]>(
      'INSERT INTO mail_address (address, user, validated, added) VALUES (?, ?, ?, ?)',
    );
    this.#remove = db.prepare<[user: number, address: string]>(
      'DELETE FROM mail_address WHERE user = ? AND address = ?',
    );
    this.#removeAll = db.prepare<[user: number]>('DELETE FROM mail_address WHERE user = ?');
    const columns =
      'sid, address, client_secret AS clientSecret, purpose, send_attempt AS sendAttempt, token,' +
      ' next_link AS nextLink, mails, validated, expires';
    this.#session = db.prepare<[sid: string], Raw>(`SELECT ${columns} FROM mail_session WHERE sid = ?`);
    this.#find = db.prepare<[string, string, number], Raw>(
      `SELECT ${columns} FROM mail_session WHERE address = ? AND client_secret = ? AND purpose = ?`,
    );
    this.#count = db
      .prepare<[address: string], number>('SELECT coalesce(sum(mails), 0) FROM mail_session WHERE address = ?')
      .pluck();
    this.#insertSession = db.prepare<(string | number | Buffer | null)[], never>(
      'INSERT INTO mail_session (sid, address, client_secret, purpose, send_attempt, token, next_link, mails, expires)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)',
    );
    this.#mailed = db.prepare<[number, Buffer, string | null, number, string]>(
      'UPDATE mail_session SET send_attempt = ?, token = ?, next_link = ?, expires = ?, mails = mails + 1 WHERE sid = ?',
    );
    this.#validate = db.prepare<[validated: number, sid: string]>(
      'UPDATE mail_session SET validated = ? WHERE sid = ?',
    );
    this.#removeSession = db.prepare<[sid: string]>('DELETE FROM mail_session WHERE sid = ?');
    this.#removeExpired = db.prepare<[now: number, limit: number]>(
      'DELETE FROM mail_session WHERE sid IN (SELECT sid FROM mail_session WHERE expires <= ? ORDER BY expires LIMIT ?)',
    );
  }

  /** Whose address this is. */
  owner(address: string): UserNid | undefined {
    return this.#owner.get(address)?.user;
  }

  ofUser(user: UserNid): MailAddress[] {
    return this.#ofUser.all(user);
  }

  insert({ address, user, validated, added }: MailAddress): void {
    this.#insert.run(address, user, validated, added);
  }

  /** False if it was not the user's. */
  remove(user: UserNid, address: string): boolean {
    return this.#remove.run(user, address).changes > 0;
  }

  removeAll(user: UserNid): void {
    this.#removeAll.run(user);
  }

  session(sid: string): MailSession | undefined {
    return read(this.#session.get(sid));
  }

  findSession(address: string, clientSecret: string, purpose: MailPurpose): MailSession | undefined {
    return read(this.#find.get(address, clientSecret, purposes.indexOf(purpose)));
  }

  /** Mails sent to an address for sessions that are not forgotten yet. */
  mailsTo(address: string): number {
    return this.#count.get(address) ?? 0;
  }

  insertSession(session: Omit<MailSession, 'mails' | 'validated'>): void {
    const { sid, address, clientSecret, purpose, sendAttempt, token, nextLink, expires } = session;
    const number = purposes.indexOf(purpose);
    this.#insertSession.run(sid, address, clientSecret, number, sendAttempt, token, nextLink, expires);
  }

  /** Another mail, with another token, is sent. */
  mailed(sid: string, mail: Pick<MailSession, 'sendAttempt' | 'token' | 'nextLink' | 'expires'>): void {
    this.#mailed.run(mail.sendAttempt, mail.token, mail.nextLink, mail.expires, sid);
  }

  validate(sid: string, at: number): void {
    this.#validate.run(at, sid);
  }

  removeSession(sid: string): void {
    this.#removeSession.run(sid);
  }

  /** At most `limit` of them, those that ended first; how many. */
  removeExpired(now: number, limit: number): number {
    return this.#removeExpired.run(now, limit).changes;
  }
}

function read(raw: Raw | undefined): MailSession | undefined {
  return raw && { ...raw, purpose: purposes[raw.purpose] as MailPurpose };
}
