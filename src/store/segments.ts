import type { Database } from './db.ts';
import type { RoomNid, StreamPos } from './nids.ts';

/** A stretch of a room's history without gaps. */
export interface Segment {
  readonly nid: number;
  readonly room: RoomNid;
  /** The position of its first live event; older ones came by backfill. */
  readonly fromPos: StreamPos;
  /** The segment that ends where this one begins, once they have met. */
  readonly older: number | null;
}

/** The segments of rooms. */
export class Segments {
  readonly #one;
  readonly #newer;
  readonly #preceding;
  readonly #following;
  readonly #insert;
  readonly #link;

  constructor(db: Database) {
    this.#one = db.remember<[number], Segment>(
      'SELECT nid, room, from_pos AS fromPos, older FROM segment WHERE nid = ?',
    );
    this.#newer = db.prepare<[number, number], { nid: number }>(
      'SELECT nid FROM segment WHERE room = ? AND older = ? LIMIT 1',
    );
    this.#preceding = db.prepare<[number, number, number], { nid: number }>(
      'SELECT nid FROM segment WHERE room = ? AND (from_pos, nid) < (?, ?) ORDER BY from_pos DESC, nid DESC LIMIT 1',
    );
    this.#following = db.prepare<[number, number, number], { nid: number }>(
      'SELECT nid FROM segment WHERE room = ? AND (from_pos, nid) > (?, ?) ORDER BY from_pos, nid LIMIT 1',
    );
    this.#insert = db.prepare<[number, number], never>('INSERT INTO segment (room, from_pos) VALUES (?, ?)');
    this.#link = db.prepare<[number, number], never>('UPDATE segment SET older = ? WHERE nid = ?');
  }

  get(nid: number): Segment | undefined {
    return this.#one.get(nid);
  }

  /** The segment that continues this one, if they have met. */
  newer(segment: Segment): number | undefined {
    return this.#newer.get(segment.room, segment.nid)?.nid;
  }

  /** The segment that comes before this one in the room's order, whether they have met or not. */
  preceding({ room, fromPos, nid }: Segment): number | undefined {
    return this.#preceding.get(room, fromPos, nid)?.nid;
  }

  /** The segment that comes after this one in the room's order, whether they have met or not. */
  following({ room, fromPos, nid }: Segment): number | undefined {
    return this.#following.get(room, fromPos, nid)?.nid;
  }

  open(room: RoomNid, fromPos: StreamPos): number {
    return Number(this.#insert.run(room, fromPos).lastInsertRowid);
  }

  /** Records that `older` ends where `newer` begins. */
  link(newer: number, older: number): void {
    this.#link.run(older, newer);
  }
}
