import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventNid, RoomNid, StreamPos } from '../../src/store/nids.ts';
import type { Boundary, Direction, Placed, Timeline } from '../../src/store/timeline.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

const room = 1 as RoomNid;
const pos = (value: number) => value as StreamPos;
const event = (value: number) => value as EventNid;
const numbers = (events: readonly Placed[]) => events.map((placed) => placed.event);

/** Inside a write: a room with the events 1 to 5 at 10 to 14, then a gap, then 21 to 23 at 30 to 32. */
function withGap(store: TestStore): { older: number; newer: number } {
  const { timeline, roomState } = store.stores;
  const { segment } = roomState.createRoom(room, '12', pos(10));
  for (let i = 1; i <= 5; i++) timeline.append(room, event(i), pos(9 + i));
  const newer = timeline.openSegment(room, pos(30));
  for (let i = 21; i <= 23; i++) timeline.append(room, event(i), pos(9 + i));
  return { older: segment, newer };
}

/** Reads to the end, `limit` at a time. */
function readAll(timeline: Timeline, from: Boundary, direction: Direction, limit: number): number[] {
  const read: number[] = [];
  let at: Boundary | undefined = from;
  while (at !== undefined) {
    const page = timeline.page(at.segment, at.idx, direction, limit);
    read.push(...numbers(page.events));
    assert.ok(page.events.length <= limit);
    if (page.events.length === 0) break;
    at = page.next;
  }
  return read;
}

describe('Timeline', () => {
  it('reads a room from its end, and stops at a gap', async () => {
    await using store = openTestStore();
    const { timeline } = store.stores;
    store.db.write<void>(() => {
      withGap(store);
      assert.deepEqual(numbers(timeline.newest(room, 2).events), [23, 22]);
      const all = timeline.newest(room, 10);
      assert.deepEqual(numbers(all.events), [23, 22, 21]);
      assert.equal(all.next, undefined);
    });
  });

  it('counts backfill down inside its segment and goes on where segments have met, in both directions', async () => {
    await using store = openTestStore();
    const { timeline } = store.stores;
    store.db.write<void>(() => {
      const { older, newer } = withGap(store);
      for (const nid of [9, 8, 7, 6]) timeline.prepend(newer, event(nid));
      timeline.link(newer, older);
      const forwards = [1, 2, 3, 4, 5, 6, 7, 8, 9, 21, 22, 23];
      for (const limit of [1, 2, 3, 5, 20]) {
        assert.deepEqual(readAll(timeline, { segment: older, idx: 0 }, 'f', limit), forwards);
        const end = timeline.end(room);
        assert.ok(end);
        assert.deepEqual(readAll(timeline, end, 'b', limit), forwards.toReversed());
      }
    });
  });

  it('gives a boundary the same meaning from both sides', async () => {
    await using store = openTestStore();
    const { timeline } = store.stores;
    store.db.write<void>(() => {
      const { older } = withGap(store);
      assert.deepEqual(numbers(timeline.page(older, 12, 'b', 2).events), [3, 2]);
      assert.deepEqual(numbers(timeline.page(older, 12, 'f', 2).events), [4, 5]);
      assert.deepEqual(timeline.page(older, 12, 'b', 2).next, { segment: older, idx: 10 });
      assert.deepEqual(timeline.page(older, 10, 'f', 2).next, { segment: older, idx: 12 });
      assert.equal(timeline.at(older, 12), 3);
    });
  });

  it('is limited for a sync that has missed the beginning of a segment, or more events than it takes', async () => {
    await using store = openTestStore();
    const { timeline } = store.stores;
    store.db.write<void>(() => {
      const { newer } = withGap(store);
      timeline.prepend(newer, event(9));
      const live = (since: number, upTo: number, limit: number) => {
        const page = timeline.live(room, pos(since), pos(upTo), limit);
        return [numbers(page.events), page.limited];
      };
      assert.deepEqual(live(30, 32, 10), [[22, 23], false]);
      assert.deepEqual(live(30, 31, 10), [[22], false]);
      assert.deepEqual(live(30, 32, 1), [[23], true]);
      assert.deepEqual(live(32, 99, 1), [[], false]);
      assert.deepEqual(live(29, 32, 10), [[21, 22, 23], true]);
      assert.deepEqual(live(0, 32, 10), [[21, 22, 23], true]);
    });
  });

  it('hands followers the events of all rooms in the order of arrival', async () => {
    await using store = openTestStore();
    const { timeline } = store.stores;
    store.db.write<void>(() => {
      withGap(store);
      const stream = (since: number, upTo: number, limit: number) =>
        timeline.stream(pos(since), pos(upTo), limit).map((row) => row.event);
      assert.deepEqual(stream(0, 99, 99), [1, 2, 3, 4, 5, 21, 22, 23]);
      assert.deepEqual(stream(13, 31, 99), [5, 21, 22]);
      assert.deepEqual(stream(10, 99, 2), [2, 3]);
    });
  });
});

describe('segments', () => {
  it('know their neighbours, whether they have met or not, and their own ends', async () => {
    await using store = openTestStore();
    const { timeline, segments } = store.stores;
    store.db.write<void>(() => {
      const { older, newer } = withGap(store);
      const [first, second] = [segments.get(older), segments.get(newer)];
      assert.ok(first && second);
      assert.equal(segments.preceding(second), older);
      assert.equal(segments.preceding(first), undefined);
      assert.equal(segments.following(first), newer);
      assert.equal(segments.following(second), undefined);
      timeline.prepend(newer, event(9));
      assert.deepEqual(timeline.topOf(older), { segment: older, idx: 14 });
      assert.deepEqual(timeline.bottomOf(newer), { segment: newer, idx: 28 });
      assert.deepEqual(timeline.oldest(newer), { segment: newer, idx: 29, event: 9 });
    });
  });
});
