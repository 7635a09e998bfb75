import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../support/servers/world.ts';

const v3 = '/_matrix/client/v3';
const reason = 'this makes me sad';

async function openWorld() {
  const world = await World.open();
  const tokens: Record<string, string | undefined> = { nobody: undefined };
  for (const name of ['alice', 'bob', 'carol']) tokens[name] = await world.register(name);
  const alice = tokens['alice'] as string;
  const room = (await world.ok('POST', `${v3}/createRoom`, alice, { preset: 'public_chat' })).room_id as string;
  await world.ok('POST', `${v3}/rooms/${room}/join`, tokens['bob'] as string, {});
  const sent = await world.ok('PUT', `${v3}/rooms/${room}/send/m.room.message/t`, alice, { body: 'spam' });
  return { world, tokens, room, event: sent.event_id as string };
}

describe('reports', () => {
  const cases: readonly [who: string, path: string, body: unknown, status: number, errcode: string | undefined][] = [
    ['bob', 'rooms/{room}/report/{event}', { reason }, 200, undefined],
    ['bob', 'rooms/{room}/report/{event}', { reason, score: -100 }, 200, undefined],
    ['bob', 'rooms/{room}/report/{event}', {}, 200, undefined],
    ['bob', 'rooms/{room}/report/{event}', { reason: 1 }, 400, 'M_BAD_JSON'],
    ['bob', 'rooms/{room}/report/{event}', { reason: 'x'.repeat(4097) }, 400, 'M_INVALID_PARAM'],
    ['bob', 'rooms/{room}/report/$no', { reason }, 404, 'M_NOT_FOUND'],
    ['bob', 'rooms/!no:localhost/report/{event}', { reason }, 404, 'M_NOT_FOUND'],
    ['carol', 'rooms/{room}/report/{event}', { reason }, 404, 'M_NOT_FOUND'],
    ['nobody', 'rooms/{room}/report/{event}', { reason }, 401, 'M_MISSING_TOKEN'],
    ['carol', 'rooms/{room}/report', { reason }, 200, undefined],
    ['carol', 'rooms/{room}/report', { reason: '' }, 200, undefined],
    ['carol', 'rooms/{room}/report', {}, 400, 'M_MISSING_PARAM'],
    ['carol', 'rooms/{room}/report', { reason: [] }, 400, 'M_BAD_JSON'],
    ['carol', 'rooms/{room}/report', { reason: 'x'.repeat(4097) }, 400, 'M_INVALID_PARAM'],
    ['carol', 'rooms/!no:localhost/report', { reason }, 404, 'M_NOT_FOUND'],
    ['nobody', 'rooms/{room}/report', { reason }, 401, 'M_MISSING_TOKEN'],
    ['carol', 'users/@alice:localhost/report', { reason }, 200, undefined],
    ['carol', 'users/@alice:localhost/report', {}, 400, 'M_MISSING_PARAM'],
    ['carol', 'users/rubbish/report', { reason }, 400, 'M_INVALID_PARAM'],
    ['carol', 'users/@no:localhost/report', { reason }, 404, 'M_NOT_FOUND'],
    ['carol', 'users/@no:elsewhere.test/report', { reason }, 404, 'M_NOT_FOUND'],
    ['nobody', 'users/@alice:localhost/report', { reason }, 401, 'M_MISSING_TOKEN'],
  ];

  it('are taken and refused as the specification says', async () => {
    const { world, tokens, room, event } = await openWorld();
    await using _ = world;
    for (const [who, path, body, status, errcode] of cases) {
      const real = path.replace('{room}', room).replace('{event}', event);
      const answer = await world.call('POST', `${v3}/${real}`, { token: tokens[who], body });
      assert.deepEqual([who, path, answer.status, answer.json.errcode], [who, path, status, errcode]);
    }
    assert.equal(world.hs.admin.reports.list(undefined, 100).length, cases.filter((each) => each[3] === 200).length);
  });

  it('reach the admin, the newest first, until they are removed', async () => {
    const { world, tokens, room, event } = await openWorld();
    await using _ = world;
    const bob = tokens['bob'] as string;
    await world.ok('POST', `${v3}/rooms/${room}/report/${event}`, bob, { reason });
    await world.ok('POST', `${v3}/rooms/${room}/report`, bob, { reason: 'a bad room' });
    await world.ok('POST', `${v3}/users/@alice:localhost/report`, bob, { reason: '' });
    const { reports } = world.hs.admin;
    const common = { time: world.clock.now(), reporter: '@bob:localhost' };
    const all = [
      { ...common, id: 3, room: undefined, event: undefined, user: '@alice:localhost', reason: '' },
      { ...common, id: 2, room, event: undefined, user: undefined, reason: 'a bad room' },
      { ...common, id: 1, room, event, user: '@alice:localhost', reason },
    ];
    assert.deepEqual(reports.list(undefined, 100), all);
    assert.deepEqual(reports.list(3, 1), all.slice(1, 2));
    assert.equal(reports.remove(2), true);
    assert.equal(reports.remove(2), false);
    assert.deepEqual(reports.list(undefined, 100), [all[0], all[2]]);
  });
});

