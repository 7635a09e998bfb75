import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EventNid, RoomNid, StateKeyNid, StatePoint, StreamPos } from '../../../src/store/nids.ts';
import type { StateChange } from '../../../src/store/state/state-log.ts';
import { StateLogCheck } from '../../support/rooms/state-log-check.ts';
import { Seeded } from '../../support/seeded.ts';
import { openTestStore } from '../../support/store.ts';

const room = 1 as RoomNid;
const at = (pos: number) => pos as StreamPos;
const key = (nid: number) => nid as StateKeyNid;
const changes = (...list: [number, number][]) => list as unknown as StateChange[];

describe('StateLog', () => {
  it('equals plain maps under random forks, merges, corrections, base inserts and rejoins', async () => {
    await using store = openTestStore();
    let opened = 0;
    const check = (seed: number) => {
      opened++;
      const check = new StateLogCheck(store.stores.stateLog, new Seeded(seed), opened);
      for (let i = 0; i < 60; i++) {
        check.step();
        check.compare(4);
      }
    };
    const property = fc.property(fc.integer({ min: 0 }), (seed) => store.db.write<void>(() => check(seed)));
    fc.assert(property, { seed: 20261121, numRuns: 30 });
  });

  it('says what was under a key at any time', async () => {
    await using store = openTestStore();
    const log = store.stores.stateLog;
    store.db.write<void>(() => {
      const line = log.createLine(room, 'main');
      log.append(line, at(5), changes([1, 100]));
      log.append(line, at(9), changes([1, 101], [2, 200]));
      log.append(line, at(12), changes([2, 0]));
      const history = [4, 5, 8, 9, 11, 12].map((pos) => [1, 2].map((k) => log.at({ line, pos: at(pos) }, key(k))));
      assert.deepEqual(history, [
        [undefined, undefined],
        [100, undefined],
        [100, undefined],
        [101, 200],
        [101, 200],
        [101, undefined],
      ]);
    });
  });

  it('shows an entry added at the base to every later point, except where the key was written since', async () => {
    await using store = openTestStore();
    const log = store.stores.stateLog;
    store.db.write<void>(() => {
      const line = log.createLine(room, 'main');
      log.append(line, at(5), changes([1, 100]));
      log.append(line, at(9), changes([2, 200]));
      const fork = log.createLine(room, 'fork', { line, pos: at(7) });
      log.append(fork, at(10), changes([3, 300]));
      log.insertAtBase(line, at(5), changes([1, 900], [2, 901], [3, 902]) as [StateKeyNid, EventNid][]);
      assert.deepEqual([...log.allAt({ line, pos: at(4) })], []);
      assert.deepEqual([...log.allAt({ line, pos: at(7) })], [[1, 100], [2, 901], [3, 902]]); // biome-ignore format: a state
      assert.deepEqual([...log.allAt({ line, pos: at(9) })], [[1, 100], [2, 200], [3, 902]]); // biome-ignore format: a state
      assert.deepEqual([...log.allAt({ line: fork, pos: at(10) })], [[1, 100], [2, 901], [3, 300]]); // biome-ignore format: a state
    });
  });

  it('keeps the path to the root short by copying what forks of forks say', async () => {
    await using store = openTestStore();
    const log = store.stores.stateLog;
    store.db.write<void>(() => {
      const main = log.createLine(room, 'main');
      log.append(main, at(1), changes([99, 1]));
      let point: StatePoint = { line: main, pos: at(1) };
      for (let i = 1; i <= 40; i++) {
        const line = log.createLine(room, 'fork', point);
        log.append(line, at(i + 1), changes([i, 100 + i], [i - 1, 0]));
        point = { line, pos: at(i + 1) };
        assert.ok((log.line(line)?.depth ?? Infinity) <= 6);
        assert.deepEqual([...log.allAt(point)], [[i, 100 + i], [99, 1]]); // biome-ignore format: a state
      }
    });
  });

  it('begins a rejoined room anew: old members do not come back, old positions keep their line', async () => {
    await using store = openTestStore();
    const log = store.stores.stateLog;
    store.db.write<void>(() => {
      const first = log.createLine(room, 'main');
      log.setMainLine(room, at(3), first);
      log.append(first, at(3), changes([1, 100]));
      const second = log.createLine(room, 'main');
      log.setMainLine(room, at(50), second);
      log.append(second, at(50), changes([2, 200]));
      assert.equal(log.lineAt(room, at(2)), undefined);
      assert.equal(log.lineAt(room, at(49)), first);
      assert.equal(log.lineAt(room, at(50)), second);
      assert.equal(log.at({ line: second, pos: at(60) }, key(1)), undefined);
      const difference = log.difference([
        { line: first, pos: at(10) },
        { line: second, pos: at(60) },
      ]);
      assert.deepEqual([...difference], [[1, [100, undefined]], [2, [undefined, 200]]]); // biome-ignore format: pairs
    });
  });

  it('pages states of any size by key', async () => {
    await using store = openTestStore();
    const log = store.stores.stateLog;
    store.db.write<void>(() => {
      const line = log.createLine(room, 'main');
      const all = Array.from({ length: 1000 }, (_, i): [number, number] => [i + 1, i + 5000]);
      log.append(line, at(1), changes(...all));
      const fork = log.createLine(room, 'fork', { line, pos: at(1) });
      log.append(fork, at(2), changes(...all.filter(([k]) => k % 3 === 0).map(([k]): [number, number] => [k, 0])));
      const expected = all.filter(([k]) => k % 3 !== 0);
      const point = { line: fork, pos: at(2) };
      assert.deepEqual([...log.allAt(point)], expected);
      assert.deepEqual(log.pageAt(point, 0, 1000), expected);
      assert.deepEqual(
        log.pageAt(point, key(500), 400),
        expected.filter(([k]) => k > 500),
      );
    });
  });
});
