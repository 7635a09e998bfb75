import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

const enc = encodeURIComponent;
const v3 = '/_matrix/client/v3';

type Json = Record<string, unknown>;

async function aRoom(world: World, options: object) {
  const alice = await world.register('alice');
  const { room_id: id } = await world.ok('POST', `${v3}/createRoom`, alice, options);
  return { alice, id: id as string };
}

const upgrade = (world: World, token: string, id: string, body: unknown) =>
  world.call('POST', `${v3}/rooms/${enc(id)}/upgrade`, { token, body });

/** The current state by type; events with a state key of their own by type and key. */
async function stateOf(world: World, token: string, id: string): Promise<Map<string, Json>> {
  const events = (await world.ok('GET', `${v3}/rooms/${enc(id)}/state`, token)) as unknown as Json[];
  return new Map(
    events.map((event) => {
      const type = event['type'] as string;
      const key = event['state_key'] as string;
      return [key === '' ? type : `${type}/${key}`, event];
    }),
  );
}

const contentOf = (state: Map<string, Json>, type: string) => state.get(type)?.['content'] as Json;

const versions: [from: string, to: string][] = [
  ['1', '6'],
  ['9', '11'],
  ['10', '12'],
  ['12', '12'],
  ['12', '10'],
];

describe('POST /rooms/{roomId}/upgrade', () => {
  for (const [from, to] of versions) {
    it(`takes over what the specification recommends, from version ${from} to ${to}`, async () => {
      await using world = await World.open();
      const { alice, id } = await aRoom(world, {
        room_version: from,
        preset: 'public_chat',
        visibility: 'public',
        name: 'Pub',
        topic: 'Beer',
        room_alias_name: 'pub',
        creation_content: { type: 'org.example.pub', 'm.federate': false },
        initial_state: [
          { type: 'm.room.avatar', content: { url: 'mxc://localhost/a' } },
          { type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } },
          { type: 'm.room.server_acl', content: { allow: ['*'], deny: ['evil.test'] } },
          { type: 'org.example.own', content: { a: 1 } },
        ],
      });
      const bob = await world.register('bob');
      await world.ok('POST', `${v3}/rooms/${enc(id)}/join`, bob, {});
      const before = await stateOf(world, alice, id);
      const answer = await upgrade(world, alice, id, { new_version: to });
      assert.equal(answer.status, 200, answer.text);
      const replacement = answer.json.replacement_room as string;
      const after = await stateOf(world, alice, replacement);
      const old = await stateOf(world, alice, id);

      const content = contentOf;
      for (const type of ['name', 'topic', 'avatar', 'encryption', 'server_acl', 'guest_access', 'join_rules']) {
        assert.deepEqual(content(after, `m.room.${type}`), content(before, `m.room.${type}`), type);
      }
      assert.deepEqual(content(after, 'm.room.history_visibility'), { history_visibility: 'shared' });
      assert.equal(after.has('org.example.own'), false);
      assert.equal(after.has('m.room.member/@bob:localhost'), false);
      const create = content(after, 'm.room.create');
      assert.equal(create['room_version'], to);
      assert.equal(create['type'], 'org.example.pub');
      assert.equal(create['m.federate'], false);
      const tombstone = old.get('m.room.tombstone') as Json;
      assert.equal((tombstone['content'] as Json)['replacement_room'], replacement);
      const eventId = to === '12' ? {} : { event_id: tombstone['event_id'] };
      assert.deepEqual(create['predecessor'], { room_id: id, ...eventId });

      const where = await world.ok('GET', `${v3}/directory/room/${enc('#pub:localhost')}`, alice);
      assert.equal(where.room_id, replacement);
      assert.deepEqual(content(after, 'm.room.canonical_alias'), { alias: '#pub:localhost' });
      assert.deepEqual(content(old, 'm.room.canonical_alias'), {});
      for (const [room, visibility] of [
        [id, 'private'],
        [replacement, 'public'],
      ] as const) {
        assert.equal((await world.ok('GET', `${v3}/directory/list/room/${enc(room)}`, alice)).visibility, visibility);
      }
      const levels = content(after, 'm.room.power_levels');
      assert.equal((levels['users'] as Json)['@alice:localhost'], to === '12' ? undefined : from === '12' ? 150 : 100);
      assert.deepEqual(
        [content(old, 'm.room.power_levels')['events_default'], content(old, 'm.room.power_levels')['invite']],
        [50, 50],
      );
      const silent = await world.call('PUT', `${v3}/rooms/${enc(id)}/send/m.room.message/1`, {
        token: bob,
        body: { body: 'x' },
      });
      assert.equal(silent.status, 403);
      await world.ok('POST', `${v3}/join/${enc('#pub:localhost')}`, bob, {});
      await world.ok('PUT', `${v3}/rooms/${enc(replacement)}/send/m.room.message/1`, bob, { body: 'hello' });
    });
  }

  it('makes additional creators only of those who are named, and only in versions that have them', async () => {
    await using world = await World.open();
    const bob = '@bob:localhost';
    await world.register('bob');
    const { alice, id } = await aRoom(world, {
      preset: 'trusted_private_chat',
      invite: [bob],
      power_level_content_override: { users: {} },
    });
    const creators = async (room: string) =>
      contentOf(await stateOf(world, alice, room), 'm.room.create')['additional_creators'];
    assert.deepEqual(await creators(id), [bob]);
    const plain = (await upgrade(world, alice, id, { new_version: '12' })).json.replacement_room as string;
    assert.equal(await creators(plain), undefined);
    const named = (await upgrade(world, alice, plain, { new_version: '12', additional_creators: [bob] })).json;
    assert.deepEqual(await creators(named.replacement_room as string), [bob]);
    const older = await upgrade(world, alice, named.replacement_room as string, {
      new_version: '11',
      additional_creators: [bob],
    });
    assert.equal(await creators(older.json.replacement_room as string), undefined);
  });

  it('keeps the rooms of a space', async () => {
    await using world = await World.open();
    const { alice, id } = await aRoom(world, { creation_content: { type: 'm.space' } });
    const child = `${v3}/rooms/${enc(id)}/state/m.space.child/${enc('!child:localhost')}`;
    await world.ok('PUT', child, alice, { via: ['localhost'] });
    await world.ok('PUT', `${v3}/rooms/${enc(id)}/state/m.space.child/${enc('!gone:localhost')}`, alice, {});
    const { replacement_room: room } = (await upgrade(world, alice, id, { new_version: '12' })).json;
    const children = [...(await stateOf(world, alice, room as string)).keys()].filter((key) =>
      key.startsWith('m.space.child'),
    );
    assert.deepEqual(children, ['m.space.child/!child:localhost']);
  });

  it('is for who may send a tombstone, has enough power for nothing else, and is whole even then', async () => {
    await using world = await World.open();
    const { alice, id } = await aRoom(world, {
      room_version: '11',
      preset: 'public_chat',
      name: 'Pub',
      room_alias_name: 'pub',
      power_level_content_override: {
        users: { '@alice:localhost': 100, '@bob:localhost': 60 },
        events: {
          'm.room.tombstone': 60,
          'm.room.name': 100,
          'm.room.power_levels': 100,
          'm.room.canonical_alias': 100,
        },
      },
    });
    const bob = await world.register('bob');
    await world.ok('POST', `${v3}/rooms/${enc(id)}/join`, bob, {});
    const answer = await upgrade(world, bob, id, { new_version: '12' });
    assert.equal(answer.status, 200, answer.text);
    const state = await stateOf(world, bob, answer.json.replacement_room as string);
    assert.deepEqual(state.get('m.room.name')?.['content'], { name: 'Pub' });
    const old = await stateOf(world, alice, id);
    assert.equal(contentOf(old, 'm.room.power_levels')['events_default'], 0);
    assert.deepEqual(old.get('m.room.canonical_alias')?.['content'], { alias: '#pub:localhost' });
  });

  it('answers the errors that the specification names, and leaves nothing behind', async () => {
    await using world = await World.open();
    const { alice, id } = await aRoom(world, { preset: 'public_chat' });
    const bob = await world.register('bob');
    await world.ok('POST', `${v3}/rooms/${enc(id)}/join`, bob, {});
    const carol = await world.register('carol');
    const cases: [string | undefined, string, unknown, number, string][] = [
      [alice, id, { new_version: '99' }, 400, 'M_UNSUPPORTED_ROOM_VERSION'],
      [alice, id, {}, 400, 'M_MISSING_PARAM'],
      [alice, id, { new_version: 12 }, 400, 'M_BAD_JSON'],
      [alice, id, { new_version: '12', additional_creators: ['bob'] }, 400, 'M_INVALID_PARAM'],
      [bob, id, { new_version: '12' }, 403, 'M_FORBIDDEN'],
      [carol, id, { new_version: '12' }, 403, 'M_FORBIDDEN'],
      [alice, '!no:localhost', { new_version: '12' }, 403, 'M_FORBIDDEN'],
      [undefined, id, { new_version: '12' }, 401, 'M_MISSING_TOKEN'],
    ];
    for (const [token, room, body, status, errcode] of cases) {
      const answer = await world.call('POST', `${v3}/rooms/${enc(room)}/upgrade`, {
        ...(token === undefined ? {} : { token }),
        body,
      });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], JSON.stringify(body));
    }
    assert.equal((await stateOf(world, alice, id)).has('m.room.tombstone'), false);
    assert.equal((await world.ok('GET', `${v3}/joined_rooms`, alice)).joined_rooms.length, 1);
  });
});
