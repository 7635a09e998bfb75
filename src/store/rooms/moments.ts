import type { Database } from '../db.ts';
import type { RoomNid } from '../nids.ts';
import type { Boundary } from '../timeline.ts';

/** What lies where in a segment, and when it was said. */
export interface Moment {
  readonly idx: number;
  readonly ts: number;
}

/** Finds places in the order of rooms by time. */
export class MomentStore {
  readonly #segments;
  readonly #from;
  readonly #last;

  constructor(db: Database) {
    this.#segments = db.prepare<[room: number], { nid: number }>(
      'SELECT nid FROM segment WHERE room = ? ORDER BY from_pos',
    );
    this.#from = db.prepare<[segment: number, idx: number, limit: number], Moment>(
      'SELECT timeline.idx, event.ts FROM timeline JOIN event ON event.nid = timeline.event' +
        ' WHERE timeline.segment = ? AND timeline.idx >= ? ORDER BY timeline.idx LIMIT ?',
    );
    this.#last = db.prepare<[segment: number], { idx: number }>(
      'SELECT idx FROM timeline WHERE segment = ? ORDER BY idx DESC LIMIT 1',
    );
  }

  /** The segments of a room, oldest first. */
  segments(room: RoomNid): number[] {
    return this.#segments.all(room).map(({ nid }) => nid);
  }

  /** Events at a place and behind it. */
  from({ segment, idx }: Boundary, limit: number): Moment[] {
    return this.#from.all(segment, idx, limit);
  }

  /** The first and the last place of a segment. */
  range(segment: number): { readonly first: number; readonly last: number } | undefined {
    const first = this.#from.get(segment, Number.MIN_SAFE_INTEGER, 1)?.idx;
    const last = this.#last.get(segment)?.idx;
    return first === undefined || last === undefined ? undefined : { first, last };
  }
}
