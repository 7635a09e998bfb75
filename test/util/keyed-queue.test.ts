import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KeyedQueue } from '../../src/util/keyed-queue.ts';

describe('work in lanes', () => {
  it('runs one after the other for one key, and side by side for different keys', async () => {
    const queue = new KeyedQueue<string>(10);
    const log: string[] = [];
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const first = queue.run('a', async () => {
      await gate;
      log.push('a1');
    });
    const second = queue.run('a', async () => void log.push('a2'));
    await queue.run('b', async () => void log.push('b1'));
    open();
    await Promise.all([first, second]);
    assert.deepEqual(log, ['b1', 'a1', 'a2']);
    assert.ok(queue.isIdle);
  });

  it('goes on after a failure, which is told to the one who gave the work', async () => {
    const queue = new KeyedQueue<string>(10);
    const failed = queue.run('a', () => Promise.reject(new Error('no')));
    const next = queue.run('a', async () => 'done');
    await assert.rejects(failed as Promise<unknown>, /no/);
    assert.equal(await next, 'done');
  });

  it('refuses what exceeds the limit of a key', async () => {
    const queue = new KeyedQueue<string>(1);
    const running = queue.run('a', async () => 1);
    assert.equal(
      queue.run('a', async () => 2),
      undefined,
    );
    await running;
    await new Promise(setImmediate);
    assert.equal(queue.size('a'), 0);
    assert.equal(await queue.run('a', async () => 3), 3);
  });
});
