import type { Database } from '../db.ts';
import type { EventNid, RoomNid, StreamPos, UserNid } from '../nids.ts';
import { mainTimeline, type Notification, type PushActionRow, PushActions } from './push-actions.ts';

/** Events kept one by one for each user and room; older unread ones are only counted. */
export const maxActions = 1000;

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
  readonly #increase;
  readonly #touch;
  readonly #unread;
  readonly #set;
  readonly #drop;
  readonly #dropAll;
  readonly #roomsChanged;
  readonly #lower;
  readonly #wakePushers;
  readonly #total;

  constructor(db: Database) {
    this.#actions = new PushActions(db);
    this.#increase = db.prepare<number[], { notify: number }>(
      'INSERT INTO unread (user, room, thread, notify, highlight, pos) VALUES (?, ?, ?, 1, ?, ?)' +
        ' ON CONFLICT (user, room, thread) DO UPDATE SET' +
        ' notify = notify + 1, highlight = highlight + excluded.highlight, pos = excluded.pos RETURNING notify',
    );
    this.#touch = db.prepare<number[], never>(
      'INSERT INTO unread (user, room, thread, notify, highlight, pos) VALUES (?, ?, 0, 0, 0, ?)' +
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
    this.#wakePushers = db.prepare<[pos: number, user: number], never>(
      'UPDATE pusher SET ready = ? WHERE user = ? AND ready IS NULL AND retry_at IS NULL AND enabled = 1',
    );
    this.#total = db
      .prepare<[user: number], number>('SELECT coalesce(sum(notify), 0) FROM unread WHERE user = ?')
      .pluck();
  }

  /** Counts an event for a user, and keeps it unless that makes too many: then the oldest kept one goes. */
  add(action: PushActionRow): void {
    const { user, room, pos, thread } = action;
    this.#actions.insert(action);
    const { notify } = this.#increase.get(user, room, thread, action.highlight ? 1 : 0, pos) as { notify: number };
    if (thread !== mainTimeline) this.#touch.run(user, room, pos);
    this.#wakePushers.run(pos, user);
    // Only when the counts are high need the rows be counted.
    if (notify > maxActions || thread !== mainTimeline) this.#trim(user, room);
  }

  #trim(user: UserNid, room: RoomNid): void {
    const total = this.unread(user, room).reduce((sum, row) => sum + row.notify, 0);
    if (total <= maxActions || this.#actions.size(user, room) <= maxActions) return;
    const oldest = this.#actions.oldest(user, room);
    if (oldest !== undefined) this.#actions.drop(user, room, oldest, 'all');
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
    let changed = false;
    for (const before of counts) {
      const left = this.#actions.count(user, room, before.thread);
      if (left.notify === before.notify && left.highlight === before.highlight) continue;
      changed = true;
      if (left.notify === 0 && before.thread !== mainTimeline) this.#drop.run(user, room, before.thread);
      else this.#set.run(left.notify, left.highlight, pos, user, room, before.thread);
    }
    if (changed) {
      this.#touch.run(user, room, pos);
      this.#wakePushers.run(pos, user);
    }
    return changed;
  }

  /** Forgets everything about what notified a user in a room: the user has left it, at `pos`. */
  clear(user: UserNid, room: RoomNid, pos: StreamPos): void {
    this.#actions.dropAll(user, room);
    if (this.#dropAll.run(user, room).changes > 0) this.#wakePushers.run(pos, user);
  }

  /** An event that is redacted highlights nothing any more. */
  lowerHighlight(user: UserNid, room: RoomNid, eventPos: StreamPos, pos: StreamPos): void {
    const thread = this.#actions.lower(user, room, eventPos);
    if (thread === undefined) return;
    this.#lower.run(pos, user, room, thread);
    this.#touch.run(user, room, pos);
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
