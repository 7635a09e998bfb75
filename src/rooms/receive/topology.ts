import type { BuiltEvent } from '../../protocol/events/build.ts';
import { refIds } from '../../protocol/events/pdu.ts';
import type { EventId } from '../../protocol/ids/types.ts';

/** Each event once, after those of its auth events that are among them; otherwise in the order in which they came. */
export function byAuth<E extends BuiltEvent>(events: readonly E[]): E[] {
  // In room version 12 nothing cites the create event, and everything rests on it.
  const creates = events.filter(({ pdu }) => pdu.type === 'm.room.create').map(({ eventId }) => eventId);
  return sorted(events, ({ pdu }) => [...creates, ...refIds(pdu.auth_events)]);
}

/** The same by all that an event cites. */
export function byCitation<E extends BuiltEvent>(events: readonly E[]): E[] {
  return sorted(events, ({ pdu }) => [...refIds(pdu.auth_events), ...refIds(pdu.prev_events)]);
}

/** Depth first with a stack of its own: a sender decides how long a chain is, and may make one a circle (versions 1, 2). */
function sorted<E extends BuiltEvent>(events: readonly E[], cited: (event: E) => readonly EventId[]): E[] {
  const waiting = new Map(events.map((event) => [event.eventId, event]));
  const order: E[] = [];
  for (const start of events) {
    const stack: { event: E; rest: EventId[] }[] = [];
    const visit = (id: EventId) => {
      const event = waiting.get(id);
      if (event === undefined) return;
      waiting.delete(id);
      stack.push({ event, rest: [...cited(event)].reverse() });
    };
    visit(start.eventId);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.rest.pop();
      if (next !== undefined) visit(next);
      else order.push((stack.pop() as { event: E }).event);
    }
  }
  return order;
}
