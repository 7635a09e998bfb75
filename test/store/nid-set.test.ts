import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NidSet } from '../../src/store/nid-set.ts';

const number = fc.oneof(fc.nat(200), fc.nat(9000), fc.nat(3_000_000));

describe('a set of NIDs', () => {
  it('holds what was put in and gives it out highest first, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(number, fc.constant('take' as const)), { maxLength: 200 }), (steps) => {
        const set = new NidSet<number>();
        const expected = new Set<number>();
        for (const step of steps) {
          if (step === 'take') {
            const highest = [...expected].sort((a, b) => b - a).slice(0, 3);
            for (const each of highest) expected.delete(each);
            assert.deepEqual(set.takeHighest(3), highest);
          } else {
            assert.equal(set.add(step), !expected.has(step));
            expected.add(step);
          }
          for (const each of [...expected].slice(0, 5)) assert.ok(set.has(each));
        }
        assert.deepEqual(
          set.takeHighest(1000),
          [...expected].sort((a, b) => b - a),
        );
        assert.deepEqual(set.takeHighest(1), []);
      }),
      { seed: 41, numRuns: 200 },
    );
  });

  it('does not hold what was not put in', () => {
    const set = new NidSet<number>();
    set.add(31);
    set.add(4096);
    for (const other of [0, 30, 32, 63, 4095, 4097, 100_000]) assert.equal(set.has(other), false, `${other}`);
  });
});
