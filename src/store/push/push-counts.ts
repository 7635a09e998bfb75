import type { Database } from '../db.ts';
import type { EventNid, RoomNid, StreamPos, UserNid } from '../nids.ts';
import { mainTimeline, type Notification, type PushAction, PushActions } from './push-actions.ts';
import { PushCorrections } from './push-corrections.ts';

/** Events kept one by one for each user and room; older unread ones are only counted. */
export const maxActions = 1000;
/** So many more may be kept for a while: those behind are found and dropped together. */
const trimEvery = 50;

/** Unread counts of one thread, or of the main timeline. */
export interface UnreadRow {
  readonly thread: EventNid | typeof mainTimeline;
  readonly notify: number;
  readonly highlight: number;
  /** Of the main timeline's row: when any count of the room changed last. */
  readonly pos: StreamPos;
}

/**
 * What notified each user and is unread, and how much that is by thread. The row of the main timeline is always there
 * once a room had a count and carries the position of the last change in any thread; a thread's row goes when it is
 * read. Writing methods belong inside a write.
 */
export class PushCountStore {
  readonly #actions: PushActions;
  readonly #corrections: PushCorrections;
  readonly #increase;
  readonly #touch;
  readonly #unread;
  readonly #set;
  readonly #drop;
  readonly #dropAll;
  readonly #roomsChanged;
  readonly #lower;
  readonly #raise;
  readonly #decrease;
  readonly #hasPushers;
  readonly #wakePushers;
  readonly #total;

