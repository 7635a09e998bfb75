import type { Database } from '../db.ts';
import type { EventNid, RoomNid } from '../nids.ts';
import type { Boundary } from '../timeline.ts';

export interface ThreadRow {
  readonly root: EventNid;
  readonly room: RoomNid;
  /** The place of the thread's newest event. */
  readonly segment: number;
  readonly idx: number;
  readonly count: number;
}

const columns = 'root, room, segment, idx, count';

/** Threads of rooms by their newest event, kept with the relations that make them. Writing methods belong inside a write. */
export class ThreadStore {
  readonly #get;
  readonly #grow;
  readonly #update;
  readonly #delete;
  readonly #page;

  constructor(db: Database) {
    this.#get = db.prepare<[root: number], ThreadRow>(`SELECT ${columns} FROM thread WHERE root = ?`);
    this.#grow = db.prepare<[Omit<ThreadRow, 'count'>], never>(
      'INSERT INTO thread (root, room, segment, idx, count) VALUES (@root, @room, @segment, @idx, 1)' +
        ' ON CONFLICT DO UPDATE SET count = count + 1,' +
        ' idx = iif((excluded.segment, excluded.idx) > (segment, idx), excluded.idx, idx),' +
        ' segment = max(segment, excluded.segment)',
    );
    this.#update = db.prepare<[Pick<ThreadRow, 'root' | 'segment' | 'idx' | 'count'>], never>(
      'UPDATE thread SET segment = @segment, idx = @idx, count = @count WHERE root = @root',
    );
    this.#delete = db.prepare<[root: number], never>('DELETE FROM thread WHERE root = ?');
    this.#page = db.prepare<[room: number, segment: number, idx: number, limit: number], ThreadRow>(
      `SELECT ${columns} FROM thread WHERE room = ? AND (segment, idx) <= (?, ?)` +
        ' ORDER BY segment DESC, idx DESC LIMIT ?',
    );
  }

  get(root: EventNid): ThreadRow | undefined {
    return this.#get.get(root);
  }

  /** One more event is in the thread. */
  grow(event: Omit<ThreadRow, 'count'>): void {
    this.#grow.run(event);
  }

  /** One event less is in the thread; `newest` is the newest that is left. */
  shrink({ root, count }: ThreadRow, newest: Boundary | undefined): void {
    if (newest === undefined) this.#delete.run(root);
    else this.#update.run({ root, segment: newest.segment, idx: newest.idx, count: count - 1 });
  }

  delete(root: EventNid): void {
    this.#delete.run(root);
  }

  /** Threads whose newest event lies before a boundary, newest first. */
  page(room: RoomNid, from: Boundary, limit: number): ThreadRow[] {
    return this.#page.all(room, from.segment, from.idx, limit);
  }
}
