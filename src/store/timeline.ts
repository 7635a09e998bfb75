import type { Database } from './db.ts';
import type { EventNid, RoomNid, StreamPos } from './nids.ts';
import { type Segment, Segments } from './segments.ts';

/** A place between two events of the room order: after the event at `idx`, before the next one. */
export interface Boundary {
  readonly segment: number;
  readonly idx: number;
}

/** An event in its place of the room order. */
export interface Placed {
  readonly segment: number;
  readonly idx: number;
  readonly event: EventNid;
}

export interface TimelinePage {
  /** In the direction of reading. */
  readonly events: readonly Placed[];
  /** Where to go on. `undefined`: the segment ends here; backwards, that is where backfill begins. */
  readonly next: Boundary | undefined;
}

/** `b`: towards older events, `f`: towards newer ones. */
export type Direction = 'b' | 'f';

export interface LivePage {
  /** Oldest first. */
  readonly events: readonly Placed[];
  /** There is more between the start of the range and the first of `events`. */
  readonly limited: boolean;
}

/**
 * The two orders of events. Arrival: `stream_event`, over all rooms, for followers. Room order: segments, in which live
 * events have their position as index and backfill counts down from the start. Writing methods belong inside a write.
 */
export class Timeline {
  readonly #segments: Segments;
  readonly #room;
  readonly #append;
  readonly #appendStream;
  readonly #advance;
  readonly #moveSegment;
  readonly #lowest;
  readonly #top;
  readonly #older;
  readonly #newerRows;
  readonly #stream;
  readonly #at;
  readonly #citedAfter;
  readonly #remove;
  readonly #removeArrival;

