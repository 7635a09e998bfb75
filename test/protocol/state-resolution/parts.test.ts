import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Heap } from '../../../src/protocol/state-resolution/heap.ts';
import { compareByTime } from '../../../src/protocol/state-resolution/order.ts';
import { SetMask } from '../../../src/protocol/state-resolution/set-mask.ts';
import { StateMap } from '../../../src/protocol/state-resolution/state-map.ts';

describe('SetMask', () => {
  it('is full when it has every set, however many there are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(fc.array(fc.nat({ max: 199 }))), (setCount, adds) => {
        const mask = new SetMask(setCount);
        const model = new Set<number>();
        for (const sets of adds) {
          const other = new SetMask(setCount);
          for (const set of sets.filter((each) => each < setCount)) {
            other.add(set);
            model.add(set);
          }
          mask.addAll(other);
          assert.equal(mask.isFull, model.size === setCount);
        }
        mask.fill();
        assert.ok(mask.isFull);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});

describe('Heap', () => {
  it('gives its items in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), (items) => {
        const heap = new Heap<number>((a, b) => a < b);
        for (const item of items) heap.push(item);
        assert.equal(heap.peek(), items.length === 0 ? undefined : Math.min(...items));
        assert.deepEqual(
          items.map(() => heap.pop()),
          items.toSorted((a, b) => a - b),
        );
        assert.equal(heap.pop(), undefined);
      }),
      { seed: 2, numRuns: 200 },
    );
  });
});

describe('compareByTime', () => {
  const key = (originServerTs: number, eventId: string) => ({ id: eventId, originServerTs, eventId });

  it('puts the earlier first, then the lower event ID by bytes', () => {
    assert.ok(compareByTime(key(1, '$b'), key(2, '$a')) < 0);
    assert.ok(compareByTime(key(1, '$b'), key(1, '$a')) > 0);
    assert.ok(compareByTime(key(1, '$-'), key(1, '$0')) < 0);
    assert.ok(compareByTime(key(1, '$Z'), key(1, '$_')) < 0);
    assert.ok(compareByTime(key(1, '$_'), key(1, '$a')) < 0);
    assert.ok(compareByTime(key(1, '$\u{ffff}'), key(1, '$\u{10000}')) < 0);
    assert.equal(compareByTime(key(1, '$a'), key(1, '$a')), 0);
  });
});

describe('StateMap', () => {
  it('keeps types and state keys apart', () => {
    const map = new StateMap<number>().set('a', 'b|c', 1).set('a|b', 'c', 2).set('a', '', 3);
    assert.deepEqual(
      [map.get('a', 'b|c'), map.get('a|b', 'c'), map.get('a', ''), map.get('', 'a')],
      [1, 2, 3, undefined],
    );
    const copy = map.copy();
    copy.delete('a', '');
    assert.deepEqual([map.has('a', ''), copy.has('a', '')], [true, false]);
    assert.equal([...copy.entries()].length, 2);
  });
});
