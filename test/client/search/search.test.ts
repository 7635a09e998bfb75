import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';
import { SearchWorld } from './search-world.ts';

const path = '/_matrix/client/v3/search';

describe('POST /search finds', () => {
  let at: SearchWorld;
  let room: string;
  before(async () => {
    at = await SearchWorld.open(['alice']);
    room = await at.room('alice', { name: 'Käseclub', topic: 'All about Emmentaler' });
    for (const body of [
      'The quick brown fox',
      'quick quick fox said hello',
      'Straßenbahn nach Zürich',
      '明日は東京都に行きます',
      'สวัสดีชาวโลก',
      'こんにちは世界',
      '안녕하세요 세상',
      'Съешь ещё этих мягких булок',
      'https://example.org/path_to?thing=1',
    ]) {
      await at.say('alice', room, body);
    }
  });
  after(() => at[Symbol.asyncDispose]());

  const cases: [term: string, found: string[]][] = [
    ['fox', ['quick quick fox said hello', 'The quick brown fox']],
    ['FOX quick', ['quick quick fox said hello', 'The quick brown fox']],
    ['fox brown', ['The quick brown fox']],
    ['fox wolf', []],
    ['bro', ['The quick brown fox']],
    ['rown', []],
    ['zurich', ['Straßenbahn nach Zürich']],
    ['strassen', ['Straßenbahn nach Zürich']],
    ['東京', ['明日は東京都に行きます']],
    ['京都', ['明日は東京都に行きます']],
    ['京', ['明日は東京都に行きます']],
    ['都東', []],
    ['世界', ['こんにちは世界']],
    ['界', ['こんにちは世界']],
    ['ชาว', ['สวัสดีชาวโลก']],
    ['안녕', ['안녕하세요 세상']],
    ['еще булок', ['Съешь ещё этих мягких булок']],
    ['example path', ['https://example.org/path_to?thing=1']],
    ['kaseclub', ['Käseclub']],
    ['emmentaler', ['All about Emmentaler']],
    ['', []],
    ['?!', []],
    ['"quick" OR -fox*', []],
  ];
  for (const [term, found] of cases) {
    it(`${found.length} text(s) by ${JSON.stringify(term)}`, async () => {
      assert.deepEqual(await at.texts('alice', term), found);
    });
  }

  const keys: [keys: string[], term: string, found: number][] = [
    [['content.body'], 'fox', 2],
    [['content.name', 'content.topic'], 'fox', 0],
    [['content.name'], 'käseclub', 1],
    [['content.topic'], 'käseclub', 0],
    [[], 'fox', 0],
  ];
  for (const [wanted, term, found] of keys) {
    it(`${found} by ${term} in ${wanted.join(' and ') || 'no key'}`, async () => {
      assert.equal((await at.texts('alice', term, { keys: wanted })).length, found);
    });
  }

  it('the closest first, unless the newest are wanted', async () => {
    await at.say('alice', room, 'foxes are many, and what is more, they quickly went away to where no brown bear is');
    const { results, count, highlights } = await at.search('alice', 'quick fox');
    assert.deepEqual(
      results.map(({ result }) => result.content.body.slice(0, 11)),
      ['quick quick', 'The quick b', 'foxes are m'],
    );
    assert.ok(results.every(({ rank }, index) => index === 0 || rank <= (results[index - 1]?.rank ?? 0)));
    assert.equal(count, 3);
    assert.deepEqual([...highlights].sort(), ['fox', 'foxes', 'quick', 'quickly']);
    assert.equal((await at.texts('alice', 'quick fox'))[0]?.slice(0, 5), 'foxes');
  });
});

