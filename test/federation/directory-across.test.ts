import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { MatrixError } from '../../src/protocol/errors.ts';
import type { JsonObject } from '../../src/util/json.ts';
import type { Injected } from '../support/clients/inject.ts';
import type { ScriptedServer } from '../support/federation/scripted-server.ts';
import { Universe } from '../support/servers/universe.ts';

const v3 = '/_matrix/client/v3';
const v1 = '/_matrix/federation/v1';
const encoded = encodeURIComponent;

describe('profiles, aliases and room directories across servers', () => {
  let universe: Universe;
  let evil: ScriptedServer;
  let alice: string;
  let bob: string;
  const asBob = (path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST'): Promise<Injected> =>
    universe.world('b.test').call(method, path, { token: bob, body });
  const said = ({ status, json }: { status: number; json: JsonObject }) => [status, json['errcode']];

  before(async () => {
    universe = await Universe.open(['a.test', 'b.test']);
    evil = universe.script('evil.test');
    alice = await universe.world('a.test').register('alice');
    bob = await universe.world('b.test').register('bob');
  });
  after(() => universe[Symbol.asyncDispose]());

  describe('GET /query/profile', () => {
    before(async () => {
      const a = universe.world('a.test');
      const set = (field: string, value: unknown) =>
        a.call('PUT', `${v3}/profile/@alice:a.test/${field}`, { token: alice, body: { [field]: value } });
      await set('displayname', 'Alice');
      await set('m.tz', 'Europe/Berlin');
      await set('org.example.pet', { name: 'Mog', legs: 4 });
    });

    it('tells all fields or one, of any kind', async () => {
      const ask = async (query: string) => evil.request('a.test', 'GET', `${v1}/query/profile?${query}`);
      const whole = { displayname: 'Alice', 'm.tz': 'Europe/Berlin', 'org.example.pet': { name: 'Mog', legs: 4 } };
      assert.deepEqual((await ask('user_id=@alice:a.test')).json, whole);
      assert.deepEqual((await ask('user_id=@alice:a.test&field=displayname')).json, { displayname: 'Alice' });
      assert.deepEqual((await ask('user_id=@alice:a.test&field=org.example.pet')).json, {
        'org.example.pet': { name: 'Mog', legs: 4 },
      });
    });

    for (const [query, status, errcode] of [
      ['', 400, 'M_MISSING_PARAM'],
      ['user_id=alice', 400, 'M_INVALID_PARAM'],
      ['user_id=@bob:b.test', 400, 'M_INVALID_PARAM'],
      ['user_id=@nobody:a.test', 404, 'M_NOT_FOUND'],
      ['user_id=@alice:a.test&field=avatar_url', 404, 'M_NOT_FOUND'],
      ['user_id=@alice:a.test&field=No', 400, 'M_INVALID_PARAM'],
    ] as const) {
      it(`answers ${status} ${errcode} to ?${query}`, async () => {
        const answer = await evil.request('a.test', 'GET', `${v1}/query/profile?${query}`);
        assert.deepEqual(said(answer), [status, errcode]);
      });
    }

    it('answers 401 to who has not signed', async () => {
      for (const path of [
        'query/profile?user_id=@alice:a.test',
        'query/directory?room_alias=%23a:a.test',
        'publicRooms',
      ]) {
        const answer = await universe.world('a.test').call('GET', `${v1}/${path}`);
        assert.deepEqual(said(answer), [401, 'M_UNAUTHORIZED'], path);
      }
    });

    it('tells any service whose OpenID token it is, without a signature', async () => {
      const a = universe.world('a.test');
      const path = `${v3}/user/@alice:a.test/openid/request_token`;
      const { access_token: token } = await a.ok('POST', path, alice, {});
      const ask = (query: string) => a.call('GET', `${v1}/openid/userinfo${query}`);
      assert.deepEqual((await ask(`?access_token=${encoded(token as string)}`)).json, { sub: '@alice:a.test' });
      assert.deepEqual(said(await ask('?access_token=nonsense')), [401, 'M_UNKNOWN_TOKEN']);
      assert.deepEqual(said(await evil.request('a.test', 'GET', `${v1}/openid/userinfo`)), [401, 'M_MISSING_TOKEN']);
    });

    it('knows no other kinds of queries', async () => {
      assert.deepEqual(said(await evil.request('a.test', 'GET', `${v1}/query/weather`)), [404, 'M_UNRECOGNIZED']);
    });
  });

  describe('GET /profile/{userId} of another server', () => {
    it('is asked of that server, and once for a while', async () => {
      const before = universe.calls.length;
      assert.equal((await asBob(`${v3}/profile/@alice:a.test`)).json.displayname, 'Alice');
      assert.deepEqual((await asBob(`${v3}/profile/@alice:a.test/m.tz`)).json, { 'm.tz': 'Europe/Berlin' });
      assert.deepEqual(said(await asBob(`${v3}/profile/@alice:a.test/avatar_url`)), [404, 'M_NOT_FOUND']);
      const profileCalls = universe.calls.slice(before).filter(({ uri }) => uri.includes('query/profile'));
      assert.equal(profileCalls.length, 1, 'it is asked for once');
    });

    it('passes on what the specification lets a server refuse', async () => {
      for (const [status, errcode] of [
        [403, 'M_FORBIDDEN'],
        [404, 'M_NOT_FOUND'],
      ] as const) {
        evil.on('GET', `${v1}/query/profile`, () => {
          throw new MatrixError(status, errcode, 'no');
        });
        assert.deepEqual(said(await asBob(`${v3}/profile/@no${status}:evil.test`)), [status, errcode]);
        assert.deepEqual(said(await asBob(`${v3}/profile/@no${status}:evil.test/displayname`)), [status, errcode]);
      }
    });

    it('leaves out what is no profile field or has a wrong type', async () => {
      evil.on('GET', `${v1}/query/profile`, () => ({
        displayname: 7,
        avatar_url: 'https://evil.test/track.png',
        'Not A Field': 1,
        __proto__: 1,
        'm.tz': 'Mars/Olympus',
        'org.example.n': 1,
      }));
      assert.deepEqual((await asBob(`${v3}/profile/@odd:evil.test`)).json, {
        'm.tz': 'Mars/Olympus',
        'org.example.n': 1,
      });
    });

    it('is 502 where the answer is too large or no object', async () => {
      for (const [user, answer] of [
        ['big', { displayname: 'x'.repeat(300_000) }],
        ['list', { status: 200, headers: {}, body: '[]' }],
        ['text', { status: 200, headers: {}, body: 'hello' }],
      ] as const) {
        evil.on('GET', `${v1}/query/profile`, () => answer);
        assert.deepEqual(said(await asBob(`${v3}/profile/@${user}:evil.test`)), [502, 'M_UNKNOWN'], user);
      }
    });

    it('is 502 where the server is out of reach', async () => {
      universe.cut('a.test', 'b.test');
      assert.deepEqual(said(await asBob(`${v3}/profile/@other:a.test`)), [502, 'M_UNKNOWN']);
      universe.heal('a.test', 'b.test');
      universe.clock.advance(10 * 60_000);
    });
  });

  describe('aliases', () => {
    let room: string;
    before(async () => {
      const body = { preset: 'public_chat', room_alias_name: 'tea', name: 'Tea', visibility: 'public' };
      room = (await universe.world('a.test').ok('POST', `${v3}/createRoom`, alice, body)).room_id as string;
    });

    it('lead to the room and the servers in it', async () => {
      const answer = await evil.request('a.test', 'GET', `${v1}/query/directory?room_alias=${encoded('#tea:a.test')}`);
      assert.deepEqual(answer.json, { room_id: room, servers: ['a.test'] });
      const found = await asBob(`${v3}/directory/room/${encoded('#tea:a.test')}`);
      assert.deepEqual(found.json, { room_id: room, servers: ['a.test'] });
    });

    for (const [query, status, errcode] of [
      ['', 400, 'M_MISSING_PARAM'],
      [`room_alias=tea`, 400, 'M_INVALID_PARAM'],
      [`room_alias=${encoded('#tea:b.test')}`, 400, 'M_INVALID_PARAM'],
      [`room_alias=${encoded('#coffee:a.test')}`, 404, 'M_NOT_FOUND'],
    ] as const) {
      it(`answer ${status} ${errcode} to ?${query}`, async () => {
        const answer = await evil.request('a.test', 'GET', `${v1}/query/directory?${query}`);
        assert.deepEqual(said(answer), [status, errcode]);
      });
    }

    it('that are not there are 404, and a server that talks nonsense 502', async () => {
      assert.deepEqual(said(await asBob(`${v3}/directory/room/${encoded('#no:a.test')}`)), [404, 'M_NOT_FOUND']);
      evil.on('GET', `${v1}/query/directory`, () => ({ room_id: 'nonsense', servers: 'all' }));
      assert.deepEqual(said(await asBob(`${v3}/directory/room/${encoded('#no:evil.test')}`)), [502, 'M_UNKNOWN']);
    });

    it('of other servers may be canonical where they lead to the room, and only there', async () => {
      const own = (await universe.world('b.test').ok('POST', `${v3}/createRoom`, bob, {})).room_id as string;
      evil.on('GET', `${v1}/query/directory`, ({ query }) => ({
        room_id: query.get('room_alias') === '#mine:evil.test' ? own : room,
        servers: [],
      }));
      const put = (alias: string) =>
        universe.world('b.test').call('PUT', `${v3}/rooms/${encoded(own)}/state/m.room.canonical_alias/`, {
          token: bob,
          body: { alias },
        });
      assert.equal((await put('#mine:evil.test')).status, 200);
      assert.deepEqual(said(await put('#other:evil.test')), [400, 'M_BAD_ALIAS']);
    });
  });

  describe('publicRooms', () => {
    const list = (query: string, body?: JsonObject) =>
      evil.request('a.test', body === undefined ? 'GET' : 'POST', `${v1}/publicRooms${query}`, body);

    it('tells other servers what is published, with limit, search and types', async () => {
      assert.equal((await list('')).json.chunk[0].name, 'Tea');
      assert.equal((await list('?limit=1')).json.chunk.length, 1);
      assert.equal((await list('', { filter: { generic_search_term: 'tea' } })).json.chunk.length, 1);
      assert.equal((await list('', { filter: { generic_search_term: 'coffee' } })).json.chunk.length, 0);
      assert.equal((await list('', { filter: { room_types: ['m.space'] } })).json.chunk.length, 0);
      assert.deepEqual((await list('?third_party_instance_id=irc')).json.chunk, []);
    });

    for (const [query, body] of [
      ['?since=nonsense', undefined],
      ['?limit=-1', undefined],
      ['?include_all_networks=true&third_party_instance_id=irc', undefined],
      ['', { limit: 'many' }],
      ['', { filter: 7 }],
    ] as const) {
      it(`answers 400 to ${query} ${JSON.stringify(body)}`, async () =>
        assert.equal((await list(query, body)).status, 400));
    }

    it('of another server are shown to clients', async () => {
      const { json } = await asBob(`${v3}/publicRooms?server=a.test`);
      assert.deepEqual([json.chunk.length, json.chunk[0].canonical_alias], [1, '#tea:a.test']);
      const search = await asBob(`${v3}/publicRooms?server=a.test`, { filter: { generic_search_term: 'coffee' } });
      assert.deepEqual(search.json.chunk, []);
    });

    it('are cut to what was asked for, and hold rooms only', async () => {
      const rooms = Array.from({ length: 1000 }, (_, n) => ({ room_id: `!${n}:evil.test`, num_joined_members: -n }));
      evil.on('GET', `${v1}/publicRooms`, () => ({
        chunk: [7, null, { room_id: 'nonsense' }, ...rooms],
        next_batch: 5,
        total_room_count_estimate: 'many',
      }));
      const { json } = await asBob(`${v3}/publicRooms?server=evil.test&limit=10`);
      assert.equal(json.chunk.length, 7);
      assert.deepEqual(Object.keys(json), ['chunk']);
      assert.equal(json.chunk[0].num_joined_members, 0);
    });

    it('of a million rooms are not read', async () => {
      evil.on('GET', `${v1}/publicRooms`, () => ({
        status: 200,
        headers: {},
        body: (function* () {
          yield '{"chunk":[';
          for (let n = 0; n < 1_000_000; n++) yield `{"room_id":"!${n}:evil.test"},`;
        })() as unknown as string,
      }));
      assert.deepEqual(said(await asBob(`${v3}/publicRooms?server=evil.test`)), [502, 'M_UNKNOWN']);
    });

    it('keep what a directory must not say about a room out', async () => {
      evil.on('GET', `${v1}/publicRooms`, () => ({
        chunk: [
          {
            room_id: '!r:evil.test',
            name: 7,
            topic: 'x'.repeat(100_000),
            avatar_url: 'javascript:alert(1)',
            canonical_alias: 'nonsense',
            world_readable: 'yes',
            extra: { deep: true },
          },
        ],
      }));
      assert.deepEqual((await asBob(`${v3}/publicRooms?server=evil.test`)).json.chunk, [
        {
          room_id: '!r:evil.test',
          num_joined_members: 0,
          world_readable: false,
          guest_can_join: false,
          join_rule: 'public',
        },
      ]);
    });
  });
});

describe('a server that may not be talked to', () => {
  it('is neither asked nor answered', async () => {
    await using universe = await Universe.open(['a.test'], { federation: { deny: ['evil.test'] } });
    const evil = universe.script('evil.test');
    const token = await universe.world('a.test').register('alice');
    const refused = await evil.request('a.test', 'GET', `${v1}/query/profile?user_id=@alice:a.test`);
    assert.equal(refused.status, 403);
    for (const path of ['profile/@x:evil.test', 'directory/room/%23x:evil.test', 'publicRooms?server=evil.test']) {
      const answer = await universe.world('a.test').call('GET', `${v3}/${path}`, { token });
      assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_FORBIDDEN'], path);
    }
    assert.equal(universe.calls.filter(({ to }) => to === 'evil.test').length, 0);
  });
});
