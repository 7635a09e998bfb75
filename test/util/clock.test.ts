import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { millis } from '../../src/util/brand.ts';
import { systemClock } from '../../src/util/clock.ts';

const day = 24 * 60 * 60_000;

describe('a timer', () => {
  it('waits for as long as it was told, also if that is longer than one of Node can be', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let fired = 0;
    systemClock.after(millis(60 * day), () => fired++);
    for (let passed = 1; passed < 60; passed++) {
      t.mock.timers.tick(day);
      assert.equal(fired, 0, `after ${passed} days`);
    }
    // A timer that is set while the mocked clock moves begins at the end of the move.
    t.mock.timers.tick(day);
    t.mock.timers.tick(2 * day);
    assert.equal(fired, 1);
  });

  it('can be cancelled at any time', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let fired = 0;
    const cancel = systemClock.after(millis(60 * day), () => fired++);
    t.mock.timers.tick(40 * day);
    cancel();
    t.mock.timers.tick(40 * day);
    assert.equal(fired, 0);
  });
});
