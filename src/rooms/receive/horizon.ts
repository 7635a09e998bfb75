import { refIds } from '../../protocol/events/pdu.ts';
import type { EventId } from '../../protocol/ids/types.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Extremities } from '../../store/events/extremities.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, RoomNid } from '../../store/nids.ts';
import type { HistoryFloors } from '../../store/thinning/history-floors.ts';
import type { Timeline } from '../../store/timeline.ts';
import type { VerifiedEvent } from './verify.ts';

export interface HorizonUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly extremities: Extremities;
  readonly timeline: Timeline;
  readonly historyFloors: HistoryFloors;
}

/** Events where a room's history begins whose middle depth counts: a few with a wrong one do not matter. */
const looked = 20;

/**
 * What counts as a room's past: what lies before the newest stretch of its history that was received as it happened,
 * which began with a join or after a gap. It comes by backfill, in its place, and is no news to anybody.
 */
export class Horizon {
  readonly #uses: HorizonUses;

  constructor(uses: HorizonUses) {
    this.#uses = uses;
  }

  /** Events of a lower depth are the past. Depths are what their senders say: too low an answer costs only order. */
  depth(room: RoomNid): number {
    const { timeline, events } = this.#uses;
    const first = timeline.beginning(room);
    const depth = first === undefined ? undefined : events.row(first)?.depth;
    // At the highest depth that there is, it says nothing.
    return depth === undefined || depth >= Number.MAX_SAFE_INTEGER ? 0 : depth;
  }

  /** Those of some events that are news: not the past by their depth, nor known to come before what is here. */
  news(room: RoomNid, answered: readonly VerifiedEvent[]): VerifiedEvent[] {
    const { interning } = this.#uses;
    const lowest = this.depth(room);
    const byId = new Map(answered.map((event) => [event.eventId, event]));
    const past = new Set<EventId>();
    const queue = answered.filter(({ eventId, pdu }) => {
      const nid = interning.findEvent(eventId);
      return pdu.depth < lowest || (nid !== undefined && this.#isCited(room, nid));
    });
    for (const { eventId, pdu } of queue) {
      if (past.has(eventId)) continue;
      past.add(eventId);
      for (const id of refIds(pdu.prev_events)) {
        const parent = byId.get(id);
        if (parent !== undefined) queue.push(parent);
      }
    }
    return answered.filter(({ eventId }) => !past.has(eventId));
  }

  /** Whether an event that lacks these parents goes on from the past: nothing new is missing before it. */
  goesOnFromPast(room: RoomNid, depth: number, missing: readonly EventNid[]): boolean {
    return depth <= this.depth(room) || missing.every((parent) => this.#isCited(room, parent));
  }

  /**
   * Whether an event belongs to the part of a room's history that was deleted: nothing that it cites has a place or ends
   * the room, and it is not as deep as what the history begins with. It may have been here before.
   */
  isBelowFloor(room: RoomNid, depth: number, prevEvents: readonly EventNid[]): boolean {
    const { events, extremities, historyFloors } = this.#uses;
    if (historyFloors.of(room) === undefined) return false;
    if (events.rows(prevEvents).some(({ segment }) => segment !== null)) return false;
    if (extremities.forward(room).some((end) => prevEvents.includes(end))) return false;
    return depth < (this.floorDepth(room) ?? 0);
  }

  /** The depth at which a room's history begins, where the part before that was deleted. */
  floorDepth(room: RoomNid): number | undefined {
    const { events, historyFloors, timeline } = this.#uses;
    const floor = historyFloors.of(room);
    if (floor === undefined) return undefined;
    const page = timeline.page(floor.segment, floor.idx, 'f', looked).events;
    const depths = events.rows(page.map(({ event }) => event)).map(({ depth }) => depth);
    return depths.sort((left, right) => left - right)[Math.floor(depths.length / 2)];
  }

  #isCited(room: RoomNid, parent: EventNid): boolean {
    return this.#uses.extremities.isMissing(room, parent);
  }
}
