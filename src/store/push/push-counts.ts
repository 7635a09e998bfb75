import type { Database } from '../db.ts';
import type { EventNid, RoomNid, StreamPos, UserNid } from '../nids.ts';

/** The thread column for events that are in no thread. */
export const mainTimeline = 0;

/** Events kept one by one for each user and room; older unread ones are only counted. */
export const maxActions = 1000;

/** Unread counts of one thread, or of the main timeline. */
export interface UnreadRow {
  readonly thread: EventNid | typeof mainTimeline;
  readonly notify: number;
  readonly highlight: number;
}

/** Something a user is notified of. */
export interface PushActionRow {
  readonly user: UserNid;
  readonly room: RoomNid;
  readonly pos: StreamPos;
  readonly event: EventNid;
  readonly thread: EventNid | typeof mainTimeline;
  readonly highlight: boolean;
}

/**
 * What notified each user and is unread, and how much that is by thread. The row of the main timeline is always there
 * once a room had a count and carries the position of the last change in any thread; a thread's row goes when it is
 * read. Writing methods belong inside a write.
 */
export class PushCountStore {
  readonly #insert;
  readonly #increase;
  readonly #touch;
  readonly #stored;
  readonly #oldest;
  readonly #dropOldest;
  readonly #drop;
  readonly #dropThread;
  readonly #countThread;
  readonly #unread;
  readonly #set;
  readonly #dropUnread;
  readonly #dropActions;
  readonly #dropCounts;
  readonly #roomsChanged;
  readonly #ofEvent;
  readonly #lowerHighlight;
  readonly #countLower;

