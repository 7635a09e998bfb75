import type { Database } from '../db.ts';
import type { RoomNid } from '../nids.ts';
import type { Boundary } from '../timeline.ts';

/** What has been deleted. */
export interface Thinned {
  readonly events: number;
  /** State events that are still needed and have lost their places. */
  readonly states: number;
  /** Of the bodies that were deleted, as they were stored. */
  readonly bytes: number;
}

/** A room whose history is being deleted up to a place. */
export interface Thinning extends Boundary, Thinned {
  readonly room: RoomNid;
  readonly stage: number;
  readonly cursor: number;
}

/** Rooms whose history is being deleted, and how far that is. Writing methods belong inside a write. */
export class ThinningJobs {
  readonly #find;
  readonly #next;
  readonly #begin;
  readonly #move;
  readonly #count;
  readonly #end;
  readonly #rooms;

  constructor(db: Database) {
    const columns = 'room, segment, idx, stage, cursor, events, states, bytes';
    this.#find = db.prepare<[room: number], Thinning>(`SELECT ${columns} FROM thinning WHERE room = ?`);
    this.#next = db.prepare<[after: number], Thinning>(
      `SELECT ${columns} FROM thinning WHERE room > ? ORDER BY room LIMIT 1`,
    );
    this.#begin = db.prepare<[room: number, segment: number, idx: number], never>(
      'INSERT INTO thinning (room, segment, idx) VALUES (?, ?, ?) ON CONFLICT DO UPDATE' +
        ' SET segment = excluded.segment, idx = excluded.idx, stage = 0, cursor = 0' +
        ' WHERE (excluded.segment, excluded.idx) > (thinning.segment, thinning.idx)',
    );
    this.#move = db.prepare<[stage: number, cursor: number, room: number], never>(
      'UPDATE thinning SET stage = ?, cursor = ? WHERE room = ?',
    );
    this.#count = db.prepare<[events: number, states: number, bytes: number, room: number], never>(
      'UPDATE thinning SET events = events + ?, states = states + ?, bytes = bytes + ? WHERE room = ?',
    );
    this.#end = db.prepare<[room: number], never>('DELETE FROM thinning WHERE room = ?');
    this.#rooms = db
      .prepare<[after: number, limit: number], RoomNid>(
        'SELECT room FROM room_info WHERE room > ? ORDER BY room LIMIT ?',
      )
      .pluck();
  }

  find(room: RoomNid): Thinning | undefined {
    return this.#find.get(room);
  }

  /** The one after a room. */
  next(after: RoomNid | 0): Thinning | undefined {
    return this.#next.get(after);
  }

  /** Everything up to a place is to go; of two such wishes the one that goes further counts. */
  begin(room: RoomNid, upTo: Boundary): void {
    this.#begin.run(room, upTo.segment, upTo.idx);
  }

  move(room: RoomNid, stage: number, cursor: number): void {
    this.#move.run(stage, cursor, room);
  }

  count(room: RoomNid, { events, states, bytes }: Thinned): void {
    this.#count.run(events, states, bytes, room);
  }

  end(room: RoomNid): void {
    this.#end.run(room);
  }

  /** Rooms that are known here, by their numbers. */
  rooms(after: RoomNid | 0, limit: number): RoomNid[] {
    return this.#rooms.all(after, limit);
  }
}
