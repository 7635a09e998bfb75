import type { Database } from '../db.ts';
import type { EventNid, RoomNid } from '../nids.ts';

/** The ends of the event graph as we have it: newest events nobody cites yet, and cited events we lack. */
export class Extremities {
  readonly #forward;
  readonly #addForward;
  readonly #removeForward;
  readonly #backward;
  readonly #childrenOfMissing;
  readonly #behind;
  readonly #addBackward;
  readonly #removeBackward;
  readonly #takeBehind;

  constructor(db: Database) {
    this.#forward = db.prepare<[number], { event: EventNid }>(
      'SELECT event FROM forward_extremity WHERE room = ? ORDER BY event',
    );
    this.#addForward = db.prepare<[number, number], never>(
      'INSERT OR IGNORE INTO forward_extremity (room, event) VALUES (?, ?)',
    );
    this.#removeForward = db.prepare<[number, number], never>(
      'DELETE FROM forward_extremity WHERE room = ? AND event = ?',
    );
    this.#backward = db.prepare<[number], MissingParent>(
      'SELECT parent, child FROM backward_extremity WHERE room = ? ORDER BY parent, child',
    );
    this.#childrenOfMissing = db.prepare<[number, number], { child: EventNid }>(
      'SELECT child FROM backward_extremity WHERE room = ? AND parent = ?',
    );
    this.#behind = db.prepare<[number, number, number], Gap>(
      'SELECT backward_extremity.parent, backward_extremity.child, event.depth FROM backward_extremity' +
        ' CROSS JOIN event ON event.nid = backward_extremity.child' +
        ' WHERE backward_extremity.room = ? AND event.segment = ? LIMIT ?',
    );
    this.#addBackward = db.prepare<[number, number, number], never>(
      'INSERT OR IGNORE INTO backward_extremity (room, parent, child) VALUES (?, ?, ?)',
    );
    this.#removeBackward = db.prepare<[number, number], never>(
      'DELETE FROM backward_extremity WHERE room = ? AND parent = ?',
    );
    this.#takeBehind = db.prepare<[number, number], { parent: EventNid }>(
      'DELETE FROM backward_extremity WHERE room = ? AND child = ? RETURNING parent',
    );
  }

  /** The forward extremities, oldest NID first. */
  forward(room: RoomNid): EventNid[] {
    return this.#forward.all(room).map((row) => row.event);
  }

  /** Swaps forward extremities: usually what a new event cites for the event itself. */
  replace(room: RoomNid, remove: readonly EventNid[], add: readonly EventNid[]): void {
    for (const event of remove) this.#removeForward.run(room, event);
    for (const event of add) this.#addForward.run(room, event);
  }

  /** Every missing parent with the child that cites it. */
  backward(room: RoomNid): MissingParent[] {
    return this.#backward.all(room);
  }

  /** What is missing behind events of one segment. */
  behind(room: RoomNid, segment: number, limit: number): Gap[] {
    return this.#behind.all(room, segment, limit);
  }

  /** Remembers that `parent`, which we do not have, comes before `child`: it is cited by it, or by what we cannot show. */
  addBackward(room: RoomNid, parent: EventNid, child: EventNid): void {
    this.#addBackward.run(room, parent, child);
  }

  /** Whether an event that we do not have in its place is known to come before one that has its place. */
  isMissing(room: RoomNid, parent: EventNid): boolean {
    return this.#childrenOfMissing.get(room, parent) !== undefined;
  }

  /** Forgets what is missing before an event, and tells it. */
  takeBehind(room: RoomNid, child: EventNid): EventNid[] {
    return this.#takeBehind.all(room, child).map((row) => row.parent);
  }

  /** The parent has arrived: forgets it and tells which children were waiting. */
  resolveBackward(room: RoomNid, parent: EventNid): EventNid[] {
    const children = this.#childrenOfMissing.all(room, parent).map((row) => row.child);
    if (children.length > 0) this.#removeBackward.run(room, parent);
    return children;
  }
}

/** A missing event, with the depth of the event behind which it is missing. */
export interface Gap extends MissingParent {
  readonly depth: number;
}

export interface MissingParent {
  readonly parent: EventNid;
  readonly child: EventNid;
}
