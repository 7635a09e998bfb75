import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { DirectoryWorld } from './directory-world.ts';

describe('POST /user_directory/search', () => {
  let at: DirectoryWorld;
  let open: string;
  const search = async (who: string, term: string, limit?: number) => {
    const json = await at.ok(who, 'POST /user_directory/search', { search_term: term, limit });
    return { ids: json.results.map((user: { user_id: string }) => user.user_id.slice(1, -10)), ...json };
  };
  const rename = (who: string, name: string) =>
    at.ok(who, `PUT /profile/%40${who}%3Alocalhost/displayname`, { displayname: name });
  before(async () => {
    at = await DirectoryWorld.open(['alice', 'bob', 'anna', 'annabel', 'hermit', 'taro', 'anna.smith']);
    const shared = await at.room('alice', { preset: 'private_chat', invite: ['@bob:localhost', '@taro:localhost'] });
    for (const who of ['bob', 'taro']) await at.join(who, shared);
    open = await at.room('anna', { preset: 'public_chat' });
    for (const who of ['annabel', 'anna.smith']) await at.join(who, open);
    await rename('bob', 'Bäcker Möller');
    await rename('taro', '山田太郎');
    await rename('hermit', 'Bob the Hermit');
  });
  after(() => at[Symbol.asyncDispose]());

  const cases: [who: string, term: string, ids: string[]][] = [
    ['alice', 'bob', ['bob']],
    ['alice', 'BACKER', ['bob']],
    ['alice', 'möl bäck', ['bob']],
    ['alice', 'bäcker nobody', []],
    ['alice', '@bob:localhost', ['bob']],
    ['alice', '@bob:elsewhere.test', []],
    ['alice', '太郎', ['taro']],
    ['alice', '山', ['taro']],
    ['alice', 'ann', ['anna.smith', 'anna', 'annabel']],
    ['alice', 'anna smith', ['anna.smith']],
    ['alice', 'anna', ['anna', 'anna.smith', 'annabel']],
    ['alice', 'alice', []],
    ['alice', '', []],
    ['alice', '?!', []],
    ['anna', 'bob', []],
    ['hermit', 'taro', []],
  ];
  for (const [who, term, ids] of cases) {
    it(`shows ${who} ${ids.join(', ') || 'nobody'} for ${JSON.stringify(term)}`, async () => {
      assert.deepEqual((await search(who, term)).ids, ids);
    });
  }

  it('says whether there are more than the limit', async () => {
    const one = await search('alice', 'ann', 1);
    assert.deepEqual([one.ids.length, one.limited], [1, true]);
    assert.equal((await search('alice', 'ann', 3)).limited, false);
  });

  it('puts those first who share a room with the searcher, and shows name and picture', async () => {
    await at.ok('anna', 'PUT /profile/%40anna%3Alocalhost/avatar_url', { avatar_url: 'mxc://localhost/a' });
    const json = await at.ok('annabel', 'POST /user_directory/search', { search_term: 'anna' });
    assert.deepEqual(json.results[0], { user_id: '@anna:localhost', avatar_url: 'mxc://localhost/a' });
  });

  it('follows new names, rooms that close and accounts that end', async () => {
    await using own = await DirectoryWorld.open(['alice', 'bob', 'carol']);
    const room = await own.room('bob', { preset: 'public_chat' });
    await own.join('carol', room);
    const found = async (term: string) =>
      (await own.ok('alice', 'POST /user_directory/search', { search_term: term })).results.length;
    assert.equal(await found('bob'), 1);
    await own.ok('bob', 'PUT /profile/%40bob%3Alocalhost/displayname', { displayname: 'Robert' });
    assert.deepEqual([await found('robert'), await found('bob')], [1, 1]);
    await own.ok('bob', 'PUT /profile/%40bob%3Alocalhost/displayname', { displayname: '' });
    assert.equal(await found('robert'), 0);
    await own.state('bob', room, 'm.room.join_rules', { join_rule: 'invite' });
    assert.equal(await found('bob'), 0);
    await own.state('bob', room, 'm.room.history_visibility', { history_visibility: 'world_readable' });
    assert.equal(await found('bob'), 1);
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'carol' },
      password: 'password of carol',
    };
    assert.equal(await found('carol'), 1);
    const begun = await own.call('carol', 'POST /account/deactivate', {});
    await own.ok('carol', 'POST /account/deactivate', { auth: { ...auth, session: begun.json.session } });
    assert.equal(await found('carol'), 0);
  });

  const errors: [who: string | undefined, body: unknown, status: number, errcode: string][] = [
    [undefined, { search_term: 'x' }, 401, 'M_MISSING_TOKEN'],
    ['alice', {}, 400, 'M_MISSING_PARAM'],
    ['alice', { search_term: 1 }, 400, 'M_BAD_JSON'],
    ['alice', { search_term: 'x', limit: 0 }, 400, 'M_INVALID_PARAM'],
    ['alice', { search_term: 'x', limit: 'y' }, 400, 'M_BAD_JSON'],
  ];
  for (const [who, body, status, errcode] of errors) {
    it(`answers ${status} ${errcode} to ${JSON.stringify(body)} of ${who ?? 'nobody'}`, async () => {
      const answer = await at.call(who, 'POST /user_directory/search', body);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }
});
