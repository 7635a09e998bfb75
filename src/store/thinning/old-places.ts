import type { Database } from '../db.ts';
import { type EventRow, eventColumns } from '../events/event-row.ts';
import type { RoomNid, StreamPos } from '../nids.ts';
import { Segments } from '../segments.ts';
import type { Boundary, Placed } from '../timeline.ts';

const start = Number.MIN_SAFE_INTEGER;
const end = Number.MAX_SAFE_INTEGER;

/** The order of rooms from its beginning on, over all gaps. Writing methods belong inside a write. */
export class OldPlaces {
  readonly #segments: Segments;
  readonly #oldest;
  readonly #page;
  readonly #step;
  readonly #count;
  readonly #below;
  readonly #closed;
  readonly #unlink;
  readonly #dropFollowed;

  constructor(db: Database) {
    this.#segments = new Segments(db);
    this.#oldest = db
      .prepare<[room: number], number>('SELECT nid FROM segment WHERE room = ? ORDER BY from_pos, nid LIMIT 1')
      .pluck();
    this.#page = db.prepare<[segment: number, after: number, upTo: number, limit: number], EventRow & Boundary>(
      `SELECT ${eventColumns} FROM timeline CROSS JOIN event ON event.nid = timeline.event` +
        ' WHERE timeline.segment = ? AND timeline.idx > ? AND timeline.idx <= ? ORDER BY timeline.idx LIMIT ?',
    );
    this.#step = db
      .prepare<[segment: number, after: number, count: number], number>(
        'SELECT idx FROM timeline WHERE segment = ? AND idx > ? ORDER BY idx LIMIT 1 OFFSET ?',
      )
      .pluck();
    this.#count = db.prepare<[segment: number, after: number], { events: number; last: number | null }>(
      'SELECT count(*) AS events, max(idx) AS last FROM timeline WHERE segment = ? AND idx > ?',
    );
    this.#below = db
      .prepare<[room: number, segment: number], number>('SELECT nid FROM segment WHERE room = ? AND nid < ?')
      .pluck();
    this.#closed = ['DELETE FROM history_state WHERE segment = ?', 'DELETE FROM segment WHERE nid = ?'].map((sql) =>
      db.prepare<[nid: number], never>(sql),
    );
    this.#unlink = db.prepare<[room: number, segment: number], never>(
      'UPDATE segment SET older = NULL WHERE room = ? AND older < ?',
    );
    this.#dropFollowed = db.prepare<[segment: number, idx: number], never>(
      'DELETE FROM history_state WHERE segment = ? AND idx <= ?',
    );
  }

  /** Events after a place (or from the beginning on) up to another, in the order of the room. */
  page(room: RoomNid, after: Boundary | undefined, upTo: Boundary, limit: number): (EventRow & Boundary)[] {
    const found: (EventRow & Boundary)[] = [];
    let segment = after?.segment ?? this.#oldest.get(room);
    let idx = after?.idx ?? start;
    while (segment !== undefined && segment <= upTo.segment && found.length < limit) {
      const last = segment === upTo.segment ? upTo.idx : end;
      found.push(...this.#page.all(segment, idx, last, limit - found.length));
      const here = this.#segments.get(segment);
      segment = here && this.#segments.following(here);
      idx = start;
    }
    return found;
  }

  /**
   * The place that lies so many events after another, or at the end of its segment, and how many they are. `undefined`:
   * there are no more.
   */
  step(room: RoomNid, after: Boundary | undefined, events: number): { at: Boundary; events: number } | undefined {
    let segment = after?.segment ?? this.#oldest.get(room);
    let idx = after?.idx ?? start;
    while (segment !== undefined) {
      const last = this.#step.get(segment, idx, events - 1);
      if (last !== undefined) return { at: { segment, idx: last }, events };
      const rest = this.#count.get(segment, idx);
      if (rest !== undefined && rest.last !== null) return { at: { segment, idx: rest.last }, events: rest.events };
      const here = this.#segments.get(segment);
      segment = here && this.#segments.following(here);
      idx = start;
    }
    return undefined;
  }

  /** The first event after a place. */
  first(room: RoomNid, after: Boundary | undefined): Placed | undefined {
    const [row] = this.page(room, after, { segment: end, idx: end }, 1);
    return row && { segment: row.segment, idx: row.idx, event: row.nid };
  }

  /** The position up to which everything live of a room is below or at a place. */
  liveUpTo({ segment, idx }: Boundary): StreamPos {
    const fromPos = this.#segments.get(segment)?.fromPos ?? 0;
    return Math.max(idx, fromPos - 1) as StreamPos;
  }

  /** Segments in which nothing is left, below where the room's history begins. */
  closeSegments(room: RoomNid, { segment }: Boundary): void {
    const below = this.#below.all(room, segment);
    if (below.length === 0) return;
    this.#unlink.run(room, segment);
    for (const nid of below) for (const statement of this.#closed) statement.run(nid);
  }

  /** What was followed through the history up to there. */
  forgetFollowed({ segment, idx }: Boundary): void {
    this.#dropFollowed.run(segment, idx);
  }
}
