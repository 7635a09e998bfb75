import type { EventStore } from '../../store/events/event-store.ts';
import type { Extremities, Gap } from '../../store/events/extremities.ts';
import { eventFlags } from '../../store/events/flags.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, RoomNid } from '../../store/nids.ts';
import type { Segment, Segments } from '../../store/segments.ts';
import type { HistoryFloors } from '../../store/thinning/history-floors.ts';
import type { Boundary, Direction, Timeline } from '../../store/timeline.ts';

export interface EdgesUses {
  readonly events: EventStore;
  readonly extremities: Extremities;
  readonly segments: Segments;
  readonly historyFloors: HistoryFloors;
  readonly timeline: Timeline;
}

/** Segments that have met one after the other: as many times the server was away. */
const maxChain = 1000;
/** What is missing at one place and looked at together; an event cites twenty at most, and branches are few. */
const maxGaps = 200;
/** Events without a place that are passed in a row. */
const maxPassed = 200;
/** Events at the end of a segment among which one is looked for that cites what is behind the gap. */
const maxNear = 200;

/** Where the known history of a room ends, and when two stretches of it have met. */
export class Edges {
  readonly #uses: EdgesUses;

  constructor(uses: EdgesUses) {
    this.#uses = uses;
  }

  /** Whether a segment is still there: old ones may be deleted. */
  has(segment: number): boolean {
    return this.#uses.segments.get(segment) !== undefined;
  }

  /** The oldest segment that reading back from one gets to. */
  bottom(segment: number): Segment {
    const { segments } = this.#uses;
    let here = this.#require(segment);
    for (let steps = 0; here.older !== null && steps < maxChain; steps++) {
      const older = segments.get(here.older);
      if (older === undefined) break;
      here = older;
    }
    return here;
  }

  /** The newest segment that reading on from one gets to. */
  top(segment: number): Segment {
    const { segments } = this.#uses;
    let here = this.#require(segment);
    for (let steps = 0; steps < maxChain; steps++) {
      const newer = segments.newer(here);
      const next = newer === undefined ? undefined : segments.get(newer);
      if (next === undefined) break;
      here = next;
    }
    return here;
  }

  /** The boundary at which reading in a direction goes on behind the end of what is known without a gap. */
  beyond(segment: number, direction: Direction): Boundary | undefined {
    const { segments, timeline } = this.#uses;
    if (direction === 'b') {
      const preceding = segments.preceding(this.bottom(segment));
      return preceding === undefined ? undefined : timeline.topOf(preceding);
    }
    const following = segments.following(this.top(segment));
    return following === undefined ? undefined : timeline.bottomOf(following);
  }

  /** Whether something is known to be missing there. */
  isOpen(segment: number, direction: Direction): boolean {
    const bottom = this.bottom(segment);
    return this.beyond(segment, direction) !== undefined || (direction === 'b' && this.gaps(bottom).length > 0);
  }

