import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DirectoryWorld } from './directory-world.ts';

describe('GET and POST /publicRooms', () => {
  let at: DirectoryWorld;
  let big: string;
  let space: string;
  const names = (json: { chunk: { name?: string }[] }) => json.chunk.map(({ name }) => name);
  before(async () => {
    at = await DirectoryWorld.open(['alice', 'bob', 'carol']);
    const made = (name: string, more: object = {}) =>
      at.room('alice', { name, preset: 'public_chat', visibility: 'public', ...more });
    await made('Small', { topic: 'Über Käse' });
    big = await made('Big', { room_alias_name: 'biggest' });
    space = await made('Space', { creation_content: { type: 'm.space' } });
    await at.room('alice', { name: 'Private', preset: 'private_chat' });
    await made('Other');
    for (const who of ['bob', 'carol']) await at.join(who, big);
    await at.join('bob', space);
  });
  after(() => at[Symbol.asyncDispose]());

  it('lists published rooms, the largest first, with what the specification tells of them', async () => {
    const json = (await at.call(undefined, 'GET /publicRooms')).json;
    assert.deepEqual(names(json), ['Big', 'Space', 'Other', 'Small']);
    assert.equal(json.total_room_count_estimate, 4);
    assert.ok(!('next_batch' in json) && !('prev_batch' in json));
    assert.deepEqual(json.chunk[0], {
      room_id: big,
      name: 'Big',
      canonical_alias: '#biggest:localhost',
      num_joined_members: 3,
      world_readable: false,
      guest_can_join: false,
      join_rule: 'public',
    });
    assert.equal(json.chunk[1].room_type, 'm.space');
    assert.equal(json.chunk[3].topic, 'Über Käse');
  });

  it('pages forwards and backwards', async () => {
    const get = async (since?: string) =>
      (await at.call(undefined, `GET /publicRooms?limit=2${since === undefined ? '' : `&since=${since}`}`)).json;
    const first = await get();
    assert.deepEqual(names(first), ['Big', 'Space']);
    assert.ok(!('prev_batch' in first));
    const second = await get(first.next_batch);
    assert.deepEqual(names(second), ['Other', 'Small']);
    assert.ok(!('next_batch' in second));
    const back = await get(second.prev_batch);
    assert.deepEqual(names(back), ['Big', 'Space']);
    assert.ok(!('prev_batch' in back));
    assert.deepEqual(names(await get(back.next_batch)), ['Other', 'Small']);
  });

  const filters: [what: string, body: object, found: string[]][] = [
    ['a part of a name, whatever its case', { filter: { generic_search_term: 'bI' } }, ['Big']],
    ['a topic without its accents', { filter: { generic_search_term: 'uber kase' } }, ['Small']],
    ['an alias', { filter: { generic_search_term: '#biggest' } }, ['Big']],
    ['a term that nothing has', { filter: { generic_search_term: 'zzz' } }, []],
    ['spaces only', { filter: { room_types: ['m.space'] } }, ['Space']],
    ['rooms without a type', { filter: { room_types: [null] } }, ['Big', 'Other', 'Small']],
    ['no type at all', { filter: { room_types: [] } }, []],
    ['a limit of 0, which is none', { limit: 0 }, ['Big', 'Space', 'Other', 'Small']],
    ['all networks', { include_all_networks: true }, ['Big', 'Space', 'Other', 'Small']],
    ['a network that is not there', { third_party_instance_id: 'irc' }, []],
  ];
  for (const [what, body, found] of filters) {
    it(`finds by ${what}`, async () => {
      assert.deepEqual(names(await at.ok('bob', 'POST /publicRooms', body)), found);
    });
  }

  const errors: [request: string, who: string | undefined, body: unknown, status: number, errcode: string][] = [
    ['GET /publicRooms?since=rubbish', undefined, undefined, 400, 'M_INVALID_PARAM'],
    ['GET /publicRooms?limit=-1', undefined, undefined, 400, 'M_INVALID_PARAM'],
    ['GET /publicRooms?server=a%20b', undefined, undefined, 400, 'M_INVALID_PARAM'],
    ['GET /publicRooms?server=elsewhere.test', undefined, undefined, 502, 'M_UNKNOWN'],
    ['GET /publicRooms?server=not%20a%20name', undefined, undefined, 400, 'M_INVALID_PARAM'],
    ['POST /publicRooms?server=elsewhere.test', 'alice', {}, 502, 'M_UNKNOWN'],
    ['POST /publicRooms', undefined, {}, 401, 'M_MISSING_TOKEN'],
    ['POST /publicRooms', 'alice', { limit: 'x' }, 400, 'M_BAD_JSON'],
    ['POST /publicRooms', 'alice', { limit: -1 }, 400, 'M_INVALID_PARAM'],
    ['POST /publicRooms', 'alice', { since: 'x' }, 400, 'M_INVALID_PARAM'],
    ['POST /publicRooms', 'alice', { filter: { room_types: [1] } }, 400, 'M_BAD_JSON'],
    [
      'POST /publicRooms',
      'alice',
      { include_all_networks: true, third_party_instance_id: 'irc' },
      400,
      'M_INVALID_PARAM',
    ],
  ];
  for (const [request, who, body, status, errcode] of errors) {
    it(`answers ${status} ${errcode} to ${request} ${JSON.stringify(body) ?? ''} of ${who ?? 'nobody'}`, async () => {
      const answer = await at.call(who, request, body);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }

  it('takes our own name as server', async () => {
    assert.equal((await at.call(undefined, 'GET /publicRooms?server=localhost')).json.chunk.length, 4);
  });
});
