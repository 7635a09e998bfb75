import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { type HistoricEvent, type Missing, orderBackwards } from '../../../src/rooms/backfill/order.ts';

const id = (name: string | number) => `$${name}` as EventId;

function event(name: string, depth: number, ...prevEvents: string[]): HistoricEvent {
  return { eventId: id(name), depth, prevEvents: prevEvents.map(id) };
}

/** The names in the order in which they get their places. */
function order(
  missing: readonly [string, number][],
  events: readonly HistoricEvent[],
  { placed = [], lost = [] }: { placed?: string[]; lost?: string[] } = {},
): string {
  const byId = new Map(events.map((each) => [each.eventId, each]));
  const found = {
    get: (eventId: EventId) => (placed.map(id).includes(eventId) ? undefined : byId.get(eventId)),
    isPlaced: (eventId: EventId) => placed.map(id).includes(eventId),
    isLost: (eventId: EventId) => lost.map(id).includes(eventId),
  };
  const wanted = missing.map(([name, childDepth]): Missing => ({ eventId: id(name), childDepth }));
  return orderBackwards(wanted, found)
    .map(({ eventId }) => eventId.slice(1))
    .join(' ');
}

describe('the order of backfill', () => {
  it('goes back along the edges, the deepest first', () => {
    const events = [event('d', 4, 'b', 'c'), event('c', 3, 'a'), event('b', 2, 'a'), event('a', 1)];
    assert.equal(order([['d', 5]], events), 'd c b a');
    assert.equal(order([['d', 5]], events.toReversed()), 'd c b a');
  });

  it('trusts edges more than depths', () => {
    const events = [event('c', 1, 'b'), event('b', 900, 'a'), event('a', 50)];
    assert.equal(order([['c', 2]], events), 'c b a');
  });

  it('leaves out what does not lead back from where it began', () => {
    const events = [event('b', 2, 'a'), event('a', 1), event('x', 9, 'y'), event('y', 8)];
    assert.equal(order([['b', 3]], events), 'b a');
  });

  it('gives events in a circle no place', () => {
    assert.equal(order([['b', 3]], [event('b', 2, 'a'), event('a', 1, 'b')]), '');
    assert.equal(order([['c', 4]], [event('c', 3, 'b'), event('b', 2, 'a'), event('a', 1, 'b')]), 'c');
  });

  it('stops where something that is not at hand may belong in between', () => {
    const events = [event('d', 5, 'c', 'x'), event('c', 4, 'b'), event('b', 3, 'a')];
    // x, at most 4 deep, may cite b.
    assert.equal(order([['d', 6]], events), 'd c');
    assert.equal(order([['d', 6]], events, { lost: ['x'] }), 'd c b');
    assert.equal(order([['d', 6]], events, { placed: ['x'] }), 'd c b');
    assert.equal(order([['d', 6], ['z', 9]], events), ''); // biome-ignore format: pairs
  });

  it('never puts an event before one that it follows, however the history comes in', () => {
    const drawn = fc.record({
      parents: fc.array(fc.array(fc.nat(4), { minLength: 1, maxLength: 3 }), { minLength: 5, maxLength: 40 }),
      pages: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 60, maxLength: 60 }),
      lag: fc.nat(3),
    });
    fc.assert(
      fc.property(drawn, ({ parents, pages, lag }) => {
        const events: HistoricEvent[] = [event('0', 1)];
        for (const [index, back] of parents.entries()) {
          const cited = [...new Set(back.map((steps) => Math.max(0, index - steps)))];
          const depth = 1 + Math.max(...cited.map((each) => events[each]?.depth ?? 0)) + (index % (lag + 1));
          events.push({ eventId: id(index + 1), depth, prevEvents: cited.map(id) });
        }
        const order = fillInPages(events, pages);
        const seen = new Set<EventId>();
        for (const { eventId, prevEvents } of order) {
          for (const prev of prevEvents) assert.ok(!seen.has(prev), `${prev} came before its child ${eventId}`);
          assert.ok(!seen.has(eventId), `${eventId} came twice`);
          seen.add(eventId);
        }
        assert.equal(order.length, ancestors(events).size);
      }),
      { seed: 1, numRuns: 150 },
    );
  });
});

/** Asks for pages of what is missing, of a server that answers the deepest first; then for what the page was too short for. */
function fillInPages(events: readonly HistoricEvent[], pages: readonly number[]): HistoricEvent[] {
  const byId = new Map(events.map((each) => [each.eventId, each]));
  const newest = events.at(-1) as HistoricEvent;
  const placed = new Map<EventId, HistoricEvent>();
  let missing: Missing[] = [{ eventId: newest.eventId, childDepth: newest.depth + 1 }];
  for (const size of pages) {
    const asked = new Set(missing.map(({ eventId }) => eventId));
    const first = answer([...asked], byId, size);
    const left = [...asked].filter((eventId) => !first.has(eventId));
    const page = new Map([...first, ...answer(left, byId, left.length)]);
    for (const eventId of left) if (!page.has(eventId)) page.set(eventId, byId.get(eventId) as HistoricEvent);
    const found = {
      get: (eventId: EventId) => (placed.has(eventId) ? undefined : page.get(eventId)),
      isPlaced: (eventId: EventId) => placed.has(eventId),
      isLost: () => false,
    };
    const order = orderBackwards(missing, found);
    if (missing.length > 0) assert.ok(order.length > 0, 'each page leads on');
    for (const each of order) placed.set(each.eventId, each);
    missing = [...placed.values()].flatMap(({ prevEvents, depth }) =>
      prevEvents.filter((prev) => !placed.has(prev)).map((eventId) => ({ eventId, childDepth: depth })),
    );
  }
  return [...placed.values()];
}

function answer(
  from: readonly EventId[],
  byId: ReadonlyMap<EventId, HistoricEvent>,
  limit: number,
): Map<EventId, HistoricEvent> {
  const page = new Map<EventId, HistoricEvent>();
  const queue = from.map((eventId) => byId.get(eventId) as HistoricEvent);
  while (queue.length > 0 && page.size < limit) {
    queue.sort((left, right) => right.depth - left.depth);
    const next = queue.shift() as HistoricEvent;
    if (page.has(next.eventId)) continue;
    page.set(next.eventId, next);
    queue.push(...next.prevEvents.map((eventId) => byId.get(eventId) as HistoricEvent));
  }
  return page;
}

function ancestors(events: readonly HistoricEvent[]): Set<EventId> {
  const byId = new Map(events.map((each) => [each.eventId, each]));
  const all = new Set<EventId>();
  const queue = [events.at(-1) as HistoricEvent];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    if (all.has(next.eventId)) continue;
    all.add(next.eventId);
    queue.push(...next.prevEvents.map((eventId) => byId.get(eventId) as HistoricEvent));
  }
  return all;
}