  #require(nid: number): Segment {
    const segment = this.#uses.segments.get(nid);
    if (segment === undefined) throw new Error(`there is no segment ${nid}`);
    return segment;
  }

  /** Whether a room's history begins in this segment, or above: what is older was deleted, or is not wanted. */
  isClosed({ room, nid }: Segment): boolean {
    return this.#uses.historyFloors.isEnd(room, nid);
  }

  /** What is missing behind a segment and all those that have met above it, and may be looked for. */
  gaps(bottom: Segment): Gap[] {
    const { extremities, segments } = this.#uses;
    if (this.isClosed(bottom)) return [];
    const gaps: Gap[] = [];
    let here: Segment | undefined = bottom;
    for (let steps = 0; here !== undefined && gaps.length < maxGaps && steps < maxChain; steps++) {
      gaps.push(...extremities.behind(here.room, here.nid, maxGaps - gaps.length));
      const newer: number | undefined = segments.newer(here);
      here = newer === undefined ? undefined : segments.get(newer);
    }
    return gaps;
  }

  /**
   * Inside a write: what is missing behind the oldest event of a segment, written down. It is already unless whoever
   * opened the segment did not know.
   */
  mend(bottom: Segment): void {
    const { events, extremities, timeline } = this.#uses;
    const { nid, room } = bottom;
    if (this.isClosed(bottom)) return;
    const oldest = timeline.oldest(nid);
    if (oldest === undefined || events.row(oldest.event)?.type === wellKnown.types.create) return;
    for (const parent of this.missing(events.parents(oldest.event))) {
      extremities.addBackward(room, parent, oldest.event);
    }
  }

  /**
   * Those of some events, or of what comes before them, that have no place and could have one: rejected and
   * soft-failed events are passed.
   */
  missing(cited: readonly EventNid[]): EventNid[] {
    const { events } = this.#uses;
    const missing = new Set<EventNid>();
    const seen = new Set<EventNid>();
    const pending = [...cited];
    for (let nid = pending.pop(); nid !== undefined && seen.size < maxPassed; nid = pending.pop()) {
      if (seen.has(nid)) continue;
      seen.add(nid);
      const row = events.row(nid);
      if (row === undefined) missing.add(nid);
      // What has lost its place with the history around it will not have another.
      else if (row.segment !== null || row.pos !== null) continue;
      else if (isPassed(row.flags)) pending.push(...events.parents(nid));
      else missing.add(nid);
    }
    return [...missing];
  }

  /**
   * Inside a write: links a segment with the one before it if nothing is missing between them any more. What is missing
   * and older than all of that one does not count, nor does what nobody has, once they have met. True if so.
   */
  link(
    bottom: Segment,
    known: { isLost(event: EventNid): boolean; depth(event: EventNid): number | undefined },
  ): boolean {
    const { timeline } = this.#uses;
    const preceding = this.preceding(bottom);
    if (preceding === undefined) return false;
    const gaps = this.gaps(bottom);
    if (gaps.length > 0) {
      const isBetween = ({ parent, depth }: Gap) =>
        !known.isLost(parent) && (known.depth(parent) ?? depth - 1) >= preceding.floor;
      if (gaps.some(isBetween)) return false;
      // Where the history begins, nothing is left that what came before it could meet.
      const isBelow = ({ parent, depth }: Gap) => (known.depth(parent) ?? depth - 1) < preceding.floor;
      if (!preceding.hasMet && !(preceding.isClosed && gaps.every(isBelow))) return false;
    }
    timeline.link(bottom.nid, preceding.nid);
    return true;
  }

  preceding(bottom: Segment): Preceding | undefined {
    const { segments, events, timeline } = this.#uses;
    const nid = segments.preceding(bottom);
    if (nid === undefined) return undefined;
    const { fromPos } = this.#require(nid);
    const begin = this.bottom(nid);
    const oldest = timeline.oldest(begin.nid);
    const floor = (oldest && events.row(oldest.event)?.depth) ?? Number.POSITIVE_INFINITY;
    return { nid, fromPos, floor, hasMet: this.#hasMet(bottom, fromPos), isClosed: this.isClosed(begin) };
  }

  /** Whether an event has its place in a segment that began at a position, or before. */
  isBehind(event: EventNid, fromPos: number): boolean {
    const segment = this.#uses.events.row(event)?.segment;
    return typeof segment === 'number' && this.#require(segment).fromPos <= fromPos;
  }

  /** Whether an event near the end of a segment cites one of an older segment. */
  #hasMet(bottom: Segment, fromPos: number): boolean {
    const { events, timeline } = this.#uses;
    for (const { event, segment } of timeline.page(bottom.nid, Number.MIN_SAFE_INTEGER, 'f', maxNear).events) {
      if (segment !== bottom.nid) return false;
      if (events.parents(event).some((parent) => this.isBehind(parent, fromPos))) return true;
    }
    return false;
  }

  /** Inside a write: forgets that an event is missing if it has come by another way. */
  settle(room: RoomNid, parent: EventNid): void {
    const row = this.#uses.events.row(parent);
    if (row === undefined) return;
    if (row.segment !== null) this.replace(room, parent, []);
    else if (isPassed(row.flags)) this.replace(room, parent, this.missing([parent]));
  }

  /** Inside a write: nothing is missing there any more, or something else is. */
  replace(room: RoomNid, parent: EventNid, instead: readonly EventNid[]): void {
    const { extremities } = this.#uses;
    const children = extremities.resolveBackward(room, parent);
    for (const child of children) for (const each of instead) extremities.addBackward(room, each, child);
  }
}

/** The segment before one. */
export interface Preceding {
  readonly nid: number;
  readonly fromPos: number;
  /** The depth of the oldest event that reading back from it gets to. */
  readonly floor: number;
  /** Whether one of its events, or of those before, is cited by one near the end of the other. */
  readonly hasMet: boolean;
  /** Whether that oldest event is where the room's history begins. */
  readonly isClosed: boolean;
}

/** Has no place and will not get one. */
export function isPassed(flags: number): boolean {
  return (flags & (eventFlags.REJECTED | eventFlags.SOFT_FAILED)) !== 0;
}
