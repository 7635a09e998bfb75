import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Lru } from '../../src/util/lru.ts';

describe('Lru', () => {
  it('never holds more than its limit, nor anything wrong, and always what was used last', () => {
    const step = fc.record({ key: fc.nat(20), do: fc.constantFrom('get', 'set', 'delete') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.integer({ min: 2, max: 12 }), (steps, limit) => {
        const lru = new Lru<number, string>(limit);
        const model = new Map<number, string>();
        for (const [i, step] of steps.entries()) {
          const { key } = step;
          if (step.do === 'delete') {
            lru.delete(key);
            model.delete(key);
          } else if (step.do === 'set') {
            lru.set(key, `${i}`);
            model.delete(key);
            model.set(key, `${i}`);
          } else {
            const value = lru.get(key);
            if (value !== undefined) {
              assert.equal(value, model.get(key));
              model.delete(key);
              model.set(key, value);
            }
          }
          assert.ok(lru.size <= limit);
        }
        const last = [...model].slice(-(limit >> 1));
        for (const [key, value] of last) assert.equal(lru.get(key), value);
      }),
      { seed: 9, numRuns: 200 },
    );
  });
});
