import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../support/servers/world.ts';

const v3 = '/_matrix/client/v3';
const statusPath = (name: string) => `${v3}/presence/@${name}:localhost/status`;

/** Alice and bob share a room, carol is in none. */
async function openWorld(enabled = true) {
  const world = await World.open({ presence: { enabled } });
  const tokens: Record<string, string | undefined> = { nobody: undefined };
  for (const name of ['alice', 'bob', 'carol']) tokens[name] = await world.register(name);
  const token = (name: string) => tokens[name] as string;
  const made = await world.ok('POST', `${v3}/createRoom`, token('alice'), { preset: 'public_chat' });
  const room = made.room_id as string;
  await world.ok('POST', `${v3}/rooms/${room}/join`, token('bob'), {});
  const sync = async (name: string, since?: string, query = 'set_presence=offline') => {
    const from = since === undefined ? '' : `&since=${since}`;
    const answer = await world.ok('GET', `${v3}/sync?${query}${from}`, token(name));
    const events: { sender: string; content: Record<string, unknown> }[] = answer.presence?.events ?? [];
    const told = Object.fromEntries(events.map(({ sender, content }) => [sender.slice(1, -10), content['presence']]));
    return { next: answer.next_batch as string, told, events };
  };
  return { world, tokens, token, room, sync };
}

