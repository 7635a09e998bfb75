import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { RoomNid, ServerNid, UserNid } from '../nids.ts';
import { RemoteDeviceStore } from './remote-devices.ts';

/** What is known of another server's user. */
export interface RemoteListRow {
  readonly user: UserNid;
  /** `stream_id` of the newest update in it. */
  readonly stream: number | null;
  readonly stale: 0 | 1;
  /** Grows with all news. */
  readonly marks: number;
  readonly failures: number;
  /** JSON objects. */
  readonly master: string | null;
  readonly selfSigning: string | null;
}

/** Device lists and cross-signing keys of other servers' users. Writing methods belong inside a write. */
export class RemoteListStore {
  readonly devices: RemoteDeviceStore;
  readonly #find;
  readonly #begin;
  readonly #settle;
  readonly #advance;
  readonly #mark;
  readonly #setKeys;
  readonly #postpone;
  readonly #due;
  readonly #nextDue;
  readonly #hasten;
  readonly #remove;
  readonly #removeNews;
  readonly #page;
  readonly #rooms;

  constructor(db: Database) {
    this.devices = new RemoteDeviceStore(db);
    const columns = 'user, stream, stale, marks, failures, master, self_signing AS selfSigning';
    this.#find = db.prepare<[number], RemoteListRow>(`SELECT ${columns} FROM remote_list WHERE user = ?`);
    this.#begin = db.prepare<[number], never>(
      'INSERT INTO remote_list (user, stale) VALUES (?, 1) ON CONFLICT DO NOTHING',
    );
    this.#settle = db.prepare<[number | null, number], never>(
      'UPDATE remote_list SET stream = ?, stale = 0, due = NULL, failures = 0 WHERE user = ?',
    );
    this.#advance = db.prepare<[number, number], never>(
      'UPDATE remote_list SET stream = ?, marks = marks + 1 WHERE user = ?',
    );
    this.#mark = db.prepare<[number, number], never>(
      'UPDATE remote_list SET stale = 1, marks = marks + 1, due = coalesce(due, ?) WHERE user = ?',
    );
    this.#setKeys = db.prepare<[string | null, string | null, number], never>(
      'UPDATE remote_list SET master = ?, self_signing = ?, marks = marks + 1 WHERE user = ?',
    );
    this.#postpone = db.prepare<[number, number, number], never>(
      'UPDATE remote_list SET due = ?, failures = ? WHERE user = ?',
    );
    this.#due = db.prepare<[number, string, number], RemoteListRow>(
      `SELECT ${columns} FROM remote_list INDEXED BY remote_list_due CROSS JOIN user ON user.nid = remote_list.user` +
        ' WHERE due IS NOT NULL AND due <= ? AND NOT EXISTS' +
        ' (SELECT 1 FROM json_each(?) AS busy WHERE busy.value = user.server) ORDER BY due LIMIT ?',
    );
    this.#nextDue = db
      .prepare<[], Millis>(
        'SELECT due FROM remote_list INDEXED BY remote_list_due WHERE due IS NOT NULL ORDER BY due LIMIT 1',
      )
      .pluck();
    this.#hasten = db.prepare<[number, number, number], never>(
      'UPDATE remote_list INDEXED BY remote_list_due SET due = ? WHERE due IS NOT NULL AND due > ?' +
        ' AND (SELECT server FROM user WHERE user.nid = remote_list.user) = ?',
    );
    this.#remove = db.prepare<[number], never>('DELETE FROM remote_list WHERE user = ?');
    this.#removeNews = db.prepare<[number], never>('DELETE FROM device_list WHERE user = ?');
    this.#page = db
      .prepare<[number, number], UserNid>('SELECT user FROM remote_list WHERE user > ? ORDER BY user LIMIT ?')
      .pluck();
    this.#rooms = db
      .prepare<{ user: number; server: number; own: number; except: number; limit: number }, RoomNid>(
        'SELECT theirs.room FROM room_server AS theirs INDEXED BY room_server_server' +
          ' CROSS JOIN member ON member.room = theirs.room AND member.user = :user AND +member.membership = 1' +
          ' CROSS JOIN room_server AS ours INDEXED BY room_server_server' +
          ' ON ours.server = :own AND ours.room = theirs.room AND ours.to_pos IS NULL' +
          ' WHERE theirs.server = :server AND theirs.to_pos IS NULL AND theirs.room <> :except LIMIT :limit',
      )
      .pluck();
  }

  find(user: UserNid): RemoteListRow | undefined {
    return this.#find.get(user);
  }

  /** Begins to follow a user, of whom nothing is known yet. */
  begin(user: UserNid): void {
    this.#begin.run(user);
  }

  /** The list is whole, as of this update. */
  settle(user: UserNid, stream: number | null): void {
    this.#settle.run(stream, user);
  }

  /** One more update is in the list. */
  advance(user: UserNid, stream: number): void {
    this.#advance.run(stream, user);
  }

  /** Something is missing in the list, which is to be fetched at `due` unless that is planned already. */
  mark(user: UserNid, due: Millis): void {
    this.#mark.run(due, user);
  }

  setCrossSigning(user: UserNid, master: string | null, selfSigning: string | null): void {
    this.#setKeys.run(master, selfSigning, user);
  }

  postpone(user: UserNid, due: Millis, failures: number): void {
    this.#postpone.run(due, failures, user);
  }

  /** Lists to be fetched by now, but not of users of the servers in `busy`. */
  due(now: Millis, busy: readonly ServerNid[], limit: number): RemoteListRow[] {
    return this.#due.all(now, JSON.stringify(busy), limit);
  }

  /** When the next list is to be fetched. */
  nextDue(): Millis | undefined {
    return this.#nextDue.get();
  }

  /** What was put off for a server is to be done now. */
  hasten(server: ServerNid, now: Millis): void {
    this.#hasten.run(now, now, server);
  }

  /** Forgets all about a user. */
  remove(user: UserNid): void {
    this.#remove.run(user);
    this.devices.removeAll(user);
    this.#removeNews.run(user);
  }

  /** One page of the users that are followed. */
  page(after: UserNid | 0, limit: number): UserNid[] {
    return this.#page.all(after, limit);
  }

  /** Rooms in which the user of another server is joined and any of our users too. */
  sharedRooms(user: UserNid, { server, own, except = 0, limit }: SharedRooms): RoomNid[] {
    return this.#rooms.all({ user, server, own, except, limit });
  }
}

export interface SharedRooms {
  /** The user's server. */
  readonly server: ServerNid;
  readonly own: ServerNid;
  /** Not this room. */
  readonly except?: RoomNid | 0;
  readonly limit: number;
}
