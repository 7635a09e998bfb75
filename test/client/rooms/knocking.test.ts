import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

const enc = encodeURIComponent;
const v3 = '/_matrix/client/v3';
type Json = Record<string, unknown>;

/** Alice's room that takes knocks, and Bob, who is outside. */
async function door(world: World, options: object = {}) {
  const alice = await world.register('alice');
  const bob = await world.register('bob');
  const initial_state = [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }];
  const { room_id: id } = await world.ok('POST', `${v3}/createRoom`, alice, {
    name: 'Club',
    initial_state,
    ...options,
  });
  const room = `${v3}/rooms/${enc(id as string)}`;
  let since = '';
  return {
    alice,
    bob,
    id: id as string,
    room,
    knock: (body: object = {}) => world.call('POST', `${v3}/knock/${enc(id as string)}`, { token: bob, body }),
    /** What Bob's next sync tells of rooms. */
    async rooms(): Promise<Record<string, Record<string, Json>>> {
      const answer = await world.ok('GET', `${v3}/sync${since && `?since=${since}`}`, bob);
      since = answer.next_batch as string;
      return (answer.rooms ?? {}) as Record<string, Record<string, Json>>;
    },
    async membership(): Promise<unknown> {
      return (await world.ok('GET', `${room}/state/m.room.member/@bob:localhost`, alice)).membership;
    },
  };
}

describe('knocking', () => {
  it('shows the knocker the room in stripped form, and the room the knock with its reason', async () => {
    await using world = await World.open();
    const d = await door(world);
    await d.rooms();
    const answer = await d.knock({ reason: 'let me in' });
    assert.deepEqual(answer.json, { room_id: d.id });
    const entry = (await d.rooms())['knock']?.[d.id] as { knock_state: { events: Json[] } };
    const shown = new Map(entry.knock_state.events.map((event) => [event['type'], event]));
    assert.deepEqual(shown.get('m.room.name')?.['content'], { name: 'Club' });
    assert.deepEqual(shown.get('m.room.join_rules')?.['content'], { join_rule: 'knock' });
    assert.ok(shown.has('m.room.create'));
    const own = shown.get('m.room.member') as Json;
    assert.equal(own['state_key'], '@bob:localhost');
    assert.deepEqual(Object.keys(own).sort(), ['content', 'sender', 'state_key', 'type']);
    const member = await world.ok('GET', `${d.room}/state/m.room.member/@bob:localhost`, d.alice);
    assert.deepEqual([member.membership, member.reason], ['knock', 'let me in']);
    assert.equal((await world.call('GET', `${d.room}/messages?dir=b`, { token: d.bob })).status, 403);
    assert.equal((await world.call('POST', `${d.room}/join`, { token: d.bob, body: {} })).status, 403);
  });

  it('ends in an invite and a join', async () => {
    await using world = await World.open();
    const d = await door(world);
    await d.knock();
    await d.rooms();
    await world.ok('POST', `${d.room}/invite`, d.alice, { user_id: '@bob:localhost' });
    assert.ok((await d.rooms())['invite']?.[d.id]);
    const again = await d.knock();
    assert.deepEqual([again.status, again.json.errcode], [403, 'M_FORBIDDEN']);
    await world.ok('POST', `${d.room}/join`, d.bob, {});
    const rooms = await d.rooms();
    assert.ok(rooms['join']?.[d.id]);
    assert.equal((await d.knock()).json.errcode, 'M_FORBIDDEN');
  });

  for (const [what, act] of [
    ['taken back', (d: { room: string; bob: string }) => [`${d.room}/leave`, d.bob, {}]],
    ['turned down', (d: { room: string; alice: string }) => [`${d.room}/kick`, d.alice, { user_id: '@bob:localhost' }]],
  ] as const) {
    it(`can be ${what}, and made again`, async () => {
      await using world = await World.open();
      const d = await door(world);
      await d.knock();
      await d.rooms();
      const [path, token, body] = act(d) as [string, string, object];
      await world.ok('POST', path, token, body);
      assert.ok((await d.rooms())['leave']?.[d.id]);
      assert.equal(await d.membership(), 'leave');
      assert.equal((await d.knock()).status, 200);
      assert.ok((await d.rooms())['knock']?.[d.id]);
    });
  }

  it('is refused to whoever is banned, where the rule is another, and where the version has none', async () => {
    await using world = await World.open();
    const d = await door(world);
    await world.ok('POST', `${d.room}/ban`, d.alice, { user_id: '@bob:localhost' });
    assert.equal((await d.knock()).json.errcode, 'M_FORBIDDEN');
    const knocks = [{ type: 'm.room.join_rules', content: { join_rule: 'knock' } }];
    for (const options of [
      { preset: 'private_chat' },
      { preset: 'public_chat' },
      { room_version: '6', initial_state: knocks },
    ]) {
      const { room_id: id } = await world.ok('POST', `${v3}/createRoom`, d.alice, options);
      const answer = await world.call('POST', `${v3}/knock/${enc(id as string)}`, { token: d.bob, body: {} });
      assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_FORBIDDEN'], JSON.stringify(options));
    }
    for (const [room, status, errcode] of [
      ['!no:localhost', 404, 'M_NOT_FOUND'],
      ['#no:localhost', 404, 'M_NOT_FOUND'],
      ['rubbish', 400, 'M_INVALID_PARAM'],
    ] as const) {
      const answer = await world.call('POST', `${v3}/knock/${enc(room)}`, { token: d.bob, body: {} });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], room);
    }
    assert.equal((await world.call('POST', `${v3}/knock/${enc(d.id)}`, { body: {} })).status, 401);
  });

  for (const version of ['10', '11', '12']) {
    it(`of knock_restricted rooms of version ${version} is for whoever meets no condition`, async () => {
      await using world = await World.open();
      const alice = await world.register('alice');
      const { room_id: space } = await world.ok('POST', `${v3}/createRoom`, alice, { preset: 'public_chat' });
      const allow = [{ type: 'm.room_membership', room_id: space }];
      const { room_id: id } = await world.ok('POST', `${v3}/createRoom`, alice, {
        room_version: version,
        initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'knock_restricted', allow } }],
      });
      const [member, stranger] = [await world.register('member'), await world.register('stranger')];
      await world.ok('POST', `${v3}/join/${enc(space as string)}`, member, {});
      await world.ok('POST', `${v3}/join/${enc(id as string)}`, member, {});
      const refused = await world.call('POST', `${v3}/join/${enc(id as string)}`, { token: stranger, body: {} });
      assert.equal(refused.status, 403);
      await world.ok('POST', `${v3}/knock/${enc(id as string)}`, stranger, {});
      await world.ok('POST', `${v3}/rooms/${enc(id as string)}/invite`, member, { user_id: '@stranger:localhost' });
      await world.ok('POST', `${v3}/join/${enc(id as string)}`, stranger, {});
    });
  }
});

