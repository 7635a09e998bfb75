import type { EventStore } from '../../store/events/event-store.ts';
import type { RoomNid, StreamPos } from '../../store/nids.ts';
import type { BoundaryStore } from '../../store/rooms/boundaries.ts';
import type { Segment, Segments } from '../../store/segments.ts';
import { comparePlaces, type HistoryFloors } from '../../store/thinning/history-floors.ts';
import type { OldPlaces } from '../../store/thinning/old-places.ts';
import type { ReceptionMarks } from '../../store/thinning/reception-marks.ts';
import type { Boundary, Placed, Timeline } from '../../store/timeline.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';

export interface OldHistoryUses {
  readonly boundaries: BoundaryStore;
  readonly events: EventStore;
  readonly historyFloors: HistoryFloors;
  readonly oldPlaces: OldPlaces;
  readonly receptionMarks: ReceptionMarks;
  readonly segments: Segments;
  readonly timeline: Timeline;
  readonly clock: Clock;
}

/** Events that came by backfill looked at in one go, a few milliseconds; the next look goes on from there. */
const mostLooked = 500;
/** Events at the end of a room among which its newest message is looked for. */
const mostNewest = 200;

/**
 * Finds out how far the history of rooms is older than something. What another server says of the age of its events is
 * believed of none that came while we were in the room: of those it counts when they came. What came by backfill had
 * happened before the live events behind it; within that, everything from the oldest event on is old that says so, up to
 * the first that says otherwise. So an event with too early a date takes no others with it, and one with too late a date
 * keeps what follows it at the longest until the live events behind it are old.
 */
export class OldHistory {
  readonly #uses: OldHistoryUses;

  constructor(uses: OldHistoryUses) {
    this.#uses = uses;
  }

  /**
   * The place up to which a room's history is older than a time and may be deleted: its newest message stays.
   * `undefined`: nothing is to be deleted.
   */
  before(room: RoomNid, time: Millis): Boundary | undefined {
    const found = this.#before(room, time);
    return found && this.deletable(room, found);
  }

  /** A place, or one before it so that the room's newest message stays; `undefined` if nothing lies before that. */
  deletable(room: RoomNid, wanted: Boundary): Boundary | undefined {
    // In most rooms there is nothing, whenever somebody looks.
    const newest = this.#isEmpty(room, wanted) ? undefined : this.#newestMessage(room);
    if (newest === undefined) return undefined;
    const last = { segment: newest.segment, idx: newest.idx - 1 };
    const upTo = comparePlaces(wanted, last) < 0 ? wanted : last;
    return this.#isEmpty(room, upTo) ? undefined : upTo;
  }

  #isEmpty(room: RoomNid, upTo: Boundary): boolean {
    const { historyFloors, oldPlaces } = this.#uses;
    return oldPlaces.page(room, historyFloors.of(room), upTo, 1).length === 0;
  }

  /** The newest message; the newest event where none is among the last. */
  #newestMessage(room: RoomNid): Boundary | undefined {
    return this.#newestAmong(room, 1) ?? this.#newestAmong(room, mostNewest) ?? this.newest(room, 1)[0];
  }

  #newestAmong(room: RoomNid, limit: number): Boundary | undefined {
    const placed = this.newest(room, limit);
    const messages = new Set(
      this.#uses.events
        .rows(placed.map(({ event }) => event))
        .filter(({ stateKey }) => stateKey === null)
        .map(({ nid }) => nid),
    );
    return placed.find(({ event }) => messages.has(event));
  }

  /** The newest events of a room, newest first, whatever gaps are between them. */
  newest(room: RoomNid, limit: number): Placed[] {
    const { timeline, segments } = this.#uses;
    const found: Placed[] = [];
    const end = timeline.end(room);
    let segment = end && segments.get(end.segment);
    while (segment !== undefined && found.length < limit) {
      const { nid } = segment;
      const page = timeline.page(nid, Number.MAX_SAFE_INTEGER, 'b', limit - found.length).events;
      found.push(...page.filter((placed) => placed.segment === nid));
      const preceding = segments.preceding(segment);
      segment = preceding === undefined ? undefined : segments.get(preceding);
    }
    return found;
  }

  #before(room: RoomNid, time: Millis): Boundary | undefined {
    const { boundaries, receptionMarks, segments } = this.#uses;
    const received = receptionMarks.receivedBy(time);
    const live = received === undefined ? undefined : boundaries.begun(room, received);
    if (live === undefined || received === undefined) {
      const oldest = boundaries.beginning(room);
      const first = oldest && segments.get(oldest.segment);
      return first && this.#inBackfill(first, time);
    }
    const upTo = { segment: live, idx: received };
    const here = segments.get(live);
    const next = here === undefined || this.#hasNewer(upTo) ? undefined : segments.following(here);
    const following = next === undefined ? undefined : segments.get(next);
    return (following && this.#inBackfill(following, time)) ?? upTo;
  }

  #hasNewer({ segment, idx }: Boundary): boolean {
    const [newer] = this.#uses.timeline.page(segment, idx, 'f', 1).events;
    return newer?.segment === segment;
  }

  /** How far what came by backfill before the first live event of a segment is old, by what the events say. */
  #inBackfill({ nid, room, fromPos }: Segment, time: Millis): Boundary | undefined {
    const { historyFloors, oldPlaces } = this.#uses;
    const latest = this.#timeOf(fromPos);
    const floor = historyFloors.of(room);
    const from = floor?.segment === nid ? floor : { segment: nid, idx: Number.MIN_SAFE_INTEGER };
    const rows = oldPlaces.page(room, from, { segment: nid, idx: fromPos - 1 }, mostLooked);
    // What says to be newer than what came behind it is wrong.
    const end = rows.findIndex(({ ts }) => ts >= time && ts <= latest);
    const last = end < 0 ? rows.at(-1) : rows[end - 1];
    return last && { segment: last.segment, idx: last.idx };
  }

  #timeOf(pos: StreamPos): Millis {
    return millis(this.#uses.receptionMarks.timeOf(pos) ?? this.#uses.clock.now());
  }
}
