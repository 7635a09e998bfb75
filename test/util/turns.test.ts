import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Turns } from '../../src/util/turns.ts';

describe('Turns', () => {
  it('gives one of those who wait a turn of the process at a time, in their order', async () => {
    const turns = new Turns();
    let turn = 0;
    let isOver = false;
    const count = () => {
      turn++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    const had: { who: number; turn: number }[] = [];
    const job = async (who: number) => {
      for (let piece = 0; piece < 5; piece++) {
        await turns.next();
        had.push({ who, turn });
      }
    };
    await Promise.all([0, 1, 2, 3].map(job));
    isOver = true;
    assert.equal(new Set(had.map((one) => one.turn)).size, 20);
    assert.deepEqual(
      had.map(({ who }) => who),
      [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3],
    );
  });

  it('goes on after everybody has had theirs', async () => {
    const turns = new Turns();
    await turns.next();
    await Promise.all([turns.next(), turns.next()]);
    await turns.next();
  });
});
