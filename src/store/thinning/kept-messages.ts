import type { Database } from '../db.ts';
import type { EventRow } from '../events/event-row.ts';
import type { EventNid, RoomNid, StreamPos } from '../nids.ts';
import type { Boundary } from '../timeline.ts';

const end = Number.MAX_SAFE_INTEGER;
/** What cites an event is near it. */
const mostNear = 2000;

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
  readonly #near;
  readonly #citedAbove;

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
    this.#near = db
      .prepare<[segment: number, idx: number, count: number], number>(
        'SELECT idx FROM timeline WHERE segment = ? AND idx > ? ORDER BY idx LIMIT 1 OFFSET ?',
      )
      .pluck();
    this.#citedAbove = db.prepare<[parent: number, segment: number, idx: number, near: number], 1>(
      'SELECT 1 FROM timeline CROSS JOIN event_edge' +
        ' ON event_edge.child = timeline.event AND event_edge.parent = ?' +
        ' WHERE timeline.segment = ? AND timeline.idx > ? AND timeline.idx < ? LIMIT 1',
    );
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

  /**
   * Whether an event that was deleted and has come again is cited by what is left: by something that lost its place, or
   * near where the history begins.
   */
  isCitedBeyond(room: RoomNid, { segment, idx }: Boundary, event: EventNid): boolean {
    if (this.wasCited(room, event)) return true;
    const near = this.#near.get(segment, idx, mostNear) ?? end;
    return this.#citedAbove.get(event, segment, idx, near) !== undefined;
  }

  /** Whether something that has been deleted cited the event: it does not end the room. */
  wasCited(room: RoomNid, event: EventNid): boolean {
    return this.#wasCited.get(room, event) !== undefined;
  }
}
