import type { Database } from '../db.ts';
import type { RoomNid } from '../nids.ts';
import type { Boundary } from '../timeline.ts';

/**
 * Where the history of rooms begins whose older history was deleted or is not wanted: nothing has a place up to this
 * boundary. A floor only ever rises. Writing methods belong inside a write.
 */
export class HistoryFloors {
  readonly #of;
  readonly #set;

  constructor(db: Database) {
    this.#of = db.remember<[room: number], Boundary>('SELECT segment, idx FROM history_floor WHERE room = ?');
    this.#set = db.prepare<[{ room: number; segment: number; idx: number }], never>(
      'INSERT INTO history_floor (room, segment, idx, pos) SELECT @room, nid, @idx, CASE WHEN @idx >= from_pos THEN @idx' +
        ' WHEN EXISTS (SELECT 1 FROM segment AS older WHERE older.room = @room AND older.nid < @segment) THEN from_pos - 1' +
        ' ELSE 0 END FROM segment WHERE nid = @segment' +
        ' ON CONFLICT DO UPDATE SET segment = excluded.segment, idx = excluded.idx, pos = max(pos, excluded.pos)',
    );
  }

  of(room: RoomNid): Boundary | undefined {
    return this.#of.get(room);
  }

  /** Whether a segment is the one where the room's history begins, or lay before it: nothing older is looked for. */
  isEnd(room: RoomNid, segment: number): boolean {
    const floor = this.of(room);
    return floor !== undefined && segment <= floor.segment;
  }

  /** Does nothing if the floor is there already, or above. What lies below has no places any more; older segments are still there. */
  raise(room: RoomNid, to: Boundary): void {
    const floor = this.of(room);
    if (floor === undefined || comparePlaces(floor, to) < 0) {
      this.#set.run({ room, segment: to.segment, idx: to.idx });
    }
  }
}

/** Negative if the first comes first. Segments of a room are numbered in its order. */
export function comparePlaces(left: Boundary, right: Boundary): number {
  return left.segment - right.segment || left.idx - right.idx;
}
