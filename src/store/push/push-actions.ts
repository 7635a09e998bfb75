import type { Database } from '../db.ts';
import type { EventNid, RoomNid, StreamPos, UserNid } from '../nids.ts';

/** The thread column for events that are in no thread. */
export const mainTimeline = 0;

/** Something a user is notified of. */
export interface PushActionRow {
  readonly user: UserNid;
  readonly room: RoomNid;
  readonly pos: StreamPos;
  readonly event: EventNid;
  readonly thread: EventNid | typeof mainTimeline;
  readonly highlight: boolean;
}

/** The newest unread events that notified each user, one by one. Writing methods belong inside a write. */
export class PushActions {
  readonly #insert;
  readonly #size;
  readonly #oldest;
  readonly #drop;
  readonly #dropThread;
  readonly #dropAll;
  readonly #count;
  readonly #at;
  readonly #lower;

  constructor(db: Database) {
    this.#insert = db.prepare<number[], never>(
      'INSERT INTO push_action (user, room, pos, event, thread, highlight) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#size = db.prepare<[user: number, room: number], { count: number }>(
      'SELECT count(*) AS count FROM push_action WHERE user = ? AND room = ?',
    );
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
    this.#at = db.prepare<[user: number, room: number, pos: number], { thread: EventNid; highlight: number }>(
      'SELECT thread, highlight FROM push_action WHERE user = ? AND room = ? AND pos = ?',
    );
    this.#lower = db.prepare<[user: number, room: number, pos: number], never>(
      'UPDATE push_action SET highlight = 0 WHERE user = ? AND room = ? AND pos = ?',
    );
  }

  insert({ user, room, pos, event, thread, highlight }: PushActionRow): void {
    this.#insert.run(user, room, pos, event, thread, highlight ? 1 : 0);
  }

  size(user: UserNid, room: RoomNid): number {
    return this.#size.get(user, room)?.count ?? 0;
  }

  oldest(user: UserNid, room: RoomNid): StreamPos | undefined {
    return this.#oldest.get(user, room)?.pos;
  }

  drop(user: UserNid, room: RoomNid, upTo: StreamPos, thread: number | 'all'): void {
    if (thread === 'all') this.#drop.run(user, room, upTo);
    else this.#dropThread.run(user, room, upTo, thread);
  }

  dropAll(user: UserNid, room: RoomNid): void {
    this.#dropAll.run(user, room);
  }

  count(user: UserNid, room: RoomNid, thread: number): { readonly notify: number; readonly highlight: number } {
    return this.#count.get(user, room, thread) ?? { notify: 0, highlight: 0 };
  }

  /** Makes an event no highlight any more; answers its thread if it was one. */
  lower(user: UserNid, room: RoomNid, pos: StreamPos): number | undefined {
    const row = this.#at.get(user, room, pos);
    if (row === undefined || row.highlight === 0) return undefined;
    this.#lower.run(user, room, pos);
    return row.thread;
  }
}
