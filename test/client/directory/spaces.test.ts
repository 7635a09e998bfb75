import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DirectoryWorld } from './directory-world.ts';

const v1 = '/_matrix/client/v1';

describe('GET /rooms/{roomId}/hierarchy', () => {
  let at: DirectoryWorld;
  let root: string;
  const rooms: Record<string, string> = {};
  const hierarchy = (who: string | undefined, room: string, query = '') =>
    at.call(who, `GET ${v1}/rooms/${encodeURIComponent(room)}/hierarchy${query}`);
  const names = (json: { rooms: { name: string }[] }) => json.rooms.map(({ name }) => name);
  before(async () => {
    at = await DirectoryWorld.open(['alice', 'bob']);
    const made = async (name: string, more: object = {}) => {
      const id = await at.room('alice', { name, preset: 'public_chat', ...more });
      rooms[name] = id;
      return id;
    };
    const isSpace = { creation_content: { type: 'm.space' } };
    root = await made('root', isSpace);
    const inner = await made('inner', isSpace);
    await made('hidden', { preset: 'private_chat' });
    const child = (space: string, name: string, content: object = {}) =>
      at.state('alice', space, 'm.space.child', { via: ['localhost'], ...content }, rooms[name]);
    for (const name of ['plain', 'deep', 'knock', 'removed']) await made(name);
    await at.state('alice', rooms['knock'] as string, 'm.room.join_rules', { join_rule: 'knock' });
    await made('restricted', {
      preset: 'private_chat',
      initial_state: [
        {
          type: 'm.room.join_rules',
          content: { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: root }] },
        },
      ],
    });
    // By order, then by age.
    await child(root, 'plain');
    await child(root, 'knock', { order: 'b', suggested: true });
    await child(root, 'inner', { order: 'a' });
    await child(root, 'hidden', { order: 'c' });
    await child(root, 'restricted', { order: '\u00fc' });
    await at.state('alice', root, 'm.space.child', {}, rooms['removed']);
    await at.state('alice', root, 'm.space.child', { via: ['elsewhere.test'] }, '!unknown:elsewhere.test');
    await child(inner, 'deep', { suggested: true });
    await child(inner, 'root');
    await at.join('bob', root);
  });
  after(() => at[Symbol.asyncDispose]());

  it('lets others have their turn while it walks', async (t) => {
    let others = 0;
    let next = setImmediate(function turn() {
      others++;
      next = setImmediate(turn);
    });
    assert.equal((await hierarchy('alice', root)).status, 200);
    assert.equal(others, 0, 'a short walk is done in one turn');
    const start = at.world.clock.monotonic();
    let looks = 0;
    t.mock.method(at.world.clock, 'monotonic', () => start + 10 * looks++);
    assert.equal((await hierarchy('alice', root)).status, 200);
    clearImmediate(next);
    assert.ok(others >= 6, `${others} turns`);
  });

  it('walks the tree, each space before its children and these in their order, and breaks loops', async () => {
    const json = (await hierarchy('alice', root)).json;
    assert.deepEqual(names(json), ['root', 'inner', 'deep', 'knock', 'hidden', 'plain', 'restricted']);
    assert.ok(!('next_batch' in json));
    const [first] = json.rooms;
    assert.deepEqual(
      first.children_state.map((child: { state_key: string }) => child.state_key),
      [...['inner', 'knock', 'hidden', 'plain', 'restricted'].map((name) => rooms[name]), '!unknown:elsewhere.test'],
    );
    assert.deepEqual(Object.keys(first.children_state[0]).sort(), [
      'content',
      'origin_server_ts',
      'sender',
      'state_key',
      'type',
    ]);
    assert.deepEqual(json.rooms.at(-1).allowed_room_ids, [root]);
    assert.equal(first.room_type, 'm.space');
    assert.equal(first.room_version, '12');
  });

  it('leaves out what the requester may not be told of', async () => {
    assert.deepEqual(names((await hierarchy('bob', root)).json), [
      'root',
      'inner',
      'deep',
      'knock',
      'plain',
      'restricted',
    ]);
  });

  it('pages', async () => {
    const found: string[] = [];
    let from = '';
    do {
      const json = (await hierarchy('bob', root, `?limit=2${from}`)).json;
      assert.ok(json.rooms.length <= 2);
      found.push(...names(json));
      from = json.next_batch === undefined ? '' : `&from=${json.next_batch}`;
    } while (from !== '');
    assert.deepEqual(found, ['root', 'inner', 'deep', 'knock', 'plain', 'restricted']);
  });

  const queries: [query: string, found: string[]][] = [
    ['?max_depth=0', ['root']],
    ['?max_depth=1', ['root', 'inner', 'knock', 'plain', 'restricted']],
    ['?suggested_only=true', ['root', 'knock']],
  ];
  for (const [query, found] of queries) {
    it(`obeys ${query}`, async () => {
      assert.deepEqual(names((await hierarchy('bob', root, query)).json), found);
    });
  }

  it('does not let the query change from page to page', async () => {
    const { next_batch: from } = (await hierarchy('bob', root, '?limit=1&max_depth=2')).json;
    for (const query of ['max_depth=1', 'max_depth=2&suggested_only=true', '']) {
      const answer = await hierarchy('bob', root, `?from=${from}&${query}`);
      assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_INVALID_PARAM'], query);
    }
  });

  const errors: [who: string | undefined, query: string, status: number, errcode: string][] = [
    [undefined, '', 401, 'M_MISSING_TOKEN'],
    ['bob', '?from=x', 400, 'M_INVALID_PARAM'],
    ['bob', '?limit=0', 400, 'M_INVALID_PARAM'],
    ['bob', '?max_depth=-1', 400, 'M_INVALID_PARAM'],
    ['bob', '?suggested_only=1', 400, 'M_INVALID_PARAM'],
  ];
  for (const [who, query, status, errcode] of errors) {
    it(`answers ${status} ${errcode} to ${query} of ${who ?? 'nobody'}`, async () => {
      const answer = await hierarchy(who, root, query);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }

  it('answers 403 M_FORBIDDEN for a room that is unknown or closed, and to the banned', async () => {
    await using own = await DirectoryWorld.open(['alice', 'bob']);
    const open = await own.room('alice', { preset: 'public_chat' });
    await own.ok('alice', `POST /rooms/${encodeURIComponent(open)}/ban`, { user_id: '@bob:localhost' });
    const closed = await own.room('alice', {});
    for (const room of [open, closed, '!unknown:localhost']) {
      const answer = await own.call('bob', `GET ${v1}/rooms/${encodeURIComponent(room)}/hierarchy`);
      assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_FORBIDDEN']);
    }
  });
});

