import { refIds } from '../../protocol/events/pdu.ts';
import type { EventId } from '../../protocol/ids/types.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Extremities } from '../../store/events/extremities.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, RoomNid } from '../../store/nids.ts';
import type { Timeline } from '../../store/timeline.ts';
import type { VerifiedEvent } from './verify.ts';

export interface HorizonUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly extremities: Extremities;
  readonly timeline: Timeline;
}

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

  #isCited(room: RoomNid, parent: EventNid): boolean {
    return this.#uses.extremities.isMissing(room, parent);
  }
}
