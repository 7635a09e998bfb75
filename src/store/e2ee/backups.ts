import type { Database } from '../db.ts';
import type { RoomNid, UserNid } from '../nids.ts';

/** A version of a user's backup. */
export interface BackupRow {
  readonly version: number;
  readonly algorithm: string;
  /** A JSON object. */
  readonly authData: string;
  /** What its session keys are kept under. */
  readonly store: number;
  readonly count: number;
  readonly etag: number;
}

/** The key of a session and what tells which of two is the better. */
export interface BackupSession {
  readonly first: number;
  readonly forwarded: number;
  readonly verified: 0 | 1;
  /** A JSON object. */
  readonly data: string;
}

export interface BackupSessionRow extends BackupSession {
  readonly room: RoomNid;
  readonly session: string;
}

const columns = 'version, algorithm, auth_data AS authData, store, count, etag';
const former = `SELECT ${columns} FROM key_backup WHERE user = ? AND formerly = ? AND auth_data IS NOT NULL`;
const renew = `UPDATE key_backup
  SET formerly = version,
    version = max(:floor, 1 + (SELECT max(version) FROM key_backup any WHERE any.user = key_backup.user))
  WHERE auth_data IS NOT NULL AND version =
    (SELECT max(version) FROM key_backup newest WHERE newest.user = key_backup.user AND newest.auth_data IS NOT NULL)`;

const replace =
  'UPDATE backup_session SET first = ?, forwarded = ?, verified = ?, data = ?' +
  ' WHERE store = ? AND room = ? AND session = ?';

/** Backups of room keys. Writing methods belong inside a write. */
export class BackupStore {
  readonly #newest;
  readonly #one;
  readonly #former;
  readonly #lastVersion;
  readonly #insert;
  readonly #setAuthData;
  readonly #setContent;
  readonly #delete;
  readonly #renew;
  readonly #versions;
  readonly #newStore;
  readonly #drop;
  readonly #session;
  readonly #add;
  readonly #replace;
  readonly #removeSession;
  readonly #removeRoom;
  readonly #page;
  readonly #roomPage;
  readonly #dropped;
  readonly #removeSome;
  readonly #removeStore;

