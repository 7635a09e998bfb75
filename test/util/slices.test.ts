import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SliceSize, unhurried } from '../../src/util/slices.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

describe('slices of a long job', () => {
  it('lets others have their turn when its own has been long enough', async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    const other = (async () => {
      for (let turn = 0; turn < 3; turn++) {
        await new Promise((done) => setImmediate(done));
        seen.push('other');
      }
    })();
    await unhurried(clock, [1, 2, 3, 4, 5], (item) => {
      clock.advance(5);
      seen.push(String(item));
    });
    await other;
    assert.deepEqual(seen.slice(0, 4), ['1', '2', 'other', '3']);
    assert.deepEqual(
      seen.filter((each) => each !== 'other'),
      ['1', '2', '3', '4', '5'],
    );
  });

  it('does what is short in one turn', async () => {
    const seen: number[] = [];
    const done = unhurried(new FakeClock(), [1, 2, 3], (item) => void seen.push(item));
    assert.deepEqual(seen, [1, 2, 3]);
    await done;
  });

  it('finds out how many pieces fit into a turn', () => {
    const clock = new FakeClock();
    const slices = new SliceSize(clock, { first: 10, most: 100 });
    const sizes: number[] = [];
    for (const each of [2, 2, 0.1, 0.1, 0.01, 0.01, 0.01, 50]) {
      slices.measure(slices.size, () => clock.advance(each * slices.size));
      sizes.push(slices.size);
    }
    // Fewer at once, but only twice as many at a time; never none, and never more than is allowed.
    assert.deepEqual(sizes, [4, 4, 8, 16, 32, 64, 100, 1]);
  });
});