describe('presence', () => {
  const cases: readonly [who: string, method: string, of: string, body: unknown, status: number, outcome: unknown][] = [
    ['alice', 'PUT', 'alice', { presence: 'unavailable', status_msg: 'at tea' }, 200, {}],
    [
      'bob',
      'GET',
      'alice',
      undefined,
      200,
      { presence: 'unavailable', status_msg: 'at tea', currently_active: false, last_active_ago: 0 },
    ],
    ['bob', 'GET', 'bob', undefined, 200, { presence: 'offline' }],
    ['alice', 'PUT', 'alice', { presence: 'online', status_msg: null }, 200, {}],
    ['alice', 'PUT', 'alice', {}, 400, 'M_MISSING_PARAM'],
    ['alice', 'PUT', 'alice', { presence: 1 }, 400, 'M_BAD_JSON'],
    ['alice', 'PUT', 'alice', { presence: 'online', status_msg: 1 }, 400, 'M_BAD_JSON'],
    ['alice', 'PUT', 'alice', { presence: 'asleep' }, 400, 'M_INVALID_PARAM'],
    ['alice', 'PUT', 'alice', { presence: 'online', status_msg: 'x'.repeat(1001) }, 400, 'M_INVALID_PARAM'],
    ['alice', 'PUT', 'bob', { presence: 'online' }, 403, 'M_FORBIDDEN'],
    ['nobody', 'PUT', 'alice', { presence: 'online' }, 401, 'M_MISSING_TOKEN'],
    ['carol', 'GET', 'alice', undefined, 403, 'M_FORBIDDEN'],
    ['carol', 'GET', 'nobody', undefined, 404, 'M_NOT_FOUND'],
    ['nobody', 'GET', 'alice', undefined, 401, 'M_MISSING_TOKEN'],
  ];

  it('is set and read as the specification says', async () => {
    const { world, tokens } = await openWorld();
    await using _ = world;
    for (const [who, method, of, body, status, outcome] of cases) {
      const answer = await world.call(method, statusPath(of), { token: tokens[who], body });
      const label = `${who}: ${method} ${of} ${JSON.stringify(body)}`;
      const got = typeof outcome === 'string' ? answer.json.errcode : answer.json;
      assert.deepEqual([label, answer.status, got], [label, status, outcome]);
    }
    const rubbish = await world.call('GET', `${v3}/presence/rubbish/status`, { token: tokens['alice'] });
    assert.deepEqual([rubbish.status, rubbish.json.errcode], [400, 'M_INVALID_PARAM']);
  });

  it('of who says something is active now', async () => {
    const { world, token, room } = await openWorld();
    await using _ = world;
    await world.ok('PUT', statusPath('alice'), token('alice'), { presence: 'online' });
    world.clock.advance(5000);
    const ago = async () => (await world.ok('GET', statusPath('alice'), token('bob'))).last_active_ago as number;
    assert.equal(await ago(), 5000);
    const path = `${v3}/rooms/${encodeURIComponent(room)}/send/m.room.message/1`;
    await world.ok('PUT', path, token('alice'), { msgtype: 'm.text', body: 'here' });
    assert.equal(await ago(), 0);
  });

  it('reaches those who share a room through /sync, once, and nobody else', async () => {
    const { world, token, sync } = await openWorld();
    await using _ = world;
    const [bob, carol] = [await sync('bob'), await sync('carol')];
    assert.deepEqual([bob.told, carol.told], [{}, {}]);
    await world.ok('PUT', statusPath('alice'), token('alice'), { presence: 'online', status_msg: 'here' });
    const next = await sync('bob', bob.next);
    assert.deepEqual(next.told, { alice: 'online' });
    assert.deepEqual(next.events[0]?.content, {
      presence: 'online',
      status_msg: 'here',
      currently_active: true,
      last_active_ago: 0,
    });
    assert.deepEqual((await sync('bob', next.next)).told, {});
    assert.deepEqual((await sync('carol', carol.next)).told, {});
    assert.deepEqual((await sync('bob')).told, { alice: 'online' });
  });

  it('wakes those who wait', async () => {
    const { world, token, sync } = await openWorld();
    await using _ = world;
    const bob = await sync('bob');
    const waiting = sync('bob', bob.next, 'set_presence=offline&timeout=30000');
    await world.ok('PUT', statusPath('alice'), token('alice'), { presence: 'online' });
    assert.deepEqual((await waiting).told, { alice: 'online' });
  });

  it('follows /sync: online with it, what set_presence says, offline a while after the last call', async () => {
    const { world, sync } = await openWorld();
    await using _ = world;
    const bob = await sync('bob');
    await sync('alice', undefined, 'timeout=0');
    const online = await sync('bob', bob.next);
    assert.deepEqual(online.told, { alice: 'online' });
    await sync('alice', undefined, 'set_presence=unavailable');
    const away = await sync('bob', online.next);
    assert.deepEqual(away.told, { alice: 'unavailable' });
    world.clock.advance(120_000);
    assert.deepEqual((await sync('bob', away.next)).told, { alice: 'offline' });
  });

  it('lasts no longer than a call can, however long the client says that it waits', async () => {
    const { world, token, sync } = await openWorld();
    await using _ = world;
    const bob = await sync('bob');
    await world.ok('PUT', statusPath('alice'), token('alice'), { presence: 'online' });
    const aborted = AbortSignal.abort();
    const path = `${v3}/sync?timeout=${Number.MAX_SAFE_INTEGER}&since=${bob.next}`;
    await world.call('GET', path, { token: token('alice'), signal: aborted });
    world.clock.advance(10 * 60_000);
    assert.deepEqual((await sync('bob', bob.next)).told, { alice: 'offline' });
  });

  it('is told to whoever comes into a room, of all who are in it, and to them of the one who comes', async () => {
    const { world, token, room, sync } = await openWorld();
    await using _ = world;
    await world.ok('PUT', statusPath('alice'), token('alice'), { presence: 'online' });
    await world.ok('PUT', statusPath('carol'), token('carol'), { presence: 'online' });
    const [alice, carol] = [await sync('alice'), await sync('carol')];
    await world.ok('POST', `${v3}/rooms/${room}/join`, token('carol'), {});
    assert.deepEqual((await sync('carol', carol.next)).told, { alice: 'online', carol: 'online' });
    assert.deepEqual((await sync('alice', alice.next)).told, { carol: 'online' });
  });

  it('can be filtered, and is not told of ignored users', async () => {
    const { world, token, sync } = await openWorld();
    await using _ = world;
    await world.ok('PUT', statusPath('alice'), token('alice'), { presence: 'online' });
    const filter = encodeURIComponent(JSON.stringify({ presence: { not_senders: ['@alice:localhost'] } }));
    assert.deepEqual((await sync('bob', undefined, `set_presence=offline&filter=${filter}`)).told, {});
    const list = `${v3}/user/@bob:localhost/account_data/m.ignored_user_list`;
    await world.ok('PUT', list, token('bob'), { ignored_users: { '@alice:localhost': {} } });
    assert.deepEqual((await sync('bob')).told, {});
  });

  it('is neither kept nor told when it is switched off', async () => {
    const { world, token, sync } = await openWorld(false);
    await using _ = world;
    await world.ok('PUT', statusPath('alice'), token('alice'), { presence: 'online' });
    await sync('alice', undefined, 'set_presence=online');
    assert.deepEqual((await sync('bob')).told, {});
    assert.deepEqual(await world.ok('GET', statusPath('alice'), token('bob')), { presence: 'offline' });
  });
});
