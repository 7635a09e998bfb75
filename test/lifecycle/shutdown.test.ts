import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endAll } from '../../src/homeserver/shutdown.ts';
import { silentLog } from '../../src/util/log.ts';

describe('the end of a server', () => {
  it('comes part by part, each when the one before is through', async () => {
    const ended: string[] = [];
    await endAll(silentLog, [
      async () => {
        await Promise.resolve();
        ended.push('outbox');
      },
      () => ended.push('database'),
    ]);
    assert.deepEqual(ended, ['outbox', 'database']);
  });

  it('reaches the database although a part before it fails, and is then told as failed', async () => {
    const ended: string[] = [];
    const first = new Error('first');
    const end = endAll(silentLog, [
      () => Promise.reject(first),
      () => {
        throw new Error('second');
      },
      () => ended.push('database'),
    ]);
    await assert.rejects(end, first);
    assert.deepEqual(ended, ['database']);
  });
});
