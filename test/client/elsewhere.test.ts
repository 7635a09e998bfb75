import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { World } from '../support/servers/world.ts';

const v3 = '/_matrix/client/v3';

describe('GET /voip/turnServer', () => {
  const uris = ['turn:turn.example.org?transport=udp'];

  it('gives credentials that end by themselves, made from the shared secret', async () => {
    await using world = await World.open({ turn: { uris, shared_secret: 'north', lifetime: '1h' } });
    const token = await world.register('alice');
    const answer = await world.ok('GET', `${v3}/voip/turnServer`, token);
    const username = `${Math.floor(world.clock.now() / 1000) + 3600}:@alice:localhost`;
    const password = createHmac('sha1', 'north').update(username).digest('base64');
    assert.deepEqual(answer, { username, password, uris, ttl: 3600 });
  });

  it('gives fixed credentials to a TURN server without shared secret', async () => {
    await using world = await World.open({ turn: { uris, username: 'hearth', password: 'south' } });
    const answer = await world.ok('GET', `${v3}/voip/turnServer`, await world.register('alice'));
    assert.deepEqual(answer, { username: 'hearth', password: 'south', uris, ttl: 86_400 });
  });

  it('answers an empty object without a TURN server, and 401 M_MISSING_TOKEN without a token', async () => {
    await using world = await World.open();
    assert.deepEqual(await world.ok('GET', `${v3}/voip/turnServer`, await world.register('alice')), {});
    const answer = await world.call('GET', `${v3}/voip/turnServer`);
    assert.deepEqual([answer.status, answer.json.errcode], [401, 'M_MISSING_TOKEN']);
  });
});

describe('third-party networks', () => {
  const cases: readonly [path: string, status: number, errcode: string | undefined][] = [
    ['protocols', 200, undefined],
    ['protocol/irc', 404, 'M_NOT_FOUND'],
    ['location/irc', 404, 'M_NOT_FOUND'],
    ['user/irc', 404, 'M_NOT_FOUND'],
    ['location?alias=%23a:localhost', 404, 'M_NOT_FOUND'],
    ['location', 400, 'M_MISSING_PARAM'],
    ['user?userid=@a:localhost', 404, 'M_NOT_FOUND'],
    ['user', 400, 'M_MISSING_PARAM'],
  ];
  it('are none', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    for (const [path, status, errcode] of cases) {
      const answer = await world.call('GET', `${v3}/thirdparty/${path}`, { token });
      assert.deepEqual([path, answer.status, answer.json.errcode], [path, status, errcode]);
      const stranger = await world.call('GET', `${v3}/thirdparty/${path}`);
      assert.deepEqual([stranger.status, stranger.json.errcode], [401, 'M_MISSING_TOKEN']);
    }
    assert.deepEqual(await world.ok('GET', `${v3}/thirdparty/protocols`, token), {});
  });
});