describe('invites that nobody wants', () => {
  const invites = async (world: World, token: string) =>
    Object.keys((await world.ok('GET', `${v3}/sync`, token)).rooms?.invite ?? {});

  it('are refused while the user blocks them, and earlier ones are not shown until that ends', async () => {
    await using world = await World.open();
    const d = await door(world);
    await world.ok('POST', `${d.room}/invite`, d.alice, { user_id: '@bob:localhost' });
    assert.deepEqual(await invites(world, d.bob), [d.id]);
    const config = `${v3}/user/@bob:localhost/account_data/m.invite_permission_config`;
    await world.ok('PUT', config, d.bob, { default_action: 'block' });
    assert.deepEqual(await invites(world, d.bob), []);
    const { room_id: other } = await world.ok('POST', `${v3}/createRoom`, d.alice, {});
    const path = `${v3}/rooms/${enc(other as string)}`;
    const member = { membership: 'invite' };
    const calls: [string, string, object][] = [
      ['POST', `${path}/invite`, { user_id: '@bob:localhost' }],
      ['PUT', `${path}/state/m.room.member/@bob:localhost`, member],
      ['POST', `${v3}/createRoom`, { invite: ['@bob:localhost'] }],
    ];
    for (const [method, at, body] of calls) {
      const answer = await world.call(method, at, { token: d.alice, body });
      assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_INVITE_BLOCKED'], at);
    }
    assert.equal(await d.membership(), 'invite');
    await world.ok('PUT', config, d.bob, { default_action: 'something' });
    assert.deepEqual(await invites(world, d.bob), [d.id]);
    await world.ok('POST', `${path}/invite`, d.alice, { user_id: '@bob:localhost' });
  });

  it('are not shown if the user ignores who sent them', async () => {
    await using world = await World.open();
    const d = await door(world);
    await world.ok('PUT', `${v3}/user/@bob:localhost/account_data/m.ignored_user_list`, d.bob, {
      ignored_users: { '@alice:localhost': {} },
    });
    await world.ok('POST', `${d.room}/invite`, d.alice, { user_id: '@bob:localhost' });
    assert.deepEqual(await invites(world, d.bob), []);
  });
});
