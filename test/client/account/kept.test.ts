import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AccountServer } from '../../support/servers/account-server.ts';

const v3 = '/_matrix/client/v3';
const room = '!room:localhost';

describe('profiles', () => {
  const own = `${v3}/profile/@alice:localhost`;

  it('are read by anybody, whole or field by field', async () => {
    await using server = new AccountServer();
    const { token } = await server.user('alice');
    for (const [field, value] of [
      ['displayname', 'Alice'],
      ['avatar_url', 'mxc://localhost/abc'],
      ['m.tz', 'Europe/Vienna'],
      ['org.example.any', { deep: [1, null] }],
      ['org.example.nothing', null],
      ['org.my-domain.4you', true],
    ] as const) {
      const answer = await server.call('PUT', `${own}/${field}`, { token, body: { [field]: value } });
      assert.deepEqual([answer.status, answer.json], [200, {}], field);
      assert.deepEqual((await server.call('GET', `${own}/${field}`)).json, { [field]: value });
    }
    assert.equal(Object.keys((await server.call('GET', own)).json).length, 6);
  });

  it('are there, empty, for a user who has set nothing; not for nobody', async () => {
    await using server = new AccountServer();
    await server.user('alice');
    assert.deepEqual((await server.call('GET', own)).json, {});
    for (const path of [
      `${own}/displayname`,
      `${v3}/profile/@nobody:localhost`,
      `${v3}/profile/@nobody:localhost/displayname`,
    ]) {
      const answer = await server.call('GET', path);
      assert.deepEqual([answer.status, answer.json.errcode], [404, 'M_NOT_FOUND'], path);
    }
    const elsewhere = await server.call('GET', `${v3}/profile/@alice:elsewhere.org`);
    assert.deepEqual([elsewhere.status, elsewhere.json.errcode], [502, 'M_UNKNOWN'], 'a server that does not answer');
    assert.equal((await server.call('GET', `${v3}/profile/alice`)).json.errcode, 'M_INVALID_PARAM');
  });

  it('pass names and pictures on to the rooms, once for each change', async () => {
    await using server = new AccountServer();
    const { token } = await server.user('alice');
    const put = (field: string, value: unknown) =>
      server.call('PUT', `${own}/${field}`, { token, body: { [field]: value } });
    await put('displayname', 'Alice');
    await put('displayname', 'Alice');
    await put('org.example.other', 1);
    assert.equal(server.asked.length, 1);
    await put('avatar_url', 'mxc://localhost/abc');
    assert.equal((await server.call('DELETE', `${own}/displayname`, { token })).status, 200);
    assert.equal((await server.call('DELETE', `${own}/displayname`, { token })).status, 200, 'gone already');
    assert.deepEqual(server.asked, Array(3).fill('profile @alice:localhost'));
  });

  it('lose a name or picture that is set to nothing', async () => {
    await using server = new AccountServer();
    const { token } = await server.user('alice');
    for (const value of ['Alice', '']) {
      await server.call('PUT', `${own}/displayname`, { token, body: { displayname: value } });
    }
    assert.deepEqual((await server.call('GET', own)).json, {});
  });

  const long = `org.${'x'.repeat(260)}`;
  const refused: [what: string, field: string, body: unknown, errcode: string, status?: number][] = [
    ['a body without the field', 'displayname', { name: 'x' }, 'M_MISSING_PARAM'],
    ['a body that is no object', 'displayname', [], 'M_BAD_JSON'],
    ['a name that is no text', 'displayname', { displayname: 1 }, 'M_BAD_JSON'],
    ['a name that is null', 'displayname', { displayname: null }, 'M_BAD_JSON'],
    ['an endless name', 'displayname', { displayname: 'x'.repeat(1025) }, 'M_INVALID_PARAM'],
    ['a picture that is no mxc URI', 'avatar_url', { avatar_url: 'https://a/b' }, 'M_INVALID_PARAM'],
    ['a time zone that is no text', 'm.tz', { 'm.tz': 1 }, 'M_BAD_JSON'],
    ['a field without a namespace', 'colour', { colour: 'red' }, 'M_INVALID_PARAM'],
    ['a field without a name in its namespace', 'org.', { 'org.': 'x' }, 'M_INVALID_PARAM'],
    ['a field that begins with a hyphen', '-org.x', { '-org.x': 'x' }, 'M_INVALID_PARAM'],
    ['a field with capitals', 'org.Example', { 'org.Example': 'x' }, 'M_INVALID_PARAM'],
    ['a field name over 255 bytes', long, { [long]: 'x' }, 'M_KEY_TOO_LARGE'],
    ['more than 64 KiB', 'org.x', { 'org.x': 'x'.repeat(65_536) }, 'M_PROFILE_TOO_LARGE'],
    ['more than 64 KiB with the rest', 'org.x', { 'org.x': 'x'.repeat(40_000) }, 'M_PROFILE_TOO_LARGE'],
  ];
  for (const [what, field, body, errcode, status = 400] of refused) {
    it(`refuse ${what}`, async () => {
      await using server = new AccountServer();
      const { token } = await server.user('alice');
      await server.call('PUT', `${own}/org.full`, { token, body: { 'org.full': 'x'.repeat(30_000) } });
      const answer = await server.call('PUT', `${own}/${field}`, { token, body });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
      assert.deepEqual(Object.keys((await server.call('GET', own)).json), ['org.full']);
    });
  }

  for (const [what, field, errcode] of [
    ['a field without a namespace', 'colour', 'M_INVALID_PARAM'],
    ['a field name over 255 bytes', long, 'M_KEY_TOO_LARGE'],
  ] as const) {
    it(`does not delete ${what}: 400 ${errcode}`, async () => {
      await using server = new AccountServer();
      const { token } = await server.user('alice');
      const answer = await server.call('DELETE', `${own}/${field}`, { token });
      assert.deepEqual([answer.status, answer.json.errcode], [400, errcode]);
    });
  }

  it('of others cannot be changed, nor by a suspended user', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const bob = await server.user('bob');
    const call = (method: string, token: string) =>
      server.call(method, `${own}/displayname`, { token, body: { displayname: 'x' } });
    for (const method of ['PUT', 'DELETE']) {
      assert.deepEqual(
        [(await call(method, bob.token)).status, (await call(method, bob.token)).json.errcode],
        [403, 'M_FORBIDDEN'],
      );
    }
    await server.services.accounts.setSuspended(alice.userId as never, true);
    for (const method of ['PUT', 'DELETE']) {
      assert.equal((await call(method, alice.token)).json.errcode, 'M_USER_SUSPENDED');
    }
  });
});

