import type { Database } from '../db.ts';
import { type EventRow, eventColumns } from '../events/event-row.ts';
import { eventFlags } from '../events/flags.ts';
import type { EventNid, RoomNid, StreamPos } from '../nids.ts';
import { Segments } from '../segments.ts';
import type { Boundary, Placed } from '../timeline.ts';

const start = Number.MIN_SAFE_INTEGER;
const end = Number.MAX_SAFE_INTEGER;

/**
 * Takes old events out of rooms: messages whole, state events, which others rest on, only out of the room's order.
 * Writing methods belong inside a write.
 */
export class OldEvents {
  readonly #segments: Segments;
  readonly #oldest;
  readonly #page;
  readonly #step;
  readonly #count;
  readonly #isEnd;
  readonly #isOutgoing;
  readonly #isNewestOutgoing;
  readonly #isAddressed;
  readonly #told;
  readonly #behind;
  readonly #takeBody;
  readonly #leaveCited;
  readonly #remove;
  readonly #removeArrival;
  readonly #removePlace;
  readonly #clearPlace;
  readonly #flag;
  readonly #keep;
  readonly #kept;
  readonly #release;
  readonly #wasCited;
  readonly #dropMissing;
  readonly #below;
  readonly #closed;
  readonly #unlink;
  readonly #dropFollowed;
  readonly #reports;
  readonly #dropReports;

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
    this.#takeBody = ['event_raw', 'event_body'].map((table) =>
      db.prepare<[nid: number], number>(`DELETE FROM ${table} WHERE nid = ? RETURNING length(body)`).pluck(),
    );
    this.#leaveCited = db.prepare<[room: number, child: number], never>(
      'INSERT OR IGNORE INTO cited_event (room, event) SELECT ?, event.nid FROM event_edge' +
        ' CROSS JOIN event ON event.nid = event_edge.parent WHERE event_edge.child = ? AND event.pos IS NOT NULL',
    );
    this.#remove = [
      'DELETE FROM event_after WHERE event = ?',
      'DELETE FROM event_edge WHERE child = ?',
      'DELETE FROM event_txn WHERE event = ?',
      'DELETE FROM redaction WHERE target = ?',
      'DELETE FROM pending_redaction WHERE target = ?',
      'DELETE FROM history_state WHERE segment = -?',
      'DELETE FROM event WHERE nid = ?',
    ].map((sql) => db.prepare<[nid: number], never>(sql));
    this.#removeArrival = ['DELETE FROM stream_event WHERE pos = ?', 'DELETE FROM outgoing WHERE pos = ?'].map((sql) =>
      db.prepare<[pos: number], never>(sql),
    );
    this.#removePlace = db.prepare<[segment: number, idx: number], never>(
      'DELETE FROM timeline WHERE segment = ? AND idx = ?',
    );
    this.#clearPlace = db.prepare<[nid: number], never>('UPDATE event SET segment = NULL, idx = NULL WHERE nid = ?');
    this.#flag = db.prepare<[set: number, clear: number, nid: number], never>(
      'UPDATE event SET flags = (flags | ?) & ~? WHERE nid = ?',
    );
    this.#keep = db.prepare<[room: number, event: number], never>(
      'INSERT OR IGNORE INTO kept_message (room, event) VALUES (?, ?)',
    );
    this.#kept = db
      .prepare<[room: number, after: number, limit: number], EventNid>(
        'SELECT event FROM kept_message WHERE room = ? AND event > ? ORDER BY event LIMIT ?',
      )
      .pluck();
    this.#release = ['kept_message', 'cited_event'].map((table) =>
      db.prepare<[room: number, event: number], never>(`DELETE FROM ${table} WHERE room = ? AND event = ?`),
    );
    this.#wasCited = db.prepare<[room: number, event: number], 1>(
      'SELECT 1 FROM cited_event WHERE room = ? AND event = ?',
    );
    this.#dropMissing = db.prepare<[room: number, children: string], never>(
      'DELETE FROM backward_extremity WHERE room = ? AND child IN (SELECT value FROM json_each(?))',
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
    this.#reports = db
      .prepare<[after: number, limit: number], number | null>(
        'SELECT max(nid) FROM (SELECT nid FROM report WHERE nid > ? ORDER BY nid LIMIT ?)',
      )
      .pluck();
    this.#dropReports = db.prepare<[from: number, upTo: number, room: number], never>(
      'DELETE FROM report WHERE nid > ? AND nid <= ? AND room = ? AND event IS NOT NULL' +
        ' AND NOT EXISTS (SELECT 1 FROM event WHERE event.nid = report.event)',
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

  /** Whether the event is an end of the room, or a server has still to be told of it. */
  isNeeded({ nid, room, pos }: EventRow): boolean {
    if (pos === null) return false;
    if (this.#isEnd.get(room, nid) !== undefined || this.#isAddressed.get(pos) !== undefined) return true;
    if (pos <= Math.min(this.#told.get() ?? 0, this.#behind.get() ?? end)) return false;
    return this.#isOutgoing.get(pos) !== undefined || this.#isNewestOutgoing.get(room, nid) !== undefined;
  }

  /** Deletes an event that is no state event and all that is stored with it alone. Answers the size of its body. */
  remove({ nid, room, pos, segment, idx }: EventRow): number {
    // What was known of the room's ends stays right without it.
    if (pos !== null) this.#leaveCited.run(room, nid);
    let bytes = 0;
    for (const statement of this.#takeBody) bytes += statement.get(nid) ?? 0;
    for (const statement of this.#remove) statement.run(nid);
    for (const statement of this.#release) statement.run(room, nid);
    if (pos !== null) for (const statement of this.#removeArrival) statement.run(pos);
    if (segment !== null && idx !== null) this.#removePlace.run(segment, idx);
    return bytes;
  }

  /**
   * Takes an event out of the order of the room. It stays what it is to those that cite it; one that came by backfill
   * is again known without its place.
   */
  displace({ nid, pos, segment, idx }: EventRow & Boundary): void {
    this.#clearPlace.run(nid);
    this.#removePlace.run(segment, idx);
    if (pos === null) this.#flag.run(eventFlags.OUTLIER, eventFlags.BACKFILLED, nid);
  }

  /** Remembers that a message is still needed without its place. */
  keep({ room, nid }: EventRow): void {
    this.#keep.run(room, nid);
  }

  /** Messages that were kept, by their numbers. */
  kept(room: RoomNid, after: number, limit: number): EventNid[] {
    return this.#kept.all(room, after, limit);
  }

  /** Whether something that has been deleted cited the event: it does not end the room. */
  wasCited(room: RoomNid, event: EventNid): boolean {
    return this.#wasCited.get(room, event) !== undefined;
  }

  /** What is missing before these events is not looked for any more. */
  forgetMissing(room: RoomNid, children: readonly EventNid[]): void {
    if (children.length > 0) this.#dropMissing.run(room, JSON.stringify(children));
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

  /** Deletes reports of events that are gone, among the next `limit` reports. Answers where to go on, if anywhere. */
  forgetReports(room: RoomNid, after: number, limit: number): number | undefined {
    const upTo = this.#reports.get(after, limit) ?? undefined;
    if (upTo !== undefined) this.#dropReports.run(after, upTo, room);
    return upTo;
  }
}
