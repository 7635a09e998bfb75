import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LineNid, RoomNid, StatePoint, StreamPos } from '../../../src/store/nids.ts';
import { openTestStore } from '../../support/store.ts';

const room = 1 as RoomNid;
const point = (line: number, pos: number): StatePoint => ({ line: line as LineNid, pos: pos as StreamPos });

describe('MergedPoints', () => {
  it('finds what the same states were resolved to, in whatever order they come, until it is told to forget', async () => {
    await using store = openTestStore();
    const { mergedPoints } = store.stores;
    store.db.write<void>(() => {
      mergedPoints.set(room, [point(1, 5), point(2, 7)], point(3, 9));
      assert.deepEqual(mergedPoints.find(room, [point(2, 7), point(1, 5)]), point(3, 9));
      assert.equal(mergedPoints.find(room, [point(2, 7), point(1, 6)]), undefined);
      assert.equal(mergedPoints.find(2 as RoomNid, [point(1, 5), point(2, 7)]), undefined);
      mergedPoints.set(2 as RoomNid, [point(1, 5)], point(4, 9));
      mergedPoints.forget(room);
      assert.equal(mergedPoints.find(room, [point(1, 5), point(2, 7)]), undefined);
      assert.deepEqual(mergedPoints.find(2 as RoomNid, [point(1, 5)]), point(4, 9));
    });
  });

  it('does not grow with the life of a room', async () => {
    await using store = openTestStore();
    const { mergedPoints } = store.stores;
    const count = store.db.prepare<[], number>('SELECT count(*) FROM merged_point').pluck();
    store.db.write<void>(() => {
      for (let pos = 1; pos <= 1000; pos++) {
        mergedPoints.set(room, [point(1, pos), point(2, pos)], point(3, pos));
        assert.deepEqual(mergedPoints.find(room, [point(1, pos), point(2, pos)]), point(3, pos));
        assert.ok((count.get() ?? 0) <= 128);
      }
    });
  });
});