describe('account data', () => {
  const paths = [`${v3}/user/@alice:localhost/account_data`, `${v3}/user/@alice:localhost/rooms/${room}/account_data`];

  for (const path of paths) {
    const where = path.includes('rooms') ? 'of a room' : 'of no room';

    it(`${where} is kept and read`, async () => {
      await using server = new AccountServer();
      const { token } = await server.user('alice');
      const content = { a: 1, deep: { b: [0.5, null] } };
      const put = await server.call('PUT', `${path}/org.example.type`, { token, body: content });
      assert.deepEqual([put.status, put.json], [200, {}]);
      assert.deepEqual((await server.call('GET', `${path}/org.example.type`, { token })).json, content);
      await server.call('PUT', `${path}/org.example.type`, { token, body: {} });
      assert.deepEqual((await server.call('GET', `${path}/org.example.type`, { token })).json, {});
    });

    it(`${where} that was never set is not found`, async () => {
      await using server = new AccountServer();
      const { token } = await server.user('alice');
      const answer = await server.call('GET', `${path}/org.example.type`, { token });
      assert.deepEqual([answer.status, answer.json.errcode], [404, 'M_NOT_FOUND']);
    });

    it(`${where} of another user is forbidden`, async () => {
      await using server = new AccountServer();
      const { token } = await server.user('bob');
      for (const method of ['GET', 'PUT']) {
        const body = method === 'PUT' ? {} : undefined;
        const answer = await server.call(method, `${path}/org.example.type`, { token, body });
        assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_FORBIDDEN']);
      }
    });

    it(`${where} of the server's own types is set by other calls only`, async () => {
      await using server = new AccountServer();
      const { token } = await server.user('alice');
      for (const type of ['m.fully_read', 'm.push_rules']) {
        const answer = await server.call('PUT', `${path}/${type}`, { token, body: {} });
        assert.deepEqual([answer.status, answer.json.errcode], [405, 'M_BAD_JSON']);
      }
    });

    for (const [body, errcode] of [
      ['[]', 'M_BAD_JSON'],
      ['x', 'M_NOT_JSON'],
    ] as const) {
      it(`${where} refuses ${body} as ${errcode}`, async () => {
        await using server = new AccountServer();
        const { token } = await server.user('alice');
        const answer = await server.call('PUT', `${path}/org.x`, { token, body });
        assert.deepEqual([answer.status, answer.json.errcode], [400, errcode]);
      });
    }
  }

  it('has 16 MiB at most for a user, of whatever types and rooms; less of it is always taken', async () => {
    await using server = new AccountServer();
    const { token } = await server.user('alice');
    const bob = await server.user('bob');
    const put = (path: string, size: number) =>
      server.call('PUT', path, { token, body: { a: 'x'.repeat(size - '{"a":""}'.length) } });
    const mib = 1024 * 1024;
    const of = (i: number) => (i % 2 === 0 ? `${paths[0]}/org.x${i}` : `${paths[1]}/org.x${i}`);
    for (let i = 0; i < 15; i++) assert.equal((await put(of(i), mib)).status, 200);
    assert.equal((await put(of(15), mib - 1)).status, 200);
    for (const [path, size] of [
      [of(16), 100],
      [of(15), mib + 1],
    ] as const) {
      const answer = await put(path, size);
      assert.deepEqual([answer.status, answer.json.errcode], [413, 'M_TOO_LARGE']);
    }
    assert.equal((await put(of(3), 1000)).status, 200);
    assert.equal((await put(of(16), 100)).status, 200);
    const theirs = { token: bob.token, body: { a: 1 } };
    assert.equal((await server.call('PUT', of(0).replace('alice', 'bob'), theirs)).status, 200);
  });

  it('of something that is no room is refused', async () => {
    await using server = new AccountServer();
    const { token } = await server.user('alice');
    for (const method of ['GET', 'PUT']) {
      const body = method === 'PUT' ? {} : undefined;
      const path = `${v3}/user/@alice:localhost/rooms/no-room/account_data/org.x`;
      assert.equal((await server.call(method, path, { token, body })).json.errcode, 'M_INVALID_PARAM');
    }
  });

  it('takes a position and wakes the user, unless nothing changed', async () => {
    await using server = new AccountServer();
    const { token, userId } = await server.user('alice');
    const user = server.services.accounts.row(userId as never)?.user as never;
    const { accountData } = server.services;
    const put = () => server.call('PUT', `${paths[0]}/org.x`, { token, body: { a: 1 } });
    const before = server.store.streams.now();
    await put();
    const after = server.store.streams.now();
    assert.deepEqual(
      accountData.changed(user, undefined, before, after).map(({ type, content }) => [type, content]),
      [['org.x', '{"a":1}']],
    );
    await put();
    assert.deepEqual(accountData.changed(user, undefined, after, server.store.streams.now()), []);
  });

  it('shows a type that is there by default', async () => {
    await using server = new AccountServer();
    const { token, userId } = await server.user('alice');
    server.services.accountData.provideDefault('m.push_rules', () => ({ global: {} }));
    assert.deepEqual((await server.call('GET', `${paths[0]}/m.push_rules`, { token })).json, { global: {} });
    const user = server.services.accounts.row(userId as never)?.user as never;
    assert.deepEqual(
      server.services.accountData.all(user).map(({ type }) => type),
      ['m.push_rules'],
    );
  });

  it('says who blocks invites', async () => {
    await using server = new AccountServer();
    const { token, userId } = await server.user('alice');
    const { people } = server.services;
    assert.equal(people.blocksInvites(userId as never), false);
    const body = { default_action: 'block' };
    await server.call('PUT', `${paths[0]}/m.invite_permission_config`, { token, body });
    assert.equal(people.blocksInvites(userId as never), true);
  });
});

