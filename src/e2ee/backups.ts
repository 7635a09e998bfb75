import { canonicalJson } from '../protocol/canonical-json.ts';
import { invalidParam, MatrixError, notFound, tooLarge } from '../protocol/errors.ts';
import { parseRoomId } from '../protocol/ids/room-id.ts';
import { parseJson } from '../protocol/parse-json.ts';
import type { Database } from '../store/db.ts';
import type { BackupRow, BackupSession, BackupSessionRow, BackupStore } from '../store/e2ee/backups.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid, UserNid } from '../store/nids.ts';
import { type JsonObject } from '../util/json.ts';

export interface BackupsUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly backups: BackupStore;
}

/** The key of a session as clients write it. */
export interface SessionData {
  readonly first_message_index: number;
  readonly forwarded_count: number;
  readonly is_verified: boolean;
  readonly session_data: JsonObject;
}

/** Room ID → session ID → key. */
export type RoomSessions = Readonly<Record<string, Readonly<Record<string, SessionData>>>>;

/** What is meant: everything, a room, or a session of it. */
export interface BackupScope {
  readonly roomId?: string;
  readonly sessionId?: string;
}

export interface BackupState {
  readonly etag: string;
  readonly count: number;
}

const maxAuthData = 64 * 1024;
const maxSessionData = 16 * 1024;
const maxSessionId = 255;
/** Session keys read at a time: some hundred kB. */
const pageSize = 200;

/**
 * Backups of room keys, encrypted by the clients.
 * @see https://spec.matrix.org/v1.19/client-server-api/#server-side-key-backups
 */
export class Backups {
  readonly #uses: BackupsUses;

  constructor(uses: BackupsUses) {
    this.#uses = uses;
  }

  /** Resolves with the number of the new version, which is the one in use from now on. 413 M_TOO_LARGE. */
  create(user: UserNid, algorithm: string, authData: JsonObject): Promise<string> {
    const text = authText(authData);
    if (algorithm.length > maxSessionId) throw tooLarge('The algorithm has too long a name');
    return this.#uses.db.durable(() => String(this.#uses.backups.create(user, algorithm, text)));
  }

  /** The version asked for, or the one in use. 404 M_NOT_FOUND. */
  info(user: UserNid, version: string | undefined): JsonObject {
    const row = version === undefined ? this.#uses.backups.newest(user) : this.#readable(user, version);
    if (row === undefined) throw notFound('There is no backup');
    const { algorithm, authData } = row;
    return { algorithm, auth_data: parseJson(authData), version: version ?? String(row.version), ...stateOf(row) };
  }

