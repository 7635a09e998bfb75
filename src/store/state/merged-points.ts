import { sha256 } from '../../util/hash.ts';
import type { Database } from '../db.ts';
import type { RoomNid, StatePoint } from '../nids.ts';

/** Remembered of one room. Asked for are the newest; without them the same is resolved once more. */
const remembered = 128;

/** Remembers what unequal states were resolved to: several events often cite the same ones. */
export class MergedPoints {
  readonly #find;
  readonly #count;
  readonly #insert;
  readonly #forget;

  constructor(db: Database) {
    this.#find = db.prepare<[number, Buffer], StatePoint>(
      'SELECT line, line_pos AS pos FROM merged_point WHERE room = ? AND inputs = ?',
    );
    this.#count = db.prepare<[number], { count: number }>('SELECT count(*) AS count FROM merged_point WHERE room = ?');
    this.#insert = db.prepare<[number, Buffer, number, number], never>(
      'INSERT OR REPLACE INTO merged_point (room, inputs, line, line_pos) VALUES (?, ?, ?, ?)',
    );
    this.#forget = db.prepare<[number], never>('DELETE FROM merged_point WHERE room = ?');
  }

  find(room: RoomNid, points: readonly StatePoint[]): StatePoint | undefined {
    return this.#find.get(room, digest(points));
  }

  /** Inside a write. */
  set(room: RoomNid, points: readonly StatePoint[], result: StatePoint): void {
    if ((this.#count.get(room)?.count ?? 0) >= remembered) this.forget(room);
    this.#insert.run(room, digest(points), result.line, result.pos);
  }

  /** The room's states have been corrected: what was resolved from them has to be resolved again. */
  forget(room: RoomNid): void {
    this.#forget.run(room);
  }
}

/** Half a hash: nobody else chooses positions, and 128 bits do not meet by accident. */
function digest(points: readonly StatePoint[]): Buffer {
  const texts = points.map(({ line, pos }) => `${line}:${pos}`).sort();
  return sha256(texts.join(' ')).subarray(0, 16);
}
