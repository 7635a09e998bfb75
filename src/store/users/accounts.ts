import type { Database } from '../db.ts';
import type { RoomNid, ServerNid, UserNid } from '../nids.ts';

export type AccountKind = 'person' | 'guest' | 'appservice';

const kinds: readonly AccountKind[] = ['person', 'guest', 'appservice'];

export interface AccountRow {
  readonly user: UserNid;
  readonly kind: AccountKind;
  /** PHC string; `undefined`: no password login. */
  readonly password: string | undefined;
  readonly admin: boolean;
  /** Milliseconds since the epoch. */
  readonly created: number;
  readonly deactivated: boolean;
  readonly erased: boolean;
  readonly locked: boolean;
  readonly suspended: boolean;
}

export interface NewAccount {
  readonly kind: AccountKind;
  readonly password: string | undefined;
  readonly admin: boolean;
  readonly created: number;
}

interface Raw {
  user: UserNid;
  kind: number;
  password: string | null;
  admin: number;
  created: number;
  deactivated: number;
  erased: number;
  locked: number;
  suspended: number;
}

const columns = 'user, kind, password, admin, created, deactivated, erased, locked, suspended';

/** The accounts of this server. A row stays for ever: a user ID is never given twice. */
export class AccountStore {
  readonly #find;
  readonly #page;
  readonly #insert;
  readonly #setPassword;
  readonly #setAdmin;
  readonly #setLocked;
  readonly #setSuspended;
  readonly #makePerson;
  readonly #guests;
  readonly #deactivate;
  readonly #replacePassword;
  readonly #leaving;
  readonly #erased;

  constructor(db: Database) {
    this.#find = db.prepare<[user: number], Raw>(`SELECT ${columns} FROM account WHERE user = ?`);
    this.#page = db.prepare<[server: number, after: string, limit: number], Raw>(
      `SELECT ${columns} FROM user CROSS JOIN account ON account.user = user.nid` +
        ' WHERE user.server = ? AND user.localpart > ? ORDER BY user.localpart LIMIT ?',
    );
    this.#insert = db.prepare<[number, number, string | null, number, number]>(
      'INSERT INTO account (user, kind, password, admin, created) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#setPassword = db.prepare<[string | null, number]>(
      'UPDATE account SET password = ? WHERE user = ? AND deactivated = 0',
    );
    this.#replacePassword = db.prepare<[string, number, string]>(
      'UPDATE account SET password = ? WHERE user = ? AND password = ?',
    );
    this.#setAdmin = db.prepare<[number, number]>('UPDATE account SET admin = ? WHERE user = ?');
    this.#setLocked = db.prepare<[number, number]>('UPDATE account SET locked = ? WHERE user = ?');
    this.#setSuspended = db.prepare<[number, number]>('UPDATE account SET suspended = ? WHERE user = ?');
    this.#makePerson = db.prepare<[string, number]>(
      // 0 a person, 1 a guest.
      'UPDATE account SET kind = 0, password = ? WHERE user = ? AND kind = 1 AND deactivated = 0',
    );
    this.#guests = db
      .prepare<[room: number], UserNid>(
        'SELECT m.user FROM local_member AS m CROSS JOIN account ON account.user = m.user' +
          // 1 join.
          ' WHERE m.room = ? AND m.membership = 1 AND account.kind = 1',
      )
      .pluck();
    this.#deactivate = db.prepare<[number, number]>(
      'UPDATE account SET deactivated = 1, password = NULL, admin = 0, erased = max(erased, ?) WHERE user = ?',
    );
    this.#erased = db.prepare<[user: number], { erased: number }>('SELECT erased FROM account WHERE user = ?');
    this.#leaving = db
      .prepare<[], UserNid>(
        'SELECT user FROM account WHERE deactivated = 1 AND EXISTS' +
          // 1 join, 2 invite, 3 knock: see events/membership.ts.
          ' (SELECT 1 FROM local_member AS m WHERE m.user = account.user AND m.membership IN (1, 2, 3))',
      )
      .pluck();
  }

  /** Whether the user has asked for what it sent to be erased. */
  isErased(user: UserNid): boolean {
    return this.#erased.get(user)?.erased === 1;
  }

  find(user: UserNid): AccountRow | undefined {
    const raw = this.#find.get(user);
    return raw && toRow(raw);
  }

  /** By localpart, those after `after` (`''`: from the first). */
  page(server: ServerNid, after: string, limit: number): AccountRow[] {
    return this.#page.all(server, after, limit).map(toRow);
  }

  /** False, and nothing changed, if the user has an account, deactivated or not. */
  insert(user: UserNid, account: NewAccount): boolean {
    const kind = kinds.indexOf(account.kind);
    return this.#insert.run(user, kind, account.password ?? null, account.admin ? 1 : 0, account.created).changes === 1;
  }

  /** An account that is closed gets none. */
  setPassword(user: UserNid, password: string | undefined): void {
    this.#setPassword.run(password ?? null, user);
  }

  /** False, and nothing happens, if the password has changed meanwhile. */
  replacePassword(user: UserNid, from: string, to: string): boolean {
    return this.#replacePassword.run(to, user, from).changes === 1;
  }

  setAdmin(user: UserNid, admin: boolean): void {
    this.#setAdmin.run(admin ? 1 : 0, user);
  }

  setLocked(user: UserNid, locked: boolean): void {
    this.#setLocked.run(locked ? 1 : 0, user);
  }

  setSuspended(user: UserNid, suspended: boolean): void {
    this.#setSuspended.run(suspended ? 1 : 0, user);
  }

  /** A guest is one no longer. False, and nothing changed, for somebody who is none. */
  makePerson(user: UserNid, password: string): boolean {
    return this.#makePerson.run(password, user).changes === 1;
  }

  /** The guests in a room. */
  guestsIn(room: RoomNid): UserNid[] {
    return this.#guests.all(room);
  }

  /** Takes password and admin rights away for good. */
  deactivate(user: UserNid, erase: boolean): void {
    this.#deactivate.run(erase ? 1 : 0, user);
  }

  /** Deactivated users who are still in rooms: what came between was a crash. */
  stillLeaving(): UserNid[] {
    return this.#leaving.all();
  }
}

function toRow(raw: Raw): AccountRow {
  return {
    user: raw.user,
    kind: kinds[raw.kind] as AccountKind,
    password: raw.password ?? undefined,
    admin: raw.admin === 1,
    created: raw.created,
    deactivated: raw.deactivated === 1,
    erased: raw.erased === 1,
    locked: raw.locked === 1,
    suspended: raw.suspended === 1,
  };
}