describe('OpenID tokens', () => {
  const userInfo = (token: string) => `/_matrix/federation/v1/openid/userinfo?access_token=${token}`;

  it('tell another service who somebody is, for an hour, and are good for nothing else', async () => {
    const { world, tokens } = await openWorld();
    await using _ = world;
    const path = `${v3}/user/@alice:localhost/openid/request_token`;
    const given = await world.ok('POST', path, tokens['alice'] as string, {});
    assert.deepEqual(Object.keys(given).toSorted(), ['access_token', 'expires_in', 'matrix_server_name', 'token_type']);
    assert.deepEqual([given.token_type, given.matrix_server_name, given.expires_in], ['Bearer', 'localhost', 3600]);
    assert.deepEqual((await world.call('GET', userInfo(given.access_token))).json, { sub: '@alice:localhost' });
    const misused = await world.call('GET', `${v3}/account/whoami`, { token: given.access_token });
    assert.deepEqual([misused.status, misused.json.errcode], [401, 'M_UNKNOWN_TOKEN']);
    const held = await world.call('GET', userInfo(tokens['alice'] as string));
    assert.deepEqual([held.status, held.json.errcode], [401, 'M_UNKNOWN_TOKEN']);
    world.clock.advance(3_600_000);
    const late = await world.call('GET', userInfo(given.access_token));
    assert.deepEqual([late.status, late.json.errcode], [401, 'M_UNKNOWN_TOKEN']);
  });

  it('are of no use once the account is locked', async () => {
    const { world, tokens } = await openWorld();
    await using _ = world;
    const path = `${v3}/user/@alice:localhost/openid/request_token`;
    const given = await world.ok('POST', path, tokens['alice'] as string, {});
    await world.hs.services.accounts.setLocked('@alice:localhost' as never, true);
    assert.equal((await world.call('GET', userInfo(given.access_token))).status, 401);
  });

  it('are refused for others, without a token, and unknown ones', async () => {
    const { world, tokens } = await openWorld();
    await using _ = world;
    const path = `${v3}/user/@alice:localhost/openid/request_token`;
    const others = await world.call('POST', path, { token: tokens['bob'], body: {} });
    assert.deepEqual([others.status, others.json.errcode], [403, 'M_FORBIDDEN']);
    const nobodys = await world.call('POST', path, { body: {} });
    assert.deepEqual([nobodys.status, nobodys.json.errcode], [401, 'M_MISSING_TOKEN']);
    const unknown = await world.call('GET', userInfo('hoi_x'));
    assert.deepEqual([unknown.status, unknown.json.errcode], [401, 'M_UNKNOWN_TOKEN']);
    const missing = await world.call('GET', '/_matrix/federation/v1/openid/userinfo');
    assert.deepEqual([missing.status, missing.json.errcode], [401, 'M_MISSING_TOKEN']);
  });
});
