import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../support/servers/world.ts';

const tight = { per_second: 0.5, burst: 1 };
const loose = { per_second: 1000, burst: 1000 };

const v3 = '/_matrix/client/v3';
const body = {};

/** Each class with a request that comes under it; what else it answers does not matter. */
const classes: readonly [string, string, string, unknown][] = [
  ['messages', 'PUT', `${v3}/rooms/!r:localhost/send/m.room.message/t1`, { msgtype: 'm.text', body: 'hi' }],
  ['messages', 'PUT', `${v3}/rooms/!r:localhost/state/m.room.topic/`, { topic: 'tea' }],
  ['messages', 'PUT', `${v3}/rooms/!r:localhost/redact/$e/t1`, body],
  ['joins', 'POST', `${v3}/join/!r:localhost`, body],
  ['joins', 'POST', `${v3}/rooms/!r:localhost/join`, body],
  ['joins', 'POST', `${v3}/knock/!r:localhost`, body],
  ['rooms', 'POST', `${v3}/createRoom`, body],
  ['invites', 'POST', `${v3}/rooms/!r:localhost/invite`, { user_id: '@bob:localhost' }],
  ['media', 'POST', '/_matrix/media/v3/upload', 'bytes'],
  ['media', 'POST', '/_matrix/media/v1/create', body],
  [
    'login',
    'POST',
    `${v3}/login`,
    { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'x' }, password: 'x' },
  ],
  ['registration', 'POST', `${v3}/register`, body],
  ['reading', 'GET', '/_matrix/client/v1/media/download/localhost/none', undefined],
  ['reading', 'GET', `${v3}/room_keys/keys?version=1`, undefined],
  ['other', 'POST', `${v3}/rooms/!r:localhost/leave`, body],
  ['other', 'PUT', `${v3}/profile/@alice:localhost/displayname`, { displayname: 'Alice' }],
  ['other', 'PUT', `${v3}/rooms/!r:localhost/typing/@alice:localhost`, { typing: true }],
];

describe('rate limits', () => {
  for (const [name, method, path, content] of classes) {
    it(`${name}: ${method} ${path} answers 429 M_LIMIT_EXCEEDED after the burst, and works after the wait it tells`, async () => {
      const others = ['messages', 'joins', 'rooms', 'invites', 'media', 'login', 'registration', 'reading', 'other'];
      const tables = Object.fromEntries(others.map((other) => [other, other === name ? tight : loose]));
      await using world = await World.open({ rate_limits: { enabled: true, ...tables } });
      const token = await world.register('alice');
      if (name === 'registration') world.clock.advance(2000);
      const first = await world.call(method, path, { token, body: content });
      assert.notEqual(first.status, 429, first.text);
      const second = await world.call(method, path, { token, body: content });
      assert.equal(second.status, 429);
      assert.equal(second.json.errcode, 'M_LIMIT_EXCEEDED');
      assert.equal(second.json.retry_after_ms, 2000);
      assert.equal(second.headers['retry-after'], '2');
      world.clock.advance(2000);
      const third = await world.call(method, path, { token, body: content });
      assert.notEqual(third.status, 429);
    });
  }

  it('can be switched off', async () => {
    await using world = await World.open({ rate_limits: { enabled: false, rooms: tight } });
    const token = await world.register('alice');
    for (let i = 0; i < 3; i++) await world.ok('POST', `${v3}/createRoom`, token, {});
  });

  it('do not concern admins of the server', async () => {
    await using world = await World.open({ rate_limits: { enabled: true, rooms: tight } });
    const token = await world.register('alice');
    const { accounts } = world.hs.services;
    accounts.setAdmin((await world.ok('GET', `${v3}/account/whoami`, token)).user_id, true);
    for (let i = 0; i < 3; i++) await world.ok('POST', `${v3}/createRoom`, token, {});
  });
});

describe('invites of a new room', () => {
  it('count as invites: who may send one may send all of a room, and waits the longer for the next', async () => {
    const rate_limits = { enabled: true, invites: { per_second: 1, burst: 1 }, rooms: loose, registration: loose };
    await using world = await World.open({ rate_limits });
    const alice = await world.register('alice');
    for (const name of ['bob', 'carol', 'dan']) await world.register(name);
    const invite = ['@bob:localhost', '@carol:localhost', '@dan:localhost'];
    const create = () => world.call('POST', `${v3}/createRoom`, { token: alice, body: { invite } });
    assert.equal((await create()).status, 200);
    const refused = await create();
    assert.deepEqual([refused.status, refused.json.errcode], [429, 'M_LIMIT_EXCEEDED']);
    world.clock.advance(2999);
    assert.equal((await create()).status, 429);
    world.clock.advance(1);
    assert.equal((await create()).status, 200);
    assert.equal((await world.call('POST', `${v3}/createRoom`, { token: alice, body: {} })).status, 200);
  });
});
