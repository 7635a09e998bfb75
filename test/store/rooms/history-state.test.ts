import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventNid, StateKeyNid } from '../../../src/store/nids.ts';
import { openTestStore } from '../../support/store.ts';

const key = 5 as StateKeyNid;
const other = 2 as StateKeyNid;
const event = (value: number) => value as EventNid;

describe('HistoryStateStore', () => {
  it('holds an entry for its place and what is older, down to the next entry of the key', async () => {
    await using store = openTestStore();
    const { historyState } = store.stores;
    const before = (idx: number, asked = key) => historyState.before({ segment: 1, idx }, asked);
    store.db.write<void>(() => {
      assert.equal(before(0), undefined);
      assert.equal(historyState.oldest(1, key), undefined);
      historyState.set({ segment: 1, idx: 99 }, key, event(7));
      historyState.set({ segment: 1, idx: 50 }, key, null);
      historyState.set({ segment: 1, idx: -3 }, key, 0);
      historyState.set({ segment: 2, idx: 60 }, key, event(8));
      assert.deepEqual(
        [99, 51, 50, 0, -2, -3, -9].map((idx) => before(idx)),
        [7, 7, null, null, null, 0, 0],
      );
      assert.equal(before(50, other), undefined);
      assert.deepEqual(historyState.oldest(1, key), { idx: -3, event: 0 });
      historyState.set({ segment: 1, idx: 50 }, key, event(6));
      assert.equal(before(4), 6);
    });
  });
});