describe('tags', () => {
  const path = `${v3}/user/@alice:localhost/rooms/${room}/tags`;

  it('are added, listed and removed, and are account data of the room', async () => {
    await using server = new AccountServer();
    const { token } = await server.user('alice');
    assert.deepEqual((await server.call('GET', path, { token })).json, { tags: {} });
    await server.call('PUT', `${path}/m.favourite`, { token, body: { order: 0.25 } });
    await server.call('PUT', `${path}/u.W%2Fork`, { token, body: {} });
    const tags = { 'm.favourite': { order: 0.25 }, 'u.W/ork': {} };
    assert.deepEqual((await server.call('GET', path, { token })).json, { tags });
    const asData = `${v3}/user/@alice:localhost/rooms/${room}/account_data/m.tag`;
    assert.deepEqual((await server.call('GET', asData, { token })).json, { tags });
    for (const tag of ['m.favourite', 'm.never']) {
      assert.equal((await server.call('DELETE', `${path}/${tag}`, { token })).status, 200);
    }
    assert.deepEqual((await server.call('GET', path, { token })).json, { tags: { 'u.W/ork': {} } });
  });

  it('have 1 MiB at most in one room', async () => {
    await using server = new AccountServer();
    const { token } = await server.user('alice');
    const put = (tag: string) => server.call('PUT', `${path}/${tag}`, { token, body: { a: 'x'.repeat(250_000) } });
    for (const tag of ['a', 'b', 'c', 'd']) assert.equal((await put(tag)).status, 200);
    const answer = await put('e');
    assert.deepEqual([answer.status, answer.json.errcode], [413, 'M_TOO_LARGE']);
    assert.equal((await put('a')).status, 200);
  });

  const refused: [what: string, method: string, path: string, body: unknown, status: number, errcode: string][] = [
    ['an order that is no number', 'PUT', `${path}/x`, { order: 'first' }, 400, 'M_BAD_JSON'],
    ['a tag over 255 bytes', 'PUT', `${path}/${'x'.repeat(256)}`, {}, 400, 'M_INVALID_PARAM'],
    ['no room', 'PUT', path.replace(room, 'x') + '/x', {}, 400, 'M_INVALID_PARAM'],
    ['no room to list', 'GET', path.replace(room, 'x'), undefined, 400, 'M_INVALID_PARAM'],
    ['no room to remove from', 'DELETE', path.replace(room, 'x') + '/x', undefined, 400, 'M_INVALID_PARAM'],
    ['another user to list', 'GET', path.replace('alice', 'bob'), undefined, 403, 'M_FORBIDDEN'],
    ['another user', 'PUT', path.replace('alice', 'bob') + '/x', {}, 403, 'M_FORBIDDEN'],
    ['another user to remove', 'DELETE', path.replace('alice', 'bob') + '/x', undefined, 403, 'M_FORBIDDEN'],
  ];
  for (const [what, method, where, body, status, errcode] of refused) {
    it(`refuse ${what}`, async () => {
      await using server = new AccountServer();
      const { token } = await server.user('alice');
      const answer = await server.call(method, where, { token, body });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }
});

describe('filters', () => {
  const path = `${v3}/user/@alice:localhost/filter`;

  it('are 200 for a user at most: the oldest go', async () => {
    await using server = new AccountServer();
    const { token } = await server.user('alice');
    const create = async (limit: number) => {
      const body = { room: { timeline: { limit } } };
      return (await server.call('POST', path, { token, body })).json.filter_id as string;
    };
    const first = await create(1);
    for (let limit = 2; limit <= 200; limit++) await create(limit);
    assert.equal((await server.call('GET', `${path}/${first}`, { token })).status, 200);
    await create(201);
    assert.equal((await server.call('GET', `${path}/${first}`, { token })).status, 404);
  });

  it('are kept and read; the same filter has the same ID, whoever is else', async () => {
    await using server = new AccountServer();
    const { token } = await server.user('alice');
    const filter = { room: { timeline: { limit: 10 } }, event_format: 'client' };
    const create = async (body: object) => (await server.call('POST', path, { token, body })).json.filter_id;
    const id = await create(filter);
    assert.ok(typeof id === 'string' && !id.startsWith('{'));
    assert.equal(await create(filter), id);
    assert.notEqual(await create({}), id);
    assert.deepEqual((await server.call('GET', `${path}/${id}`, { token })).json, filter);
  });

  const refused: [what: string, method: string, path: string, body: unknown, status: number, errcode: string][] = [
    ['one that was never made', 'GET', `${path}/99`, undefined, 404, 'M_NOT_FOUND'],
    ['what is no ID', 'GET', `${path}/x`, undefined, 404, 'M_NOT_FOUND'],
    ['what is no filter', 'POST', path, { room: 1 }, 400, 'M_BAD_JSON'],
    ['those of another user', 'GET', `${path.replace('alice', 'bob')}/0`, undefined, 403, 'M_FORBIDDEN'],
    ['one for another user', 'POST', path.replace('alice', 'bob'), {}, 403, 'M_FORBIDDEN'],
  ];
  for (const [what, method, where, body, status, errcode] of refused) {
    it(`refuse ${what}`, async () => {
      await using server = new AccountServer();
      const { token } = await server.user('alice');
      const answer = await server.call(method, where, { token, body });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }
});
