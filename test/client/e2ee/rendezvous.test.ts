import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Injected } from '../../support/clients/inject.ts';
import { World } from '../../support/servers/world.ts';

const path = '/_matrix/client/unstable/org.matrix.msc4108/rendezvous';

function call(world: World, method: string, where: string, body?: string, headers: Record<string, string> = {}) {
  const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'text/plain' };
  return world.call(method, where, { ...(body === undefined ? {} : { body }), headers: { ...type, ...headers } });
}

async function open(world: World, text = 'one'): Promise<{ place: string; answer: Injected }> {
  const answer = await call(world, 'POST', path, text, { host: 'example.org' });
  assert.equal(answer.status, 201, answer.text);
  return { place: new URL(answer.json.url as string).pathname, answer };
}

describe('a place where devices meet', () => {
  it('holds one text, which either side replaces by naming the one it has seen', async () => {
    await using world = await World.open();
    const { place, answer } = await open(world);
    assert.match(answer.json.url, /^https:\/\/example\.org\//);
    const first = await call(world, 'GET', place);
    assert.deepEqual([first.status, first.text, first.headers['content-type']], [200, 'one', 'text/plain']);
    const etag = first.headers['etag'] as string;
    assert.equal(answer.headers['etag'], etag);
    assert.match(first.headers['access-control-expose-headers'] ?? '', /ETag/);
    assert.equal(first.headers['cache-control'], 'no-store');
    assert.equal(first.headers['expires'], new Date(world.clock.now() + 120_000).toUTCString());
    assert.equal((await call(world, 'GET', place, undefined, { 'if-none-match': etag })).status, 304);
    const second = await call(world, 'PUT', place, 'two', { 'if-match': etag });
    assert.equal(second.status, 202);
    const late = await call(world, 'PUT', place, 'three', { 'if-match': etag });
    assert.equal(late.status, 412);
    assert.equal(late.json['org.matrix.msc4108.errcode'], 'M_CONCURRENT_WRITE');
    const now = await call(world, 'GET', place, undefined, { 'if-none-match': etag });
    assert.deepEqual([now.status, now.text, now.headers['etag']], [200, 'two', second.headers['etag']]);
    assert.equal((await call(world, 'DELETE', place)).status, 204);
    for (const method of ['GET', 'DELETE'])
      assert.equal((await call(world, method, place)).json.errcode, 'M_NOT_FOUND');
    assert.equal((await call(world, 'PUT', place, 'x', { 'if-match': etag })).status, 404);
  });

  it('takes short plain texts only', async () => {
    await using world = await World.open();
    const { place, answer } = await open(world, 'x'.repeat(4096));
    const etag = answer.headers['etag'] as string;
    assert.equal((await call(world, 'POST', path, 'x'.repeat(4097))).status, 413);
    assert.equal((await call(world, 'PUT', place, 'x'.repeat(4097), { 'if-match': etag })).status, 413);
    const html = { 'content-type': 'text/html' };
    assert.equal((await call(world, 'POST', path, '<b>', html)).json.errcode, 'M_INVALID_PARAM');
    assert.equal((await call(world, 'PUT', place, 'x')).json.errcode, 'M_MISSING_PARAM');
  });

  it('is gone two minutes after the last word, ten after the first, and there are a hundred at most', async () => {
    await using world = await World.open();
    const { place } = await open(world);
    for (let minute = 0; minute < 9; minute++) {
      world.clock.advance(60_000);
      const { status, headers } = await call(world, 'GET', place);
      assert.equal(status, 200);
      await call(world, 'PUT', place, `${minute}`, { 'if-match': headers['etag'] as string });
    }
    world.clock.advance(60_000);
    assert.equal((await call(world, 'GET', place)).status, 404);
    for (let n = 0; n < 100; n++) await open(world);
    assert.equal((await call(world, 'POST', path, 'x')).status, 429);
    world.clock.advance(120_000);
    await open(world);
  });
});