describe('POST /search shows', () => {
  it('nothing that the reader may not see', async () => {
    await using at = await SearchWorld.open(['alice', 'bob', 'carol']);
    const shared = await at.room('alice');
    const closed = await at.room('alice', {
      initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }],
    });
    for (const room of [shared, closed]) {
      await at.say('alice', room, 'secret before');
      await at.act('bob', room, 'join');
      await at.say('alice', room, 'secret during');
      await at.act('bob', room, 'leave');
      await at.say('alice', room, 'secret after');
    }
    const found = async (who: string, room: string) =>
      (await at.texts(who, 'secret', { filter: { rooms: [room] } })).toSorted();
    assert.deepEqual(await found('alice', shared), ['secret after', 'secret before', 'secret during']);
    assert.deepEqual(await found('bob', shared), ['secret before', 'secret during']);
    assert.deepEqual(await found('bob', closed), ['secret during']);
    assert.equal((await at.search('bob', 'secret')).count, 3);
    assert.deepEqual(await at.texts('carol', 'secret'), []);
    await at.act('bob', shared, 'forget');
    assert.deepEqual(await found('bob', shared), []);
  });

  it('no event of an encrypted room', async () => {
    await using at = await SearchWorld.open(['alice']);
    const room = await at.room('alice', {
      initial_state: [{ type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } }],
      name: 'Whisper',
    });
    await at.say('alice', room, 'whisper');
    assert.deepEqual(await at.texts('alice', 'whisper'), []);
  });

  it('redacted events no more, edited ones by their new text, and by the old one when the edit is redacted', async () => {
    await using at = await SearchWorld.open(['alice', 'bob']);
    const room = await at.room('alice');
    await at.act('bob', room, 'join');
    const gone = await at.say('alice', room, 'elephant one');
    const kept = await at.say('alice', room, 'elephant two');
    assert.equal((await at.texts('alice', 'elephant')).length, 2);
    await at.redact('alice', room, gone);
    assert.deepEqual(await at.texts('alice', 'elephant'), ['elephant two']);
    const first = await at.edit('alice', room, kept, 'giraffe');
    await at.edit('bob', room, kept, 'hijacked');
    const found = await at.search('alice', 'giraffe');
    assert.equal(found.results[0]?.result.event_id, kept);
    assert.equal(found.results[0]?.result.unsigned['m.relations']['m.replace'].event_id, first);
    assert.deepEqual(await at.texts('alice', 'elephant'), []);
    assert.deepEqual(await at.texts('alice', 'hijacked'), []);
    const second = await at.edit('alice', room, kept, 'zebra');
    assert.deepEqual([(await at.texts('alice', 'giraffe')).length, (await at.texts('alice', 'zebra')).length], [0, 1]);
    await at.redact('alice', room, second);
    assert.deepEqual([(await at.texts('alice', 'giraffe')).length, (await at.texts('alice', 'zebra')).length], [1, 0]);
    await at.redact('alice', room, first);
    assert.deepEqual(await at.texts('alice', 'elephant'), ['elephant two']);
    await at.redact('alice', room, kept);
    assert.deepEqual(await at.texts('alice', 'elephant'), []);
  });

  it('no event of ignored users', async () => {
    await using at = await SearchWorld.open(['alice', 'bob']);
    const room = await at.room('alice');
    await at.act('bob', room, 'join');
    await at.say('bob', room, 'annoying');
    assert.equal((await at.texts('alice', 'annoying')).length, 1);
    const data = '/_matrix/client/v3/user/%40alice%3Alocalhost/account_data/m.ignored_user_list';
    await at.world.ok('PUT', data, at.token('alice'), { ignored_users: { '@bob:localhost': {} } });
    assert.equal((await at.texts('alice', 'annoying')).length, 0);
  });
});