  constructor(db: Database) {
    this.#insert = db.prepare<number[], never>(
      'INSERT INTO push_action (user, room, pos, event, thread, highlight) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#increase = db.prepare<number[], { notify: number }>(
      'INSERT INTO unread (user, room, thread, notify, highlight, pos) VALUES (?, ?, ?, 1, ?, ?)' +
        ' ON CONFLICT (user, room, thread) DO UPDATE SET' +
        ' notify = notify + 1, highlight = highlight + excluded.highlight, pos = excluded.pos RETURNING notify',
    );
    this.#touch = db.prepare<number[], never>(
      'INSERT INTO unread (user, room, thread, notify, highlight, pos) VALUES (?, ?, 0, 0, 0, ?)' +
        ' ON CONFLICT (user, room, thread) DO UPDATE SET pos = excluded.pos',
    );
    this.#stored = db.prepare<[user: number, room: number], { count: number }>(
      'SELECT count(*) AS count FROM push_action WHERE user = ? AND room = ?',
    );
    this.#oldest = db.prepare<[user: number, room: number], { pos: StreamPos }>(
      'SELECT pos FROM push_action WHERE user = ? AND room = ? ORDER BY pos LIMIT 1',
    );
    this.#dropOldest = db.prepare<[user: number, room: number, user: number, room: number], never>(
      'DELETE FROM push_action WHERE user = ? AND room = ?' +
        ' AND pos = (SELECT min(pos) FROM push_action WHERE user = ? AND room = ?)',
    );
    this.#drop = db.prepare<[user: number, room: number, upTo: number], never>(
      'DELETE FROM push_action WHERE user = ? AND room = ? AND pos <= ?',
    );
    this.#dropThread = db.prepare<[user: number, room: number, upTo: number, thread: number], never>(
      'DELETE FROM push_action WHERE user = ? AND room = ? AND pos <= ? AND thread = ?',
    );
    this.#countThread = db.prepare<[user: number, room: number, thread: number], { notify: number; highlight: number }>(
      'SELECT count(*) AS notify, coalesce(sum(highlight), 0) AS highlight FROM push_action' +
        ' WHERE user = ? AND room = ? AND thread = ?',
    );
    this.#unread = db.prepare<[user: number, room: number], UnreadRow>(
      'SELECT thread, notify, highlight FROM unread WHERE user = ? AND room = ?',
    );
    this.#set = db.prepare<number[], never>(
      'UPDATE unread SET notify = ?, highlight = ?, pos = ? WHERE user = ? AND room = ? AND thread = ?',
    );
    this.#dropUnread = db.prepare<[user: number, room: number, thread: number], never>(
      'DELETE FROM unread WHERE user = ? AND room = ? AND thread = ?',
    );
    this.#dropActions = db.prepare<[user: number, room: number], never>(
      'DELETE FROM push_action WHERE user = ? AND room = ?',
    );
    this.#dropCounts = db.prepare<[user: number, room: number], never>(
      'DELETE FROM unread WHERE user = ? AND room = ?',
    );
    this.#roomsChanged = db.prepare<[user: number, after: number], { room: RoomNid }>(
      'SELECT DISTINCT room FROM unread WHERE user = ? AND pos > ?',
    );
    this.#ofEvent = db.prepare<[user: number, room: number, pos: number], { thread: EventNid; highlight: number }>(
      'SELECT thread, highlight FROM push_action WHERE user = ? AND room = ? AND pos = ?',
    );
    this.#lowerHighlight = db.prepare<[user: number, room: number, pos: number], never>(
      'UPDATE push_action SET highlight = 0 WHERE user = ? AND room = ? AND pos = ?',
    );
    this.#countLower = db.prepare<[pos: number, user: number, room: number, thread: number], never>(
      'UPDATE unread SET highlight = max(0, highlight - 1), pos = ? WHERE user = ? AND room = ? AND thread = ?',
    );
  }

  /** Counts an event for a user, and keeps it unless that makes too many: then the oldest kept one goes. */
  add(action: PushActionRow): void {
    const { user, room, pos, thread } = action;
    const highlight = action.highlight ? 1 : 0;
    this.#insert.run(user, room, pos, action.event, thread, highlight);
    const { notify } = this.#increase.get(user, room, thread, highlight, pos) as { notify: number };
    if (thread !== mainTimeline) this.#touch.run(user, room, pos);
    // Only when the counts are high need the rows be counted.
    if (notify > maxActions || thread !== mainTimeline) this.#trim(user, room);
  }

  #trim(user: UserNid, room: RoomNid): void {
    const total = this.unread(user, room).reduce((sum, row) => sum + row.notify, 0);
    if (total <= maxActions) return;
    if ((this.#stored.get(user, room)?.count ?? 0) > maxActions) this.#dropOldest.run(user, room, user, room);
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
    const oldest = this.#oldest.get(user, room);
    if (oldest !== undefined && upTo < oldest.pos) return false;
    if (thread === 'all') this.#drop.run(user, room, upTo);
    else this.#dropThread.run(user, room, upTo, thread);
    let changed = false;
    for (const before of counts) {
      const left = this.#countThread.get(user, room, before.thread) as { notify: number; highlight: number };
      if (left.notify === before.notify && left.highlight === before.highlight) continue;
      changed = true;
      if (left.notify === 0 && before.thread !== mainTimeline) this.#dropUnread.run(user, room, before.thread);
      else this.#set.run(left.notify, left.highlight, pos, user, room, before.thread);
    }
    if (changed) this.#touch.run(user, room, pos);
    return changed;
  }

  /** Forgets everything about a user's unread events in a room: the user has left it. */
  clear(user: UserNid, room: RoomNid): void {
    this.#dropActions.run(user, room);
    this.#dropCounts.run(user, room);
  }

  /** A redacted event highlights nothing any more. Returns whether a count changed. */
  lowerHighlight(user: UserNid, room: RoomNid, eventPos: StreamPos, pos: StreamPos): boolean {
    const row = this.#ofEvent.get(user, room, eventPos);
    if (row === undefined || row.highlight === 0) return false;
    this.#lowerHighlight.run(user, room, eventPos);
    this.#countLower.run(pos, user, room, row.thread);
    this.#touch.run(user, room, pos);
    return true;
  }

  /** All counts of a user in a room; none before the first notification. */
  unread(user: UserNid, room: RoomNid): UnreadRow[] {
    return this.#unread.all(user, room);
  }

  /** Rooms in which the user's counts changed after a position. */
  roomsChanged(user: UserNid, after: StreamPos): RoomNid[] {
    return this.#roomsChanged.all(user, after).map(({ room }) => room);
  }
}
