import type { Database } from '../db.ts';
import type { EventRow } from '../events/event-row.ts';
import type { EventNid, RoomNid, StreamPos } from '../nids.ts';

const end = Number.MAX_SAFE_INTEGER;

/** What is left of a room's old history besides its state, and why. Writing methods belong inside a write. */
export class KeptMessages {
  readonly #isEnd;
  readonly #isOutgoing;
  readonly #isNewestOutgoing;
  readonly #isAddressed;
  readonly #told;
  readonly #behind;
  readonly #keep;
  readonly #kept;
  readonly #wasCited;

  constructor(db: Database) {
    this.#isEnd = db.prepare<[room: number, event: number], 1>(
      'SELECT 1 FROM forward_extremity WHERE room = ? AND event = ?',
    );
    this.#isOutgoing = db.prepare<[pos: number], 1>('SELECT 1 FROM outgoing WHERE pos = ?');
    this.#isNewestOutgoing = db.prepare<[room: number, event: number], 1>(
      'SELECT 1 FROM outgoing_room WHERE room = ? AND event = ?',
    );
    this.#isAddressed = db.prepare<[pos: number], 1>('SELECT 1 FROM addressed_event WHERE pos = ? LIMIT 1');
    this.#told = db.prepare<[], StreamPos>('SELECT told FROM outbox WHERE one = 1').pluck();
    this.#behind = db
      .prepare<[], StreamPos>('SELECT told FROM destination WHERE told >= 0 ORDER BY told LIMIT 1')
      .pluck();
    this.#keep = db.prepare<[room: number, event: number], never>(
      'INSERT OR IGNORE INTO kept_message (room, event) VALUES (?, ?)',
    );
    this.#kept = db
      .prepare<[room: number, after: number, limit: number], EventNid>(
        'SELECT event FROM kept_message WHERE room = ? AND event > ? ORDER BY event LIMIT ?',
      )
      .pluck();
    this.#wasCited = db.prepare<[room: number, event: number], 1>(
      'SELECT 1 FROM cited_event WHERE room = ? AND event = ?',
    );
  }

  /** Whether the event is an end of the room, or a server has still to be told of it. */
  isNeeded({ nid, room, pos }: EventRow): boolean {
    if (pos === null) return false;
    if (this.#isEnd.get(room, nid) !== undefined || this.#isAddressed.get(pos) !== undefined) return true;
    if (pos <= Math.min(this.#told.get() ?? 0, this.#behind.get() ?? end)) return false;
    return this.#isOutgoing.get(pos) !== undefined || this.#isNewestOutgoing.get(room, nid) !== undefined;
  }

  /** Remembers that a message is still needed without its place. */
  keep({ room, nid }: EventRow): void {
    this.#keep.run(room, nid);
  }

  /** Messages that were kept, by their numbers. */
  page(room: RoomNid, after: number, limit: number): EventNid[] {
    return this.#kept.all(room, after, limit);
  }

  /** Whether something that has been deleted cited the event: it does not end the room. */
  wasCited(room: RoomNid, event: EventNid): boolean {
    return this.#wasCited.get(room, event) !== undefined;
  }
}
