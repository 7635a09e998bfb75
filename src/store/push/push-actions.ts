import type { JsonValue } from '../../util/json.ts';
import { Lru } from '../../util/lru.ts';
import type { Database } from '../db.ts';
import type { EventNid, RoomNid, StreamPos, UserNid } from '../nids.ts';
import { packActions, unpackActions } from './action-lists.ts';

/** The thread column for events that are in no thread. */
export const mainTimeline = 0;

/** Something users are notified of. */
export interface PushAction {
  readonly room: RoomNid;
  readonly pos: StreamPos;
  readonly event: EventNid;
  readonly thread: EventNid | typeof mainTimeline;
  readonly highlight: boolean;
  /** Of the push rule that matched. */
  readonly actions: readonly JsonValue[];
}

/** One of a user's notifications, read or not. */
export interface Notification {
  readonly room: RoomNid;
  readonly pos: StreamPos;
  readonly event: EventNid;
  readonly highlight: boolean;
  readonly actions: readonly JsonValue[];
  readonly read: boolean;
}

interface StoredNotification {
  readonly room: RoomNid;
  readonly pos: StreamPos;
  readonly event: EventNid;
  readonly highlight: 0 | 1;
  readonly actions: number | string;
}

/** Notifications of each user that are kept when they have been read: as many as anybody looks back at. */
const maxRead = 500;
/** So many times may a user mark something as read before the oldest go. */
const trimEvery = 32;
/** Users of whom it is remembered how often they did; others are trimmed at once. Two numbers each. */
const maxRemembered = 1024;

/** The newest unread events that notified each user, one by one. Writing methods belong inside a write. */
export class PushActions {
  readonly #untrimmed = new Lru<UserNid, number>(maxRemembered);
  readonly #insert;
  readonly #behind;
  readonly #oldest;
  readonly #drop;
  readonly #dropThread;
  readonly #dropAll;
  readonly #count;
  readonly #keepRead;
  readonly #keepReadThread;
  readonly #trimRead;
  readonly #dropRead;
  readonly #dropReadUpTo;
  readonly #after;
  readonly #unreadBefore;
  readonly #readBefore;

