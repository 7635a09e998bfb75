import type { Database } from '../db.ts';
import type { RoomNid, StreamPos } from '../nids.ts';
import type { Boundary } from '../timeline.ts';

/** Where positions and segments of tokens lie in the order of a room. */
export class BoundaryStore {
  readonly #roomOf;
  readonly #begunBy;
  readonly #oldest;
  readonly #below;

  constructor(db: Database) {
    this.#roomOf = db.prepare<[segment: number], { room: RoomNid }>('SELECT room FROM segment WHERE nid = ?');
    this.#begunBy = db.prepare<[room: number, pos: number], { segment: number }>(
      'SELECT nid AS segment FROM segment WHERE room = ? AND from_pos <= ? ORDER BY from_pos DESC LIMIT 1',
    );
    this.#below = db.prepare<[room: number, pos: number], Boundary>(
      'SELECT segment, idx FROM history_floor WHERE room = ? AND pos >= ?',
    );
    this.#oldest = db.prepare<[room: number], { segment: number; fromPos: number }>(
      'SELECT nid AS segment, from_pos AS fromPos FROM segment WHERE room = ? ORDER BY from_pos LIMIT 1',
    );
  }

  /** The room that a segment belongs to. */
  roomOf(segment: number): RoomNid | undefined {
    return this.#roomOf.get(segment)?.room;
  }

  /** The newest segment that began up to a position. */
  begun(room: RoomNid, pos: StreamPos): number | undefined {
    return this.#begunBy.get(room, pos)?.segment;
  }

  /** The boundary behind everything live up to `pos`; before the first live event of the room if that is later. */
  at(room: RoomNid, pos: StreamPos): Boundary | undefined {
    const begun = this.#begunBy.get(room, pos);
    if (begun !== undefined) return { segment: begun.segment, idx: pos };
    // What was there then is deleted: everything that is left comes behind it.
    const floor = this.#below.get(room, pos);
    if (floor !== undefined) return floor;
    const oldest = this.#oldest.get(room);
    return oldest && { segment: oldest.segment, idx: oldest.fromPos - 1 };
  }

  /** The boundary before everything that is known of the room without a gap, from its oldest segment on. */
  beginning(room: RoomNid): Boundary | undefined {
    const oldest = this.#oldest.get(room);
    return oldest && { segment: oldest.segment, idx: Number.MIN_SAFE_INTEGER };
  }
}