describe('POST /search answers', () => {
  let at: SearchWorld;
  let first: string;
  let second: string;
  before(async () => {
    at = await SearchWorld.open(['alice', 'bob']);
    first = await at.room('alice');
    second = await at.room('bob');
    await at.act('bob', first, 'join');
    await at.act('alice', second, 'join');
    for (let i = 0; i < 12; i++) {
      await at.say(i % 3 === 0 ? 'bob' : 'alice', i % 2 === 0 ? first : second, `apple ${i}`);
    }
  });
  after(() => at[Symbol.asyncDispose]());

  for (const order of ['recent', 'rank']) {
    it(`page by page, each result once, by ${order}`, async () => {
      const found: string[] = [];
      let next: string | undefined;
      do {
        const criteria = { order_by: order, filter: { limit: 5 } };
        const page = await at.search('alice', 'apple', criteria, next);
        assert.equal(page.count, 12);
        found.push(...page.results.map(({ result }) => result.content.body as string));
        next = page.next_batch;
      } while (next !== undefined);
      assert.deepEqual(new Set(found).size, 12);
      assert.equal(found.length, 12);
      if (order === 'recent') assert.deepEqual(found[0], 'apple 11');
    });
  }

  const filters: [filter: (first: string) => object, found: number][] = [
    [(room) => ({ rooms: [room] }), 6],
    [(room) => ({ not_rooms: [room] }), 6],
    [() => ({ rooms: [] }), 0],
    [() => ({ senders: ['@bob:localhost'] }), 4],
    [() => ({ not_senders: ['@bob:localhost'] }), 8],
    [() => ({ types: ['m.room.name'] }), 0],
    [() => ({ types: ['m.*'] }), 12],
    [() => ({ contains_url: true }), 0],
    [() => ({ limit: 0 }), 0],
  ];
  for (const [filter, found] of filters) {
    it(`${found} with the filter ${JSON.stringify(filter('!first'))}`, async () => {
      assert.equal(
        (await at.search('alice', 'apple', { filter: { limit: 50, ...filter(first) } })).results.length,
        found,
      );
    });
  }

  it('groups by room and sender, each with a token of its own', async () => {
    const groupings = { group_by: [{ key: 'room_id' }, { key: 'sender' }] };
    const criteria = { order_by: 'recent', filter: { limit: 4 }, groupings };
    const { groups, results } = await at.search('alice', 'apple', criteria);
    assert.deepEqual(Object.keys(groups ?? {}).sort(), ['room_id', 'sender']);
    const inFirst = groups?.['room_id']?.[first];
    assert.deepEqual([inFirst?.results.length, inFirst?.order], [2, 1]);
    assert.equal(groups?.['room_id']?.[second]?.order, 0);
    const ofBob = groups?.['sender']?.['@bob:localhost'];
    const shown = results
      .filter(({ result }) => result.sender === '@bob:localhost')
      .map(({ result }) => result.event_id);
    assert.deepEqual(ofBob?.results, shown);
    const more = await at.search('alice', 'apple', criteria, inFirst?.next_batch);
    assert.deepEqual(
      more.results.map(({ result }) => result.content.body),
      ['apple 6', 'apple 4', 'apple 2', 'apple 0'],
    );
    assert.ok(more.groups?.['room_id']?.[first] !== undefined && more.next_batch === undefined);
    assert.equal(more.groups?.['room_id']?.[first]?.next_batch, undefined);
    const rest = await at.search('alice', 'apple', criteria, ofBob?.next_batch);
    assert.equal(rest.results.length + shown.length, 4);
    assert.ok(rest.results.every(({ result }) => result.sender === '@bob:localhost'));
  });

  it('with what was said around it, and who the people were then', async () => {
    await at.world.ok('PUT', '/_matrix/client/v3/profile/%40bob%3Alocalhost/displayname', at.token('bob'), {
      displayname: 'Robert',
    });
    const target = await at.say('bob', first, 'banana');
    await at.say('alice', first, 'after');
    const criteria = { event_context: { before_limit: 2, after_limit: 3, include_profile: true } };
    const { context, result } = (await at.search('alice', 'banana', criteria)).results[0] ?? {};
    assert.equal(result.event_id, target);
    assert.deepEqual(
      context.events_before.map((event: { type: string }) => event.type),
      ['m.room.member', 'm.room.message'],
    );
    assert.deepEqual(
      context.events_after.map((event: { content: { body: string } }) => event.content.body),
      ['after'],
    );
    assert.deepEqual(context.profile_info, {
      '@bob:localhost': { displayname: 'Robert' },
      '@alice:localhost': {},
    });
    for (const [token, dir] of [
      [context.start, 'b'],
      [context.end, 'f'],
    ]) {
      const query = `from=${token}&dir=${dir}`;
      await at.world.ok(
        'GET',
        `/_matrix/client/v3/rooms/${encodeURIComponent(first)}/messages?${query}`,
        at.token('alice'),
      );
    }
    const plain = (await at.search('alice', 'banana', { event_context: {} })).results[0]?.context;
    assert.deepEqual([plain.events_before.length, 'profile_info' in plain], [5, false]);
    assert.ok(!('context' in ((await at.search('alice', 'banana')).results[0] ?? {})));
  });

  it('with the state of the rooms, if it is wanted', async () => {
    const { state } = await at.search('alice', 'apple 3', { include_state: true });
    assert.deepEqual(Object.keys(state ?? {}), [second]);
    assert.ok(state?.[second]?.some(({ type }) => type === 'm.room.create'));
    assert.ok(!('state' in (await at.search('alice', 'apple'))));
  });

  it('nothing without a category', async () => {
    assert.deepEqual(await at.world.ok('POST', path, at.token('alice'), { search_categories: {} }), {
      search_categories: {},
    });
  });

  const inCategory = (criteria: object) => ({ search_categories: { room_events: criteria } });
  const errors: [what: string, query: string, body: object, errcode: string][] = [
    ['no categories', '', {}, 'M_MISSING_PARAM'],
    ['no term', '', inCategory({}), 'M_MISSING_PARAM'],
    ['a number as term', '', inCategory({ search_term: 1 }), 'M_BAD_JSON'],
    ['an unknown key', '', inCategory({ search_term: 'x', keys: ['content.url'] }), 'M_INVALID_PARAM'],
    ['an unknown order', '', inCategory({ search_term: 'x', order_by: 'age' }), 'M_INVALID_PARAM'],
    ['a filter that is none', '', inCategory({ search_term: 'x', filter: [] }), 'M_BAD_JSON'],
    ['a filter with a wrong type', '', inCategory({ search_term: 'x', filter: { rooms: 'x' } }), 'M_BAD_JSON'],
    ['a negative limit', '', inCategory({ search_term: 'x', event_context: { before_limit: -1 } }), 'M_INVALID_PARAM'],
    [
      'an unknown group',
      '',
      inCategory({ search_term: 'x', groupings: { group_by: [{ key: 'x' }] } }),
      'M_INVALID_PARAM',
    ],
    ['a token that is none', '?next_batch=x', inCategory({ search_term: 'x' }), 'M_INVALID_PARAM'],
    [
      'a token of another order',
      '?next_batch=ft1_1_1',
      inCategory({ search_term: 'x', order_by: 'rank' }),
      'M_INVALID_PARAM',
    ],
  ];
  for (const [what, query, body, errcode] of errors) {
    it(`400 ${errcode} to ${what}`, async () => {
      const answer = await at.world.call('POST', path + query, { token: at.token('alice'), body });
      assert.deepEqual([answer.status, answer.json.errcode], [400, errcode], answer.text);
    });
  }

  it('401 M_MISSING_TOKEN without a token', async () => {
    const answer = await at.world.call('POST', path, { body: { search_categories: {} } });
    assert.deepEqual([answer.status, answer.json.errcode], [401, 'M_MISSING_TOKEN']);
  });

  it('404 M_UNRECOGNIZED where it is switched off', async () => {
    await using world = await World.open({ search: { enabled: false } });
    const token = await world.register('alice');
    const answer = await world.call('POST', path, { token, body: { search_categories: {} } });
    assert.deepEqual([answer.status, answer.json.errcode], [404, 'M_UNRECOGNIZED']);
  });
});