  constructor(db: Database) {
    this.#actions = new PushActions(db);
    this.#corrections = new PushCorrections(db);
    // `WHERE true` tells the conflict's ON from that of a join.
    this.#increase = db.prepare<(number | string)[], { user: UserNid; notify: number }>(
      'INSERT INTO unread (user, room, thread, notify, highlight, pos)' +
        ' SELECT value, ?, ?, 1, ?, ? FROM json_each(?) WHERE true' +
        ' ON CONFLICT (user, room, thread) DO UPDATE SET' +
        ' notify = notify + 1, highlight = highlight + excluded.highlight, pos = excluded.pos RETURNING user, notify',
    );
    this.#touch = db.prepare<(number | string)[], never>(
      'INSERT INTO unread (user, room, thread, notify, highlight, pos)' +
        ' SELECT value, ?, 0, 0, 0, ? FROM json_each(?) WHERE true' +
        ' ON CONFLICT (user, room, thread) DO UPDATE SET pos = excluded.pos',
    );
    this.#unread = db.prepare<[user: number, room: number], UnreadRow>(
      'SELECT thread, notify, highlight, pos FROM unread WHERE user = ? AND room = ? ORDER BY thread',
    );
    this.#set = db.prepare<number[], never>(
      'UPDATE unread SET notify = ?, highlight = ?, pos = ? WHERE user = ? AND room = ? AND thread = ?',
    );
    this.#drop = db.prepare<[user: number, room: number, thread: number], never>(
      'DELETE FROM unread WHERE user = ? AND room = ? AND thread = ?',
    );
    this.#dropAll = db.prepare<[user: number, room: number], never>('DELETE FROM unread WHERE user = ? AND room = ?');
    this.#roomsChanged = db
      .prepare<[user: number, after: number], RoomNid>('SELECT room FROM unread WHERE user = ? AND pos > ?')
      .pluck();
    this.#lower = db.prepare<number[], never>(
      'UPDATE unread SET highlight = max(0, highlight - 1), pos = ? WHERE user = ? AND room = ? AND thread = ?',
    );
    this.#raise = db.prepare<number[], never>(
      'UPDATE unread SET highlight = min(notify, highlight + 1), pos = ? WHERE user = ? AND room = ? AND thread = ?',
    );
    this.#decrease = db.prepare<number[], { notify: number }>(
      'UPDATE unread SET notify = max(0, notify - 1), highlight = max(0, highlight - ?), pos = ?' +
        ' WHERE user = ? AND room = ? AND thread = ? RETURNING notify',
    );
    this.#hasPushers = db.remember<[], number>('SELECT nid FROM pusher WHERE nid > 0 ORDER BY nid LIMIT 1').pluck();
    this.#wakePushers = db.prepare<[pos: number, users: string], never>(
      'UPDATE pusher SET ready = ? WHERE user IN (SELECT value FROM json_each(?))' +
        ' AND ready IS NULL AND retry_at IS NULL AND enabled = 1',
    );
    this.#total = db
      .prepare<[user: number], number>('SELECT coalesce(sum(notify), 0) FROM unread WHERE user = ?')
      .pluck();
  }

  /**
   * Counts an event for users whom it notifies in the same way, and keeps it; of a user of whom too many are kept the oldest
   * go.
   */
  add(users: readonly UserNid[], action: PushAction): void {
    const { room, pos, thread } = action;
    const list = JSON.stringify(users);
    this.#actions.insert(list, action);
    const counts = this.#increase.all(room, thread, action.highlight ? 1 : 0, pos, list);
    if (thread !== mainTimeline) this.#touch.run(room, pos, list);
    this.#wake(pos, list);
    // Only when the counts are high need the rows be counted, and not for each event.
    for (const { user, notify } of counts) {
      const isMain = thread === mainTimeline;
      if (isMain ? notify > maxActions && notify % trimEvery === 0 : true) this.#trim(user, room);
    }
  }

  #trim(user: UserNid, room: RoomNid): void {
    const total = this.unread(user, room).reduce((sum, row) => sum + row.notify, 0);
    if (total <= maxActions) return;
    const oldest = this.#actions.behind(user, room, maxActions);
    if (oldest !== undefined) this.#actions.drop(user, room, oldest, 'all');
  }

  /** Idle pushers of these users, as JSON, have something to tell. */
  #wake(pos: StreamPos, users: string): void {
    if (this.#hasPushers.get() !== undefined) this.#wakePushers.run(pos, users);
  }

  /**
   * Marks as read what came up to `upTo`, in one thread or in all, as of `pos`. Returns whether any count changed.
   * Of what is only counted it is known that it is older than everything kept: it is read once any kept event is.
   */
  markRead(user: UserNid, room: RoomNid, upTo: StreamPos, thread: number | 'all', pos: StreamPos): boolean {
    const counts = this.unread(user, room).filter(
      (row) => (thread === 'all' || row.thread === thread) && row.notify + row.highlight > 0,
    );
    if (counts.length === 0) return false;
    const oldest = this.#actions.oldest(user, room);
    if (oldest !== undefined && upTo < oldest) return false;
    this.#actions.markRead(user, room, upTo, thread);
    return this.#recount(user, room, counts, pos);
  }

  /**
   * Forgets what notified a user up to `upTo`, read or not: the events are deleted. Counts follow, as of `pos`. Returns
   * whether any of them changed. What is only counted goes with anything that is kept: it is older.
   */
  forgetUpTo(user: UserNid, room: RoomNid, upTo: StreamPos, pos: StreamPos): boolean {
    this.#actions.dropRead(user, room, upTo);
    const counts = this.unread(user, room).filter((row) => row.notify + row.highlight > 0);
    const oldest = this.#actions.oldest(user, room);
    if (counts.length === 0 || oldest === undefined || upTo < oldest) return false;
    this.#actions.drop(user, room, upTo, 'all');
    return this.#recount(user, room, counts, pos);
  }

  /** Counts again what is kept. */
  #recount(user: UserNid, room: RoomNid, counts: readonly UnreadRow[], pos: StreamPos): boolean {
    let changed = false;
    for (const before of counts) {
      const left = this.#actions.count(user, room, before.thread);
      if (left.notify === before.notify && left.highlight === before.highlight) continue;
      changed = true;
      if (left.notify === 0 && before.thread !== mainTimeline) this.#drop.run(user, room, before.thread);
      else this.#set.run(left.notify, left.highlight, pos, user, room, before.thread);
    }
    if (changed) {
      this.#touch.run(room, pos, `[${user}]`);
      this.#wake(pos, `[${user}]`);
    }
    return changed;
  }

  /** Forgets everything about what notified a user in a room: the user has left it, at `pos`. */
  clear(user: UserNid, room: RoomNid, pos: StreamPos): void {
    this.#actions.dropAll(user, room);
    if (this.#dropAll.run(user, room).changes > 0) this.#wake(pos, `[${user}]`);
  }

  /** An event that is redacted highlights nothing any more. */
  lowerHighlight(user: UserNid, room: RoomNid, eventPos: StreamPos, pos: StreamPos): void {
    const thread = this.#corrections.lower(user, room, eventPos);
    if (thread === undefined) return;
    this.#lower.run(pos, user, room, thread);
    this.#touch.run(room, pos, `[${user}]`);
  }

  /** An event that is not redacted any more highlights again for a user whom it notified. */
  raiseHighlight(user: UserNid, room: RoomNid, eventPos: StreamPos, pos: StreamPos): void {
    const thread = this.#corrections.raise(user, room, eventPos);
    if (thread === undefined) return;
    this.#raise.run(pos, user, room, thread);
    this.#touch.run(room, pos, `[${user}]`);
  }

  /**
   * Forgets that the event at a position notified these users, whether they have read it or not. Of one that is so old
   * that it is only counted that cannot be known: then it goes when it is read.
   */
  forget(users: readonly UserNid[], room: RoomNid, eventPos: StreamPos, pos: StreamPos): void {
    for (const { user, thread, highlight } of this.#corrections.forget(JSON.stringify(users), room, eventPos)) {
      const left = this.#decrease.get(highlight, pos, user, room, thread);
      if (left?.notify === 0 && thread !== mainTimeline) this.#drop.run(user, room, thread);
      this.#touch.run(room, pos, `[${user}]`);
      this.#wake(pos, `[${user}]`);
    }
  }

  /** All counts of a user in a room, the main timeline first; none before the first notification. */
  unread(user: UserNid, room: RoomNid): UnreadRow[] {
    return this.#unread.all(user, room);
  }

  /** Rooms in which the user's counts changed after a position, once for each thread. */
  roomsChanged(user: UserNid, after: StreamPos): RoomNid[] {
    return this.#roomsChanged.all(user, after);
  }

  /** Everything that is unread, over all rooms: what the badge of an app shows. */
  total(user: UserNid): number {
    return this.#total.get(user) ?? 0;
  }

  /** The oldest unread notification after a position, if it is kept. */
  notificationAfter(user: UserNid, pos: StreamPos): Notification | undefined {
    return this.#actions.after(user, pos);
  }

  /** A user's notifications before a position, newest first: unread ones and the newest that were read. */
  notificationsBefore(user: UserNid, pos: StreamPos, limit: number): Notification[] {
    return this.#actions.before(user, pos, limit);
  }
}
