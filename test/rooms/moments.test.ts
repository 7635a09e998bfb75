import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MatrixError } from '../../src/protocol/errors.ts';
import { Moments, type MomentsUses } from '../../src/rooms/read/moments.ts';
import type { EventRow } from '../../src/store/events/event-row.ts';
import type { RoomNid } from '../../src/store/nids.ts';
import type { Boundary, Direction } from '../../src/store/timeline.ts';

/** A room of many segments with a hundred events each, all of the same time. */
function room(segments: number) {
  const length = 100;
  const page = (segment: number, idx: number, direction: Direction, limit: number) => {
    const places = Array.from({ length }, (_, at) => at + 1).filter((at) => (direction === 'b' ? at <= idx : at > idx));
    const events = (direction === 'b' ? places.reverse() : places).slice(0, limit);
    return { events: events.map((at) => ({ segment, idx: at, event: segment * length + at })), next: undefined };
  };
  const uses = {
    interning: { eventId: (nid: number) => `$${nid}` },
    events: { rows: (nids: readonly number[]) => nids.map((nid) => ({ nid, ts: 5 }) as unknown as EventRow) },
    timeline: { page },
    moments: {
      segments: () => Array.from({ length: segments }, (_, segment) => segment),
      range: () => ({ first: 1, last: length }),
      from: ({ idx }: Boundary) => [{ idx, ts: 5 }],
    },
  };
  return new Moments(uses as unknown as MomentsUses);
}

describe('the event closest to a time', () => {
  it('is looked for among a bounded number of events, however many segments a room has', () => {
    let judged = 0;
    const closest = (isVisible: (row: EventRow) => boolean) =>
      room(500).closest(1 as RoomNid, { ts: 1, direction: 'f' }, (row) => {
        judged++;
        return isVisible(row);
      });
    assert.throws(
      () => closest(() => false),
      (error) => error instanceof MatrixError && error.errcode === 'M_NOT_FOUND',
    );
    assert.ok(judged <= 2000, `${judged} events`);
    assert.equal(closest(({ nid }) => nid === 201).event_id, '$201');
  });
});
