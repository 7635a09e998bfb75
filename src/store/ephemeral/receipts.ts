import type { Database } from '../db.ts';
import type { EventNid, RoomNid, StreamPos, UserNid } from '../nids.ts';

/** The numbers under which kinds of receipts are stored. */
export const receiptKinds = { 'm.read': 1, 'm.read.private': 2 } as const;

export type ReceiptKind = keyof typeof receiptKinds;

/** The thread column of an unthreaded receipt. */
export const unthreaded = 0;
/** The thread column of a receipt for the main timeline. */
export const mainThread = -1;

/** A receipt as stored; `thread` is `unthreaded`, `mainThread` or the thread root's NID. */
export interface ReceiptRow {
  readonly user: UserNid;
  readonly kind: 1 | 2;
  readonly thread: EventNid | typeof unthreaded | typeof mainThread;
  readonly event: EventNid;
  readonly ts: number;
  readonly pos: StreamPos;
}

const columns = 'user, kind, thread, event, ts, pos';

/** Read receipts: one for each room, user, kind and thread. Writing methods belong inside a write. */
export class ReceiptStore {
  readonly #find;
  readonly #put;
  readonly #ofUser;
  readonly #changed;
  readonly #newest;
  readonly #roomsChanged;
  readonly #page;
  readonly #at;
  readonly #remove;

  constructor(db: Database) {
    this.#find = db.prepare<[room: number, user: number, kind: number, thread: number], { event: EventNid }>(
      'SELECT event FROM receipt WHERE room = ? AND user = ? AND kind = ? AND thread = ?',
    );
    this.#put = db.prepare<number[], never>(
      'INSERT INTO receipt (room, user, kind, thread, event, ts, pos) VALUES (?, ?, ?, ?, ?, ?, ?)' +
        ' ON CONFLICT (room, user, kind, thread)' +
        ' DO UPDATE SET event = excluded.event, ts = excluded.ts, pos = excluded.pos',
    );
    this.#ofUser = db.prepare<[room: number, user: number], ReceiptRow>(
      `SELECT ${columns} FROM receipt WHERE room = ? AND user = ?`,
    );
    this.#changed = db.rememberStretch<[room: number, after: number, upTo: number, limit: number], ReceiptRow>(
      `SELECT ${columns} FROM receipt WHERE room = ? AND pos > ? AND pos <= ? ORDER BY pos DESC LIMIT ?`,
      { keys: 1 },
    );
    this.#newest = db.prepare<[room: number, upTo: number, limit: number], ReceiptRow>(
      `SELECT ${columns} FROM receipt WHERE room = ? AND pos <= ? ORDER BY pos DESC LIMIT ?`,
    );
    this.#roomsChanged = db
      .rememberStretch<[after: number, upTo: number], RoomNid>('SELECT room FROM receipt WHERE pos > ? AND pos <= ?', {
        keys: 0,
      })
      .pluck();
    this.#at = db.prepare<[room: number, event: number], ReceiptRow>(
      `SELECT ${columns} FROM receipt WHERE room = ? AND event = ?`,
    );
    this.#remove = db.prepare<[room: number, user: number, kind: number, thread: number], never>(
      'DELETE FROM receipt WHERE room = ? AND user = ? AND kind = ? AND thread = ?',
    );
    this.#page = db.rememberStretch<[after: number, upTo: number, limit: number], ReceiptRow & { room: RoomNid }>(
      `SELECT room, ${columns} FROM receipt WHERE pos > ? AND pos <= ? ORDER BY pos LIMIT ?`,
      { keys: 0 },
    );
  }

  find(room: RoomNid, user: UserNid, kind: ReceiptKind, thread: number): EventNid | undefined {
    return this.#find.get(room, user, receiptKinds[kind], thread)?.event;
  }

  put(room: RoomNid, receipt: ReceiptRow): void {
    const { user, kind, thread, event, ts, pos } = receipt;
    this.#put.run(room, user, kind, thread, event, ts, pos);
  }

  /** All receipts at an event. */
  at(room: RoomNid, event: EventNid): ReceiptRow[] {
    return this.#at.all(room, event);
  }

  remove(room: RoomNid, { user, kind, thread }: ReceiptRow): void {
    this.#remove.run(room, user, kind, thread);
  }

  ofUser(room: RoomNid, user: UserNid): ReceiptRow[] {
    return this.#ofUser.all(room, user);
  }

  /** The newest in (after, upTo], newest first. */
  changed(room: RoomNid, after: StreamPos, upTo: StreamPos, limit: number): readonly ReceiptRow[] {
    return this.#changed.all(room, after, upTo, limit);
  }

  /** The newest up to `upTo`, newest first. */
  newest(room: RoomNid, upTo: StreamPos, limit: number): ReceiptRow[] {
    return this.#newest.all(room, upTo, limit);
  }

  /** Receipts of all rooms in (after, upTo], oldest first. */
  page(after: StreamPos, upTo: StreamPos, limit: number): readonly (ReceiptRow & { room: RoomNid })[] {
    return this.#page.all(after, upTo, limit);
  }

  /** Rooms with a receipt in (after, upTo], once for each. The caller keeps the span short. */
  roomsChanged(after: StreamPos, upTo: StreamPos): readonly RoomNid[] {
    return this.#roomsChanged.all(after, upTo);
  }
}