  constructor(db: Database) {
    this.#insert = db.prepare<(number | bigint | string)[], never>(
      'INSERT INTO push_action (user, room, pos, event, thread, highlight, actions)' +
        ' SELECT value, ?, ?, ?, ?, ?, ? FROM json_each(?)',
    );
    this.#behind = db
      .prepare<[user: number, room: number, count: number], StreamPos>(
        'SELECT pos FROM push_action WHERE user = ? AND room = ? ORDER BY pos DESC LIMIT 1 OFFSET ?',
      )
      .pluck();
    this.#oldest = db.prepare<[user: number, room: number], { pos: StreamPos }>(
      'SELECT pos FROM push_action WHERE user = ? AND room = ? ORDER BY pos LIMIT 1',
    );
    this.#drop = db.prepare<[user: number, room: number, upTo: number], never>(
      'DELETE FROM push_action WHERE user = ? AND room = ? AND pos <= ?',
    );
    this.#dropThread = db.prepare<[user: number, room: number, upTo: number, thread: number], never>(
      'DELETE FROM push_action WHERE user = ? AND room = ? AND pos <= ? AND thread = ?',
    );
    this.#dropAll = db.prepare<[user: number, room: number], never>(
      'DELETE FROM push_action WHERE user = ? AND room = ?',
    );
    this.#count = db.prepare<[user: number, room: number, thread: number], { notify: number; highlight: number }>(
      'SELECT count(*) AS notify, coalesce(sum(highlight), 0) AS highlight FROM push_action' +
        ' WHERE user = ? AND room = ? AND thread = ?',
    );
    const keep =
      'INSERT OR REPLACE INTO push_read (user, pos, room, event, highlight, actions)' +
      ' SELECT user, pos, room, event, highlight, actions FROM push_action WHERE user = ? AND room = ? AND pos <= ?';
    this.#keepRead = db.prepare<[user: number, room: number, upTo: number], never>(keep);
    this.#keepReadThread = db.prepare<[user: number, room: number, upTo: number, thread: number], never>(
      `${keep} AND thread = ?`,
    );
    this.#trimRead = db.prepare<[user: number, user: number, keep: number], never>(
      'DELETE FROM push_read WHERE user = ? AND pos <=' +
        ' (SELECT pos FROM push_read WHERE user = ? ORDER BY pos DESC LIMIT 1 OFFSET ?)',
    );
    this.#dropRead = db.prepare<[user: number, room: number], never>(
      'DELETE FROM push_read WHERE user = ? AND room = ?',
    );
    this.#dropReadUpTo = db.prepare<[user: number, upTo: number, room: number], never>(
      'DELETE FROM push_read WHERE user = ? AND pos <= ? AND room = ?',
    );
    const columns = 'room, pos, event, highlight, actions';
    this.#after = db.prepare<[user: number, pos: number], StoredNotification>(
      `SELECT ${columns} FROM push_action WHERE user = ? AND pos > ? ORDER BY pos LIMIT 1`,
    );
    this.#unreadBefore = db.prepare<[user: number, pos: number, limit: number], StoredNotification>(
      `SELECT ${columns} FROM push_action WHERE user = ? AND pos < ? ORDER BY pos DESC LIMIT ?`,
    );
    this.#readBefore = db.prepare<[user: number, pos: number, limit: number], StoredNotification>(
      `SELECT ${columns} FROM push_read WHERE user = ? AND pos < ? ORDER BY pos DESC LIMIT ?`,
    );
  }

  /** For each of the users, a JSON array. */
  insert(users: string, { room, pos, event, thread, highlight, actions }: PushAction): void {
    const packed = packActions(actions);
    const stored = typeof packed === 'number' ? BigInt(packed) : packed;
    this.#insert.run(room, pos, event, thread, highlight ? 1 : 0, stored, users);
  }

  /** The oldest unread notification after a position. */
  after(user: UserNid, pos: StreamPos): Notification | undefined {
    const row = this.#after.get(user, pos);
    return row && read(row, false);
  }

  /** Notifications before a position, newest first. */
  before(user: UserNid, pos: StreamPos, limit: number): Notification[] {
    const unread = this.#unreadBefore.all(user, pos, limit).map((row) => read(row, false));
    const old = this.#readBefore.all(user, pos, limit).map((row) => read(row, true));
    return [...unread, ...old].sort((a, b) => b.pos - a.pos).slice(0, limit);
  }

  /** The position of the newest behind the newest `count`. */
  behind(user: UserNid, room: RoomNid, count: number): StreamPos | undefined {
    return this.#behind.get(user, room, count);
  }

  oldest(user: UserNid, room: RoomNid): StreamPos | undefined {
    return this.#oldest.get(user, room)?.pos;
  }

  /** Takes what is read out of what is unread. */
  markRead(user: UserNid, room: RoomNid, upTo: StreamPos, thread: number | 'all'): void {
    const { changes } =
      thread === 'all' ? this.#keepRead.run(user, room, upTo) : this.#keepReadThread.run(user, room, upTo, thread);
    if (changes === 0) return;
    this.drop(user, room, upTo, thread);
    this.#trim(user);
  }

  /** Finding the oldest that may stay costs more than all the rest, so it is done now and then only. */
  #trim(user: UserNid): void {
    const reads = (this.#untrimmed.get(user) ?? trimEvery) + 1;
    this.#untrimmed.set(user, reads > trimEvery ? 0 : reads);
    if (reads > trimEvery) this.#trimRead.run(user, user, maxRead);
  }

  drop(user: UserNid, room: RoomNid, upTo: StreamPos, thread: number | 'all'): void {
    if (thread === 'all') this.#drop.run(user, room, upTo);
    else this.#dropThread.run(user, room, upTo, thread);
  }

  dropAll(user: UserNid, room: RoomNid): void {
    this.#dropAll.run(user, room);
    this.#dropRead.run(user, room);
  }

  /** Forgets what was read up to a position. */
  dropRead(user: UserNid, room: RoomNid, upTo: StreamPos): void {
    this.#dropReadUpTo.run(user, upTo, room);
  }

  count(user: UserNid, room: RoomNid, thread: number): { readonly notify: number; readonly highlight: number } {
    return this.#count.get(user, room, thread) ?? { notify: 0, highlight: 0 };
  }
}

function read({ room, pos, event, highlight, actions }: StoredNotification, isRead: boolean): Notification {
  return { room, pos, event, highlight: highlight === 1, actions: unpackActions(actions), read: isRead };
}
