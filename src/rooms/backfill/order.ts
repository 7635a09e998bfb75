import type { EventId } from '../../protocol/ids/types.ts';

/** An event that is to get its place in the history. */
export interface HistoricEvent {
  readonly eventId: EventId;
  readonly depth: number;
  /** Each once. */
  readonly prevEvents: readonly EventId[];
}

/** An event that is missing behind one that has its place. */
export interface Missing {
  readonly eventId: EventId;
  /** Of the event behind which it is missing. */
  readonly childDepth: number;
}

export interface Found {
  /** The event, if it is at hand and has no place yet. */
  get(eventId: EventId): HistoricEvent | undefined;
  /** Whether it has its place already. */
  isPlaced(eventId: EventId): boolean;
  /** Whether nobody could be found who has it: what comes before it is not kept waiting. */
  isLost(eventId: EventId): boolean;
}

/** The stretch of history before the one that is filled. */
export interface Stretch {
  /** The depth of its oldest event: what is less deep comes before all of it. */
  readonly floor: number;
  /** Whether the two are known to have met. */
  readonly hasMet: boolean;
  /** Whether an event is in it, or before. */
  holds(eventId: EventId): boolean;
}

/**
 * The order in which events that are at hand get their places, newest first: each after (that is, further back than)
 * all events at hand that cite it, of several the deepest first. Only what leads back from the missing ones counts.
 * Where something is not at hand that may have to come before, the order ends: an event must not be put before one of
 * those that it follows. Depths are claims; they decide only what the edges leave open. Events in a circle get no place.
 * Once the stretch before this one has been met, the order also ends where what follows belongs behind that one.
 */
export function orderBackwards(missing: readonly Missing[], found: Found, stretch?: Stretch): HistoricEvent[] {
  const connected = connectedTo(missing, found);
  const waitsFor = citations(connected.values());
  const frontier = new Frontier(found, stretch);
  const ready = [...connected.values()].filter(({ eventId }) => !waitsFor.has(eventId));
  for (const each of missing) if (!connected.has(each.eventId)) frontier.wants(each);
  const order: HistoricEvent[] = [];
  while (ready.length > 0) {
    const next = takeDeepest(ready);
    if (frontier.mayHide(next) || frontier.isBeyond(next)) break;
    order.push(next);
    for (const prev of next.prevEvents) {
      const left = (waitsFor.get(prev) ?? 0) - 1;
      waitsFor.set(prev, left);
      const event = connected.get(prev);
      if (event === undefined) frontier.wants({ eventId: prev, childDepth: next.depth });
      else if (left === 0) ready.push(event);
    }
  }
  return order;
}

/** How many of the events cite each. */
function citations(events: Iterable<HistoricEvent>): Map<EventId, number> {
  const counts = new Map<EventId, number>();
  for (const { prevEvents } of events) for (const prev of prevEvents) counts.set(prev, (counts.get(prev) ?? 0) + 1);
  return counts;
}

function connectedTo(missing: readonly Missing[], found: Found): Map<EventId, HistoricEvent> {
  const connected = new Map<EventId, HistoricEvent>();
  const pending = missing.map(({ eventId }) => eventId);
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (connected.has(id)) continue;
    const event = found.get(id);
    if (event === undefined) continue;
    connected.set(id, event);
    pending.push(...event.prevEvents);
  }
  return connected;
}

/** What is wanted and not at hand, and where the stretch before begins. */
class Frontier {
  readonly #found: Found;
  readonly #stretch: Stretch | undefined;
  #hasMet: boolean;
  /** The greatest depth that something missing can have. */
  #depth = -Infinity;

  constructor(found: Found, stretch: Stretch | undefined) {
    this.#found = found;
    this.#stretch = stretch;
    this.#hasMet = stretch?.hasMet === true;
  }

  wants({ eventId, childDepth }: Missing): void {
    if (this.#found.isPlaced(eventId) || this.#found.isLost(eventId)) return;
    this.#depth = Math.max(this.#depth, childDepth - 1);
  }

  /** Whether something missing may have to come between this event and those placed already. */
  mayHide({ depth }: HistoricEvent): boolean {
    return depth < this.#depth;
  }

  /** Whether this event belongs behind the stretch before, which has been met. */
  isBeyond({ depth, prevEvents }: HistoricEvent): boolean {
    const stretch = this.#stretch;
    if (stretch === undefined) return false;
    this.#hasMet ||= prevEvents.some((prev) => stretch.holds(prev));
    return this.#hasMet && depth < stretch.floor;
  }
}

/** Of equally deep ones the one that was ready first. */
function takeDeepest(ready: HistoricEvent[]): HistoricEvent {
  let best = 0;
  for (const [index, { depth }] of ready.entries()) if (depth > (ready[best] as HistoricEvent).depth) best = index;
  return ready.splice(best, 1)[0] as HistoricEvent;
}