  /** Replaces the `auth_data` of a version. 400 M_INVALID_PARAM another algorithm · 404 M_NOT_FOUND · 413 M_TOO_LARGE. */
  setAuthData(user: UserNid, version: string, algorithm: string, authData: JsonObject): Promise<void> {
    const text = authText(authData);
    return this.#uses.db.durable<void>(() => {
      const row = this.#existing(user, version);
      if (row.algorithm !== algorithm) throw invalidParam('The algorithm of a backup does not change');
      this.#uses.backups.setAuthData(user, row.version, text);
    });
  }

  /** 404 M_NOT_FOUND for a version that never was; one that is deleted stays so. */
  deleteVersion(user: UserNid, version: string): Promise<void> {
    return this.#uses.db.durable<void>(() => this.#uses.backups.delete(user, this.#existing(user, version)));
  }

  /**
   * Keeps each key that is better than the one already there. 403 M_WRONG_ROOM_KEYS_VERSION not the version in use ·
   * 404 M_NOT_FOUND no backup · 400 M_INVALID_PARAM no room ID · 413 M_TOO_LARGE.
   */
  put(user: UserNid, version: string, rooms: RoomSessions): Promise<BackupState> {
    const given = Object.entries(rooms).map(([roomId, sessions]) => {
      const id = parseRoomId(roomId);
      if (id === undefined) throw invalidParam('Not a room ID');
      return { roomId: id, sessions: Object.entries(sessions).map(([session, data]) => toRow(session, data)) };
    });
    return this.#uses.db.durable(() => {
      const backup = this.#current(user, version);
      let { count } = backup;
      let isChanged = false;
      for (const { roomId, sessions } of given) {
        if (sessions.length === 0) continue;
        const room = this.#uses.interning.room(roomId);
        for (const session of sessions) {
          const outcome = this.#putOne(backup.store, { room, ...session });
          if (outcome === 'added') count++;
          isChanged ||= outcome !== 'kept';
        }
      }
      if (isChanged) this.#uses.backups.setCount(user, backup, count);
      return stateOf({ count, etag: backup.etag + (isChanged ? 1 : 0) });
    });
  }

  /** 404 M_NOT_FOUND. */
  session(user: UserNid, version: string, roomId: string, sessionId: string): JsonObject {
    const backup = this.#readable(user, version);
    const room = this.#uses.interning.findRoom(roomId);
    const row = room === undefined ? undefined : this.#uses.backups.session(backup.store, room, sessionId);
    if (row === undefined) throw notFound('There is no such session in this backup');
    return parseJson(sessionText(row)) as JsonObject;
  }

  /** `{"sessions":{…}}` of a room, in pieces. 404 M_NOT_FOUND no such backup, at once. */
  room(user: UserNid, version: string, roomId: string): Iterable<string> {
    const { store } = this.#readable(user, version);
    const room = this.#uses.interning.findRoom(roomId);
    return this.#roomPieces(store, room);
  }

  /** `{"rooms":{…}}`, in pieces. 404 M_NOT_FOUND no such backup, at once. */
  all(user: UserNid, version: string): Iterable<string> {
    return this.#allPieces(this.#readable(user, version).store);
  }

  /** Deletes a session, a room's, or all. 404 M_NOT_FOUND no such backup. */
  remove(user: UserNid, version: string, { roomId, sessionId }: BackupScope): Promise<BackupState> {
    const { db, interning, backups } = this.#uses;
    return db.durable(() => {
      const backup = this.#existing(user, version);
      if (roomId === undefined) {
        if (backup.count === 0) return stateOf(backup);
        backups.empty(user, backup);
        return stateOf({ count: 0, etag: backup.etag + 1 });
      }
      const room = interning.findRoom(roomId);
      if (room === undefined) return stateOf(backup);
      const { store } = backup;
      const gone =
        sessionId === undefined ? backups.removeRoom(store, room) : backups.removeSession(store, room, sessionId);
      if (gone === 0) return stateOf(backup);
      const count = backup.count - gone;
      backups.setCount(user, backup, count);
      return stateOf({ count, etag: backup.etag + 1 });
    });
  }

  /** Inside a write: the account is closed. */
  forget(user: UserNid): void {
    this.#uses.backups.deleteAll(user);
  }

  /**
   * Inside a write, after a restore: what clients have put into their backups since is lost, and they do not know. A new
   * number of the version makes them bring everything again; `floor` is above all that were given out meanwhile. Under
   * its former number it can still be read, by clients that have not noticed.
   */
  renew(floor: number): void {
    this.#uses.backups.renew(floor);
  }

  /** A slice of what was deleted goes; false when nothing is left. */
  sweep(limit: number): boolean {
    return this.#uses.db.write(() => this.#uses.backups.sweepDropped(limit));
  }

  #putOne(store: number, session: BackupSessionRow): 'added' | 'replaced' | 'kept' {
    const { backups } = this.#uses;
    // Nearly all are new: they are not looked up before.
    if (backups.add(store, session)) return 'added';
    const before = backups.session(store, session.room, session.session);
    if (before !== undefined && !isBetter(session, before)) return 'kept';
    backups.replace(store, session);
    return 'replaced';
  }

  *#roomPieces(store: number, room: RoomNid | undefined): Generator<string> {
    yield '{"sessions":{';
    let after = '';
    let separator = '';
    while (room !== undefined) {
      const page = this.#uses.backups.roomPage(store, room, after, pageSize);
      const texts = page.map((row) => `${JSON.stringify(row.session)}:${sessionText(row)}`);
      if (texts.length > 0) yield separator + texts.join(',');
      separator = ',';
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) break;
      after = last.session;
    }
    yield '}}';
  }

  *#allPieces(store: number): Generator<string> {
    const { backups, interning } = this.#uses;
    yield '{"rooms":{';
    let last: BackupSessionRow | undefined;
    while (true) {
      const page = backups.page(store, last, pageSize);
      let text = '';
      for (const row of page) {
        const isSame = row.room === last?.room;
        if (isSame) text += ',';
        else text += `${last === undefined ? '' : '}},'}${JSON.stringify(interning.roomId(row.room))}:{"sessions":{`;
        text += `${JSON.stringify(row.session)}:${sessionText(row)}`;
        last = row;
      }
      if (text !== '') yield text;
      if (page.length < pageSize) break;
    }
    yield last === undefined ? '}}' : '}}}}';
  }

  #current(user: UserNid, version: string): BackupRow {
    const newest = this.#uses.backups.newest(user);
    if (newest === undefined) throw notFound('There is no backup');
    if (String(newest.version) === version) return newest;
    this.#readable(user, version);
    throw new MatrixError(403, 'M_WRONG_ROOM_KEYS_VERSION', 'This is not the version of the backup in use', {
      fields: { current_version: String(newest.version) },
    });
  }

  #readable(user: UserNid, version: string): BackupRow {
    const number = numberOf(version);
    const former = number === undefined ? undefined : this.#uses.backups.former(user, number);
    return former ?? this.#existing(user, version);
  }

  #existing(user: UserNid, version: string): BackupRow {
    const row = this.#find(user, version);
    if (row === undefined) throw notFound('There is no such backup');
    return row;
  }

  #find(user: UserNid, version: string): BackupRow | undefined {
    const number = numberOf(version);
    return number === undefined ? undefined : this.#uses.backups.version(user, number);
  }
}

function numberOf(version: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(version) ? Number(version) : undefined;
}

function stateOf({ etag, count }: Pick<BackupRow, 'etag' | 'count'>): { etag: string; count: number } {
  return { etag: String(etag), count };
}

/** A verified key, then the one that starts earlier, then the one that went through fewer hands. */
function isBetter(one: BackupSession, other: BackupSession): boolean {
  if (one.verified !== other.verified) return one.verified > other.verified;
  if (one.first !== other.first) return one.first < other.first;
  return one.forwarded < other.forwarded;
}

function authText(authData: JsonObject): string {
  const text = canonicalJson(authData, 'lenient');
  if (text.length > maxAuthData) throw tooLarge(`auth_data may have at most ${maxAuthData} bytes`);
  return text;
}

function toRow(session: string, data: SessionData): Omit<BackupSessionRow, 'room'> {
  if (session.length > maxSessionId) throw tooLarge(`A session ID may have at most ${maxSessionId} bytes`);
  const text = JSON.stringify(data.session_data);
  if (text.length > maxSessionData) throw tooLarge(`session_data may have at most ${maxSessionData} bytes`);
  const { first_message_index: first, forwarded_count: forwarded, is_verified: isVerified } = data;
  return { session, first, forwarded, verified: isVerified ? 1 : 0, data: text };
}

function sessionText({ first, forwarded, verified, data }: BackupSession): string {
  const flag = verified === 1;
  return `{"first_message_index":${first},"forwarded_count":${forwarded},"is_verified":${flag},"session_data":${data}}`;
}
