import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LargeState } from '../../support/rooms/large-state.ts';
import { openTestStore } from '../../support/store.ts';

describe('two states of a large room that differ in three keys', () => {
  for (const version of ['6', '11', '12']) {
    it(`are resolved as the reference does it, from what they disagree on alone, room version ${version}`, async () => {
      const loaded: number[] = [];
      for (const members of [50, 2000]) {
        await using store = openTestStore();
        const room = new LargeState(store, version, members);
        const points = room.forks();
        const { changes, cost } = room.resolve(points);
        assert.deepEqual(
          [...changes].toSorted(([a], [b]) => (a < b ? -1 : 1)),
          [...room.resolveNaively(points)].toSorted(([a], [b]) => (a < b ? -1 : 1)),
        );
        assert.deepEqual([cost.sets, cost.conflicts], [2, 3]);
        assert.ok(changes.size >= 2);
        loaded.push(cost.loaded, cost.authDifference);
      }
      assert.deepEqual(loaded.slice(2), loaded.slice(0, 2), 'what is loaded grows with the room');
      assert.ok((loaded[0] ?? 0) <= 16, `${loaded[0]} events were loaded`);
    });
  }
});