describe('GET /room_summary/{roomIdOrAlias}', () => {
  const paths = [
    `${v1}/room_summary/`,
    '/_matrix/client/unstable/im.nheko.summary/summary/',
    '/_matrix/client/unstable/im.nheko.summary/rooms/',
  ];

  it('tells of a room by ID and alias, with the membership of who asks', async () => {
    await using at = await DirectoryWorld.open(['alice', 'bob']);
    const room = await at.room('alice', {
      name: 'Open',
      preset: 'public_chat',
      room_alias_name: 'open',
      initial_state: [{ type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
    });
    for (const path of paths) {
      for (const id of [room, '#open:localhost']) {
        const ending = path.endsWith('rooms/') ? '/summary' : '';
        const ask = (who?: string) => at.call(who, `GET ${path}${encodeURIComponent(id)}${ending}`);
        const json = (await ask('alice')).json;
        assert.deepEqual([json.room_id, json.membership, json.encryption], [room, 'join', 'm.megolm.v1.aes-sha2']);
        assert.equal((await ask('bob')).json.membership, 'leave');
        const anybody = (await ask()).json;
        assert.deepEqual([anybody.name, 'membership' in anybody], ['Open', false]);
      }
    }
  });

  it('answers 404 M_NOT_FOUND for what is unknown, or not for the requester', async () => {
    await using at = await DirectoryWorld.open(['alice', 'bob', 'carol']);
    const closed = await at.room('alice', { invite: ['@carol:localhost'] });
    const cases: [who: string | undefined, id: string, status: number][] = [
      ['alice', closed, 200],
      ['carol', closed, 200],
      ['bob', closed, 404],
      [undefined, closed, 404],
      ['bob', '!unknown:localhost', 404],
      ['bob', '#unknown:localhost', 404],
      ['bob', 'rubbish', 404],
    ];
    for (const [who, id, status] of cases) {
      const answer = await at.call(who, `GET ${v1}/room_summary/${encodeURIComponent(id)}`);
      assert.equal(answer.status, status, `${who} ${id}`);
      if (status === 404) assert.equal(answer.json.errcode, 'M_NOT_FOUND');
    }
  });
});

describe('GET /mutual_rooms', () => {
  let at: DirectoryWorld;
  const rooms: string[] = [];
  before(async () => {
    at = await DirectoryWorld.open(['alice', 'bob', 'carol']);
    for (let i = 0; i < 3; i++) {
      const room = await at.room('alice', { preset: 'public_chat' });
      if (i > 0) await at.join('bob', room);
      if (i > 0) rooms.push(room);
    }
    await at.room('alice', { preset: 'private_chat', invite: ['@bob:localhost'] });
  });
  after(() => at[Symbol.asyncDispose]());

  it('tells the rooms that both are in, under both paths', async () => {
    const user = 'user_id=%40alice%3Alocalhost';
    const paths = [`${v1}/mutual_rooms`, '/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms'];
    for (const path of paths) {
      assert.deepEqual(await at.ok('bob', `GET ${path}?${user}`), { joined: rooms, count: 2 });
      assert.deepEqual(await at.ok('carol', `GET ${path}?${user}`), { joined: [], count: 0 });
      assert.deepEqual(await at.ok('carol', `GET ${path}?user_id=%40nobody%3Aelsewhere.test`), {
        joined: [],
        count: 0,
      });
    }
    assert.deepEqual((await at.ok('bob', `GET ${v1}/mutual_rooms?${user}&from=m1`)).joined.length, 2);
  });

  const errors: [who: string | undefined, query: string, status: number, errcode: string][] = [
    [undefined, '?user_id=%40bob%3Alocalhost', 401, 'M_MISSING_TOKEN'],
    ['alice', '', 400, 'M_MISSING_PARAM'],
    ['alice', '?user_id=bob', 400, 'M_INVALID_PARAM'],
    ['alice', '?user_id=%40alice%3Alocalhost', 400, 'M_INVALID_PARAM'],
    ['alice', '?user_id=%40bob%3Alocalhost&from=x', 400, 'M_INVALID_PARAM'],
  ];
  for (const [who, query, status, errcode] of errors) {
    it(`answers ${status} ${errcode} to ${query} of ${who ?? 'nobody'}`, async () => {
      const answer = await at.call(who, `GET ${v1}/mutual_rooms${query}`);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }

  it('is announced under the name of its proposal', async () => {
    const { unstable_features: features } = (await at.call(undefined, 'GET /_matrix/client/versions')).json;
    assert.equal(features['uk.half-shot.msc2666.query_mutual_rooms'], true);
  });
});
