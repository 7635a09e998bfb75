import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DurabilityLost } from '../../src/store/database/errors.ts';
import { World } from '../support/servers/world.ts';

describe('a disk that refuses to make changes safe', () => {
  it('ends the server: nothing that was sent is answered with success, then or ever', async () => {
    let broken = false;
    const refuse = () => Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
    const fatal: Error[] = [];
    const world = await World.open(
      {},
      {
        onFatal: (error) => fatal.push(error),
        syncCalls: {
          fdatasync: (_fd, done) => setImmediate(() => done(broken ? refuse() : null)),
          fdatasyncSync: () => {
            if (broken) throw refuse();
          },
        },
      },
    );
    const token = await world.register('ann');
    const { room_id: room } = await world.ok('POST', '/_matrix/client/v3/createRoom', token, {});
    const send = (txn: number) =>
      world.call('PUT', `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/${txn}`, {
        token,
        body: { msgtype: 'm.text', body: 'hello' },
      });
    assert.equal((await send(0)).status, 200);
    broken = true;
    const together = await Promise.all([send(1), send(2), send(3)]);
    // The disk says so once only, and seems well from then on.
    broken = false;
    const after = [await send(1), await send(4)];
    const login = await world.call('POST', '/_matrix/client/v3/login', {
      body: {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: 'ann' },
        password: 'password of ann',
      },
    });
    for (const answer of [...together, ...after, login]) {
      assert.equal(answer.status, 500, answer.text);
      assert.equal(answer.json.errcode, 'M_UNKNOWN');
      assert.doesNotMatch(answer.text, /EIO|sync/);
    }
    assert.deepEqual(
      fatal.map((error) => error instanceof DurabilityLost),
      [true],
    );
    await assert.rejects(world[Symbol.asyncDispose](), DurabilityLost);
  });
});