  constructor(db: Database) {
    this.#newest = db.prepare<[user: number], BackupRow>(
      `SELECT ${columns} FROM key_backup WHERE user = ? AND auth_data IS NOT NULL ORDER BY version DESC LIMIT 1`,
    );
    this.#one = db.prepare<[user: number, version: number], BackupRow>(
      `SELECT ${columns} FROM key_backup WHERE user = ? AND version = ? AND auth_data IS NOT NULL`,
    );
    this.#former = db.prepare<[user: number, version: number], BackupRow>(former);
    this.#lastVersion = db
      .prepare<[user: number], number | null>('SELECT max(version) FROM key_backup WHERE user = ?')
      .pluck();
    this.#insert = db.prepare<[number, number, string, string, number], never>(
      'INSERT INTO key_backup (user, version, algorithm, auth_data, store, count, etag) VALUES (?, ?, ?, ?, ?, 0, 0)',
    );
    this.#setAuthData = db.prepare<[string, number, number], never>(
      'UPDATE key_backup SET auth_data = ? WHERE user = ? AND version = ?',
    );
    this.#setContent = db.prepare<[number, number, number, number, number], never>(
      'UPDATE key_backup SET store = ?, count = ?, etag = ? WHERE user = ? AND version = ?',
    );
    this.#delete = db.prepare<[number, number], never>(
      'UPDATE key_backup SET auth_data = NULL, count = 0 WHERE user = ? AND version = ?',
    );
    this.#renew = db.prepare<{ floor: number }, never>(renew);
    this.#versions = db.prepare<[user: number], BackupRow>(
      `SELECT ${columns} FROM key_backup WHERE user = ? AND auth_data IS NOT NULL`,
    );
    this.#newStore = db.prepare<[], never>('INSERT INTO backup_store DEFAULT VALUES');
    this.#drop = db.prepare<[store: number], never>('UPDATE backup_store SET dropped = 1 WHERE nid = ?');
    const content = 'room, session, first, forwarded, verified, data';
    this.#session = db.prepare<[number, number, string], BackupSessionRow>(
      `SELECT ${content} FROM backup_session WHERE store = ? AND room = ? AND session = ?`,
    );
    this.#add = db.prepare<[number, number, string, number, number, number, string], never>(
      `INSERT INTO backup_session (store, ${content}) VALUES (?, ?, ?, ?, ?, ?, ?)` +
        ' ON CONFLICT (store, room, session) DO NOTHING',
    );
    this.#replace = db.prepare<[number, number, number, string, number, number, string], never>(replace);
    this.#removeSession = db.prepare<[number, number, string], never>(
      'DELETE FROM backup_session WHERE store = ? AND room = ? AND session = ?',
    );
    this.#removeRoom = db.prepare<[number, number], never>('DELETE FROM backup_session WHERE store = ? AND room = ?');
    this.#page = db.prepare<[number, number, string, number], BackupSessionRow>(
      `SELECT ${content} FROM backup_session WHERE store = ? AND (room, session) > (?, ?)` +
        ' ORDER BY room, session LIMIT ?',
    );
    this.#roomPage = db.prepare<[number, number, string, number], BackupSessionRow>(
      `SELECT ${content} FROM backup_session WHERE store = ? AND room = ? AND session > ? ORDER BY session LIMIT ?`,
    );
    this.#dropped = db
      .prepare<[], number>('SELECT nid FROM backup_store WHERE dropped = 1 ORDER BY nid LIMIT 1')
      .pluck();
    this.#removeSome = db.prepare<{ store: number; limit: number }, never>(
      'DELETE FROM backup_session WHERE nid IN' +
        ' (SELECT nid FROM backup_session WHERE store = :store ORDER BY room, session LIMIT :limit)',
    );
    this.#removeStore = db.prepare<[store: number], never>('DELETE FROM backup_store WHERE nid = ?');
  }

  /** The version in use. */
  newest(user: UserNid): BackupRow | undefined {
    return this.#newest.get(user);
  }

  version(user: UserNid, version: number): BackupRow | undefined {
    return this.#one.get(user, version);
  }

  /** The version that had this number until it was given another. */
  former(user: UserNid, version: number): BackupRow | undefined {
    return this.#former.get(user, version);
  }

  /** Makes a version with a number that the user never had before; returns it. */
  create(user: UserNid, algorithm: string, authData: string): number {
    const version = (this.#lastVersion.get(user) ?? 0) + 1;
    this.#insert.run(user, version, algorithm, authData, this.#store());
    return version;
  }

  setAuthData(user: UserNid, version: number, authData: string): void {
    this.#setAuthData.run(authData, user, version);
  }

  setCount(user: UserNid, { version, store, etag }: BackupRow, count: number): void {
    this.#setContent.run(store, count, etag + 1, user, version);
  }

  /** Takes all session keys out at once; their rows go later. */
  empty(user: UserNid, { version, store, etag }: BackupRow): void {
    this.#drop.run(store);
    this.#setContent.run(this.#store(), 0, etag + 1, user, version);
  }

  delete(user: UserNid, { version, store }: BackupRow): void {
    this.#drop.run(store);
    this.#delete.run(user, version);
  }

  /** Gives everybody's newest version another number, which is `floor` at least. */
  renew(floor: number): void {
    this.#renew.run({ floor });
  }

  deleteAll(user: UserNid): void {
    for (const row of this.#versions.all(user)) this.delete(user, row);
  }

  session(store: number, room: RoomNid, session: string): BackupSessionRow | undefined {
    return this.#session.get(store, room, session);
  }

  /** False if the session has a key already. */
  add(store: number, { room, session, first, forwarded, verified, data }: BackupSessionRow): boolean {
    return this.#add.run(store, room, session, first, forwarded, verified, data).changes > 0;
  }

  replace(store: number, { room, session, first, forwarded, verified, data }: BackupSessionRow): void {
    this.#replace.run(first, forwarded, verified, data, store, room, session);
  }

  removeSession(store: number, room: RoomNid, session: string): number {
    return this.#removeSession.run(store, room, session).changes;
  }

  removeRoom(store: number, room: RoomNid): number {
    return this.#removeRoom.run(store, room).changes;
  }

  /** One page of everything, by room and session. */
  page(store: number, after: Pick<BackupSessionRow, 'room' | 'session'> | undefined, limit: number) {
    return this.#page.all(store, after?.room ?? 0, after?.session ?? '', limit);
  }

  /** One page of a room, by session. */
  roomPage(store: number, room: RoomNid, after: string, limit: number): BackupSessionRow[] {
    return this.#roomPage.all(store, room, after, limit);
  }

  /** Deletes some rows of what was dropped; false when nothing is left. */
  sweepDropped(limit: number): boolean {
    const store = this.#dropped.get();
    if (store === undefined) return false;
    if (this.#removeSome.run({ store, limit }).changes < limit) this.#removeStore.run(store);
    return true;
  }

  #store(): number {
    return Number(this.#newStore.run().lastInsertRowid);
  }
}
