import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

describe('uploads at the same time', () => {
  it('are so many that the memory is enough for them; further ones are told when to try again', async () => {
    await using world = await World.open({ rate_limits: { enabled: false } });
    const token = await world.register('alice');
    const upload = (stream: PassThrough) =>
      world.hs.app.handle({
        method: 'POST',
        url: '/_matrix/media/v3/upload?filename=a',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'text/plain' },
        stream,
        ip: '192.0.2.9',
        signal: new AbortController().signal,
      });
    const slow = Array.from({ length: 32 }, () => new PassThrough());
    const answers = slow.map((stream) => upload(stream));
    for (const stream of slow) stream.write('the beginning');
    await new Promise((resolve) => setTimeout(resolve, 1));
    const refused = await upload(new PassThrough().end('one more'));
    assert.equal(refused.status, 429);
    assert.equal(refused.headers['Retry-After'], '5');
    slow[0]?.end(' and the end');
    assert.equal((await answers[0])?.status, 200);
    const next = await upload(new PassThrough().end('one more'));
    assert.equal(next.status, 200);
    for (const stream of slow) stream.end();
    for (const answer of answers) assert.equal((await answer).status, 200);
  });
});