  constructor(db: Database) {
    this.#segments = new Segments(db);
    this.#room = db.remember<[number], { segment: number; lastPos: StreamPos }>(
      'SELECT segment, last_pos AS lastPos FROM room_info WHERE room = ?',
    );
    this.#append = db.prepare<[number, number, number], never>(
      'INSERT INTO timeline (segment, idx, event) VALUES (?, ?, ?)',
    );
    this.#appendStream = db.prepare<[number, number, number], never>(
      'INSERT INTO stream_event (pos, room, event) VALUES (?, ?, ?)',
    );
    this.#advance = db.prepare<[number, number], never>('UPDATE room_info SET last_pos = ? WHERE room = ?');
    this.#moveSegment = db.prepare<[number, number], never>('UPDATE room_info SET segment = ? WHERE room = ?');
    this.#lowest = db.prepare<[number], { idx: number }>(
      'SELECT idx FROM timeline WHERE segment = ? ORDER BY idx LIMIT 1',
    );
    this.#top = db.prepare<[number], { idx: number }>(
      'SELECT idx FROM timeline WHERE segment = ? ORDER BY idx DESC LIMIT 1',
    );
    this.#older = db.prepare<[number, number, number], Placed>(
      'SELECT segment, idx, event FROM timeline WHERE segment = ? AND idx <= ? ORDER BY idx DESC LIMIT ?',
    );
    this.#newerRows = db.prepare<[number, number, number], Placed>(
      'SELECT segment, idx, event FROM timeline WHERE segment = ? AND idx > ? ORDER BY idx LIMIT ?',
    );
    this.#stream = db.prepare<[number, number, number], { pos: StreamPos; room: RoomNid; event: EventNid }>(
      'SELECT pos, room, event FROM stream_event WHERE pos > ? AND pos <= ? ORDER BY pos LIMIT ?',
    );
    this.#at = db.prepare<[number, number], { event: EventNid }>(
      'SELECT event FROM timeline WHERE segment = ? AND idx = ?',
    );
    this.#citedAfter = db.prepare<[parent: number, segment: number, idx: number], { event: EventNid }>(
      'SELECT timeline.event FROM timeline CROSS JOIN event_edge' +
        ' ON event_edge.child = timeline.event AND event_edge.parent = ?' +
        ' WHERE timeline.segment = ? AND timeline.idx > ? ORDER BY timeline.idx LIMIT 1',
    );
    this.#removeArrival = db.prepare<[number], never>('DELETE FROM stream_event WHERE pos = ?');
    this.#remove = db.prepare<[number, number], never>('DELETE FROM timeline WHERE segment = ? AND idx = ?');
  }

  /** Puts a live event at the end of the room and of the stream. The event's row carries the same place. */
  append(room: RoomNid, event: EventNid, pos: StreamPos): { segment: number; idx: number } {
    const { segment } = this.#require(room);
    this.#append.run(segment, pos, event);
    this.#appendStream.run(pos, room, event);
    this.#advance.run(pos, room);
    return { segment, idx: pos };
  }

  /** Begins a new segment at `pos`: what lies between it and the one before is not known. */
  openSegment(room: RoomNid, pos: StreamPos): number {
    const segment = this.#segments.open(room, pos);
    this.#moveSegment.run(segment, room);
    return segment;
  }

  /** Puts a backfilled event before all others of a segment. */
  prepend(segment: number, event: EventNid): { segment: number; idx: number } {
    const { fromPos } = this.#requireSegment(segment);
    const idx = Math.min(this.#lowest.get(segment)?.idx ?? fromPos, fromPos) - 1;
    this.#append.run(segment, idx, event);
    return { segment, idx };
  }

  /** `newer`, filled backwards, has met the end of `older`. */
  link(newer: number, older: number): void {
    this.#segments.link(newer, older);
  }

  /** Takes an event out of the room order: a late rejection. */
  remove(segment: number, idx: number): void {
    this.#remove.run(segment, idx);
  }

  /** Takes an event that is nobody's news any more out of the stream. */
  forgetArrival(pos: StreamPos): void {
    this.#removeArrival.run(pos);
  }

  /** The end of the room: the boundary after its newest event. */
  end(room: RoomNid): Boundary | undefined {
    const info = this.#room.get(room);
    if (info === undefined) return undefined;
    // A segment that has only backfilled events yet ends above the last live event of the one before.
    return { segment: info.segment, idx: Math.max(info.lastPos, this.#requireSegment(info.segment).fromPos - 1) };
  }

  /** The oldest event of a segment. */
  oldest(segment: number): Placed | undefined {
    return this.#newerRows.get(segment, Number.MIN_SAFE_INTEGER, 1);
  }

  /** The boundary behind the newest event of a segment. */
  topOf(segment: number): Boundary {
    return { segment, idx: this.#top.get(segment)?.idx ?? this.#requireSegment(segment).fromPos - 1 };
  }

  /** The boundary before everything in a segment. */
  bottomOf(segment: number): Boundary {
    return { segment, idx: (this.#lowest.get(segment)?.idx ?? this.#requireSegment(segment).fromPos) - 1 };
  }

  /** The first live event of the room's newest segment. */
  beginning(room: RoomNid): EventNid | undefined {
    const info = this.#room.get(room);
    const segment = info === undefined ? undefined : this.#segments.get(info.segment);
    return segment === undefined ? undefined : this.#newerRows.get(segment.nid, segment.fromPos - 1, 1)?.event;
  }

  /** The newest events of a room, newest first. */
  newest(room: RoomNid, limit: number): TimelinePage {
    const end = this.end(room);
    return end === undefined ? { events: [], next: undefined } : this.page(end.segment, end.idx, 'b', limit);
  }

  /** At most `limit` events from a boundary on, over segments that have met. */
  page(segment: number, idx: number, direction: Direction, limit: number): TimelinePage {
    const events: Placed[] = [];
    let at: Boundary = { segment, idx };
    while (events.length < limit) {
      const rows = direction === 'b' ? this.#older : this.#newerRows;
      const found = rows.all(at.segment, at.idx, limit - events.length);
      events.push(...found);
      const last = found.at(-1);
      if (last !== undefined) at = direction === 'b' ? { segment: last.segment, idx: last.idx - 1 } : last;
      if (events.length >= limit) break;
      const beyond = this.#beyond(at.segment, direction);
      if (beyond === undefined) return { events, next: undefined };
      at = beyond;
    }
    return { events, next: { segment: at.segment, idx: at.idx } };
  }

  /** Where reading goes on when a segment is exhausted. */
  #beyond(segment: number, direction: Direction): Boundary | undefined {
    const here = this.#segments.get(segment);
    if (here === undefined) return undefined;
    if (direction === 'b') {
      if (here.older === null) return undefined;
      return { segment: here.older, idx: this.#top.get(here.older)?.idx ?? -Infinity };
    }
    const newer = this.#segments.newer(here);
    if (newer === undefined) return undefined;
    return { segment: newer, idx: (this.#lowest.get(newer)?.idx ?? 0) - 1 };
  }

  /**
   * The newest live events of a room in (since, upTo], at most `limit`. Limited if there are more, or if a segment
   * began after `since`: then a gap lies in between.
   */
  live(room: RoomNid, since: StreamPos, upTo: StreamPos, limit: number): LivePage {
    const { segment } = this.#require(room);
    const begun = this.#requireSegment(segment).fromPos;
    const from = Math.max(since, begun - 1);
    const rows = this.#older.all(segment, upTo, limit + 1).filter((row) => row.idx > from);
    return { events: rows.slice(0, limit).reverse(), limited: rows.length > limit || begun > since };
  }

  /** The event at a place. */
  at(segment: number, idx: number): EventNid | undefined {
    return this.#at.get(segment, idx)?.event;
  }

  /** Whether an event that stands behind a boundary, in its segment or a newer one, cites this one. A look at each, until one does. */
  isCitedBehind({ segment, idx }: Boundary, event: EventNid): boolean {
    let after = idx;
    for (
      let at: number | undefined = segment;
      at !== undefined;
      at = this.#segments.following(this.#requireSegment(at))
    ) {
      if (this.#citedAfter.get(event, at, after) !== undefined) return true;
      after = Number.MIN_SAFE_INTEGER;
    }
    return false;
  }

  /** The boundary behind what had come to a room at a position. */
  boundaryAt(room: RoomNid, pos: StreamPos): Boundary {
    let segment = this.#requireSegment(this.#require(room).segment);
    while (segment.fromPos > pos) {
      const before = this.#segments.preceding(segment);
      if (before === undefined) break;
      segment = this.#requireSegment(before);
    }
    return { segment: segment.nid, idx: pos };
  }

  /** Live events of all rooms in (since, upTo], oldest first: for followers. */
  stream(since: StreamPos, upTo: StreamPos, limit: number): { pos: StreamPos; room: RoomNid; event: EventNid }[] {
    return this.#stream.all(since, upTo, limit);
  }

  #require(room: RoomNid): { segment: number; lastPos: StreamPos } {
    const info = this.#room.get(room);
    if (info === undefined) throw new Error(`room ${room} has no timeline here`);
    return info;
  }

  #requireSegment(nid: number): Segment {
    const segment = this.#segments.get(nid);
    if (segment === undefined) throw new Error(`there is no segment ${nid}`);
    return segment;
  }
}
