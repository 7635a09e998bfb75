import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { UserId } from '../../../src/protocol/ids/types.ts';
import { AccountServer, passwordAuth, type TestUser } from '../../support/servers/account-server.ts';

const v3 = '/_matrix/client/v3';
const whoami = `${v3}/account/whoami`;
const isIn = async (server: AccountServer, user: TestUser) =>
  (await server.call('GET', whoami, { token: user.token })).status === 200;
const canLogIn = async (server: AccountServer, name: string, password: string) => {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: name }, password };
  return (await server.call('POST', `${v3}/login`, { body })).status === 200;
};

describe('GET /account/whoami and /account/3pid', () => {
  it('tell about the requester', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const answer = await server.call('GET', whoami, { token: alice.token });
    assert.deepEqual(answer.json, { user_id: alice.userId, device_id: alice.deviceId, is_guest: false });
    const threepids = await server.call('GET', `${v3}/account/3pid`, { token: alice.token });
    assert.deepEqual(threepids.json, { threepids: [] });
  });
});

describe('POST /account/password', () => {
  const path = `${v3}/account/password`;

  it('changes the password and ends the other sessions', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const other = await server.session('alice');
    const body = { new_password: 'a new password' };
    const asked = await server.call('POST', path, { token: alice.token, body });
    assert.equal(asked.status, 401);
    assert.deepEqual(asked.json.flows, [{ stages: ['m.login.password'] }]);
    const auth = passwordAuth(alice, asked.json.session);
    assert.equal((await server.call('POST', path, { token: alice.token, body: { ...body, auth } })).status, 200);
    assert.equal(await isIn(server, alice), true);
    assert.equal(await isIn(server, other), false);
    assert.equal(await canLogIn(server, 'alice', alice.password), false);
    assert.equal(await canLogIn(server, 'alice', 'a new password'), true);
  });

  it('keeps the other sessions with logout_devices false', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const other = await server.session('alice');
    const body = { new_password: 'a new password', logout_devices: false, auth: passwordAuth(alice) };
    assert.equal((await server.call('POST', path, { token: alice.token, body })).status, 200);
    assert.equal(await isIn(server, other), true);
  });

  it('works without a token for whoever knows the old password, and ends all sessions', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const body = { new_password: 'a new password', auth: passwordAuth(alice) };
    assert.equal((await server.call('POST', path, { body })).status, 200);
    assert.equal(await isIn(server, alice), false);
    assert.equal(await canLogIn(server, 'alice', 'a new password'), true);
  });

  const refused: [what: string, body: object, status: number, errcode: string][] = [
    ['a weak password', { new_password: 'short' }, 400, 'M_WEAK_PASSWORD'],
    ['none', {}, 400, 'M_MISSING_PARAM'],
    ['one that is no text', { new_password: 12345678 }, 400, 'M_BAD_JSON'],
    ['logout_devices that is no boolean', { new_password: '12345678', logout_devices: 'no' }, 400, 'M_BAD_JSON'],
  ];
  for (const [what, body, status, errcode] of refused) {
    it(`refuses ${what}`, async () => {
      await using server = new AccountServer();
      const alice = await server.user('alice');
      const answer = await server.call('POST', path, { token: alice.token, body });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }
});

describe('user-interactive authentication', () => {
  const path = `${v3}/delete_devices`;

  type Auth = (alice: TestUser, session: string) => object;
  const wrong: [what: string, auth: Auth, status: number, errcode: string | undefined][] = [
    ['a wrong password', (alice, session) => passwordAuth(alice, session, 'wrong password'), 401, 'M_FORBIDDEN'],
    ['another user', (_, session) => ({ ...passwordAuth(bob, session) }), 401, 'M_FORBIDDEN'],
    ['a stage that is not offered', (_, session) => ({ type: 'm.login.dummy', session }), 401, 'M_UNAUTHORIZED'],
    ['a stage that does not exist', (_, session) => ({ type: 'm.login.magic', session }), 401, 'M_UNAUTHORIZED'],
    ['no password', (_, session) => ({ type: 'm.login.password', session }), 400, 'M_MISSING_PARAM'],
    ['a session only', (_, session) => ({ session }), 401, undefined],
  ];
  const bob = { userId: '@bob:localhost', password: 'password of bob', token: '', deviceId: '' };
  for (const [what, auth, status, errcode] of wrong) {
    it(`is not passed with ${what}; the session stays open`, async () => {
      await using server = new AccountServer();
      const alice = await server.user('alice');
      await server.user('bob');
      const body = { devices: [alice.deviceId] };
      const { session } = (await server.call('POST', path, { token: alice.token, body })).json;
      const request = { ...body, auth: auth(alice, session) };
      const answer = await server.call('POST', path, { token: alice.token, body: request });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
      if (status === 401) assert.equal(answer.json.session, session);
      assert.equal(await isIn(server, alice), true);
      const right = { ...body, auth: passwordAuth(alice, session) };
      assert.equal((await server.call('POST', path, { token: alice.token, body: right })).status, 200);
    });
  }

  it('is bound to the operation, to what it was asked for, and to the user', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const mallory = await server.user('mallory');
    const body = { devices: ['A'] };
    const { session } = (await server.call('POST', path, { token: alice.token, body })).json;
    for (const [user, method, where, more] of [
      [alice, 'POST', path, { devices: ['B'] }],
      [alice, 'DELETE', `${v3}/devices/A`, {}],
      [mallory, 'POST', path, body],
    ] as const) {
      const request = { ...more, auth: passwordAuth(user, session) };
      const answer = await server.call(method, where, { token: user.token, body: request });
      assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_FORBIDDEN']);
    }
  });

  it('begins anew for a session that is unknown or over', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const body = { devices: ['A'] };
    const { session } = (await server.call('POST', path, { token: alice.token, body })).json;
    server.store.clock.advance(3_600_000);
    for (const id of [session, 'unknown', 7]) {
      const answer = await server.call('POST', path, { token: alice.token, body: { ...body, auth: { session: id } } });
      assert.equal(answer.status, 401);
      assert.notEqual(answer.json.session, session);
    }
  });

  it('takes the password of old clients that name nobody', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const auth = { type: 'm.login.password', password: alice.password };
    assert.equal((await server.call('POST', path, { token: alice.token, body: { devices: [], auth } })).status, 200);
  });

  it('makes whoever guesses wait', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const body = { devices: [], auth: passwordAuth(alice, undefined, 'wrong password') };
    for (let i = 0; i < 5; i++)
      assert.equal((await server.call('POST', path, { token: alice.token, body })).status, 401);
    const answer = await server.call('POST', path, { token: alice.token, body });
    assert.deepEqual([answer.status, answer.json.errcode], [429, 'M_LIMIT_EXCEEDED']);
  });
});

describe('GET /auth/{type}/fallback/web', () => {
  const page = (type: string, session: string) => `${v3}/auth/${type}/fallback/web?session=${session}`;
  const open = async (server: AccountServer, alice: TestUser) =>
    (await server.call('POST', `${v3}/delete_devices`, { token: alice.token, body: { devices: ['A'] } })).json.session;
  const done = /window\.onAuthDone\(\).*postMessage\("authDone", "\*"\)/s;

  it('shows a form, completes the stage with it, and tells the client', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const session = await open(server, alice);
    const form = await server.call('GET', page('m.login.password', session));
    assert.equal(form.status, 200);
    assert.match(form.headers['content-type'] as string, /^text\/html/);
    assert.match(form.text, /<form method="post">.*name="password"/s);
    const sent = await server.call('POST', page('m.login.password', session), {
      body: `user=alice&password=${encodeURIComponent(alice.password).replaceAll('%20', '+')}`,
    });
    assert.equal(sent.status, 200);
    assert.match(sent.text, done);
    assert.match((await server.call('GET', page('m.login.password', session))).text, done);
    const body = { devices: ['A'], auth: { session } };
    assert.equal((await server.call('POST', `${v3}/delete_devices`, { token: alice.token, body })).status, 200);
  });

  it('shows what was wrong, and the form again', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const session = await open(server, alice);
    const sent = await server.call('POST', page('m.login.password', session), { body: 'user=alice&password=wrong' });
    assert.equal(sent.status, 403);
    assert.match(sent.text, /Wrong user name or password.*<form/s);
    const empty = await server.call('POST', page('m.login.password', session), { body: 'user=&password=' });
    assert.equal(empty.status, 400);
  });

  it('is there for registration tokens too', async () => {
    await using server = new AccountServer({ mode: 'token' });
    server.services.registrationTokens.create({ token: 'welcome', uses: 1, lifetime: undefined });
    const body = { username: 'alice', password: 'correct horse' };
    const { session } = (await server.call('POST', `${v3}/register`, { body })).json;
    const sent = await server.call('POST', page('m.login.registration_token', session), { body: 'token=welcome' });
    assert.match(sent.text, done);
    const answer = await server.call('POST', `${v3}/register`, { body: { ...body, auth: { session } } });
    assert.equal(answer.status, 200);
  });

  const wrong: [what: string, path: string, status: number, errcode: string][] = [
    ['an unknown session', page('m.login.dummy', 'x'), 400, 'M_INVALID_PARAM'],
    ['no session', `${v3}/auth/m.login.dummy/fallback/web`, 400, 'M_MISSING_PARAM'],
    ['a stage that does not exist', page('m.login.magic', 'x'), 404, 'M_UNRECOGNIZED'],
  ];
  for (const [what, path, status, errcode] of wrong) {
    it(`says ${status} for ${what}`, async () => {
      await using server = new AccountServer();
      for (const method of ['GET', 'POST']) {
        const answer = await server.call(method, path);
        assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
      }
    });
  }
});

describe('POST /account/deactivate', () => {
  const path = `${v3}/account/deactivate`;

  it('ends all sessions, leaves the rooms and lets nobody in again', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice', { admin: true });
    const other = await server.session('alice');
    assert.equal((await server.call('POST', path, { token: alice.token, body: {} })).status, 401);
    const answer = await server.call('POST', path, { token: alice.token, body: { auth: passwordAuth(alice) } });
    assert.deepEqual([answer.status, answer.json], [200, { id_server_unbind_result: 'success' }]);
    for (const user of [alice, other]) assert.equal(await isIn(server, user), false);
    assert.equal(await canLogIn(server, 'alice', alice.password), false);
    assert.deepEqual(server.asked, ['leave @alice:localhost']);
    assert.deepEqual(server.services.accounts.find(alice.userId as never), {
      userId: alice.userId,
      isAdmin: false,
      isDeactivated: true,
      created: server.store.clock.now(),
    });
  });

  it('leaves no password, not even one that is just being set', async () => {
    await using server = new AccountServer();
    const { userId } = await server.user('alice');
    const { accounts, accountAdministration } = server.services;
    const change = accounts.setPassword(userId as UserId, 'another password', false);
    await accountAdministration.deactivate(userId as UserId, false);
    await change;
    assert.equal(accounts.row(userId as UserId)?.password, undefined);
  });

  it('keeps the profile, or erases everything that is no event', async () => {
    for (const erase of [false, true]) {
      await using server = new AccountServer();
      const alice = await server.user('alice');
      const { token, userId } = alice;
      await server.call('PUT', `${v3}/profile/${userId}/displayname`, { token, body: { displayname: 'Alice' } });
      await server.call('PUT', `${v3}/user/${userId}/account_data/org.x`, { token, body: { a: 1 } });
      await server.call('POST', `${v3}/user/${userId}/filter`, { token, body: {} });
      const body = { erase, auth: passwordAuth(alice) };
      assert.equal((await server.call('POST', path, { token, body })).status, 200);
      const profile = await server.call('GET', `${v3}/profile/${userId}`);
      assert.deepEqual(profile.json, erase ? {} : { displayname: 'Alice' });
      const user = server.services.accounts.row(userId as never);
      assert.equal(user?.erased, erase);
      assert.equal(server.services.accountData.get(user?.user as never, 'org.x') === undefined, erase);
    }
  });

  it('works without a token for whoever knows the password', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const body = { auth: passwordAuth(alice) };
    assert.equal((await server.call('POST', path, { body })).status, 200);
    assert.equal(await isIn(server, alice), false);
  });

  it('is not done with a wrong password', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const body = { auth: passwordAuth(alice, undefined, 'wrong password') };
    assert.equal((await server.call('POST', path, { token: alice.token, body })).json.errcode, 'M_FORBIDDEN');
    assert.equal(await isIn(server, alice), true);
  });

  it('refuses an erase flag that is none', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const answer = await server.call('POST', path, { token: alice.token, body: { erase: 'yes' } });
    assert.equal(answer.json.errcode, 'M_BAD_JSON');
  });
});

describe('devices', () => {
  it('are listed and shown', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const phone = await server.session('alice', { deviceId: 'PHONE/1' });
    const list = await server.call('GET', `${v3}/devices`, { token: alice.token });
    const ids = list.json.devices.map((device: { device_id: string }) => device.device_id);
    assert.deepEqual(ids, [alice.deviceId, 'PHONE/1'].sort());
    const one = await server.call('GET', `${v3}/devices/PHONE%2F1`, { token: alice.token });
    assert.deepEqual(one.json, {
      device_id: phone.deviceId,
      last_seen_ip: '192.0.2.1',
      last_seen_ts: server.store.clock.now(),
    });
  });

  it('are renamed; without a name nothing changes', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const path = `${v3}/devices/${alice.deviceId}`;
    const rename = (body: object) => server.call('PUT', path, { token: alice.token, body });
    assert.deepEqual((await rename({ display_name: 'Pocket' })).json, {});
    assert.equal((await rename({})).status, 200);
    assert.equal((await server.call('GET', path, { token: alice.token })).json.display_name, 'Pocket');
    assert.equal((await rename({ display_name: 'x'.repeat(300) })).json.errcode, 'M_TOO_LARGE');
    assert.equal((await rename({ display_name: 1 })).json.errcode, 'M_BAD_JSON');
  });

  it('of others, and those that do not exist, are not found', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const bob = await server.user('bob');
    for (const id of [bob.deviceId, 'NONE']) {
      for (const method of ['GET', 'PUT']) {
        const body = method === 'PUT' ? { display_name: 'x' } : undefined;
        const answer = await server.call(method, `${v3}/devices/${id}`, { token: alice.token, body });
        assert.deepEqual([answer.status, answer.json.errcode], [404, 'M_NOT_FOUND']);
      }
    }
  });

  it('are deleted with their sessions once the password is shown', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const other = await server.session('alice');
    const path = `${v3}/devices/${other.deviceId}`;
    const asked = await server.call('DELETE', path, { token: alice.token });
    assert.equal(asked.status, 401);
    const body = { auth: passwordAuth(alice, asked.json.session) };
    assert.equal((await server.call('DELETE', path, { token: alice.token, body })).status, 200);
    assert.equal(await isIn(server, other), false);
    assert.equal(await isIn(server, alice), true);
    const again = { auth: passwordAuth(alice) };
    assert.equal((await server.call('DELETE', path, { token: alice.token, body: again })).status, 200, 'gone already');
  });

  it('are deleted together, but only own ones', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const bob = await server.user('bob');
    const others = [await server.session('alice'), await server.session('alice')];
    const devices = [...others.map(({ deviceId }) => deviceId), bob.deviceId, 'NONE'];
    const body = { devices, auth: passwordAuth(alice) };
    assert.equal((await server.call('POST', `${v3}/delete_devices`, { token: alice.token, body })).status, 200);
    assert.deepEqual(await Promise.all([...others, alice, bob].map((user) => isIn(server, user))), [
      false,
      false,
      true,
      true,
    ]);
    for (const [wrong, errcode] of [
      [{}, 'M_MISSING_PARAM'],
      [{ devices: 'A' }, 'M_BAD_JSON'],
      [{ devices: [1] }, 'M_BAD_JSON'],
    ] as const) {
      const answer = await server.call('POST', `${v3}/delete_devices`, { token: alice.token, body: wrong });
      assert.equal(answer.json.errcode, errcode);
    }
  });
});

describe('discovery', () => {
  it('tells the versions of the specification, to anybody', async () => {
    await using server = new AccountServer();
    const { versions, unstable_features } = (await server.call('GET', '/_matrix/client/versions')).json;
    for (const version of ['r0.6.1', 'v1.1', 'v1.11', 'v1.19']) assert.ok(versions.includes(version));
    // What each of them promises has a test where the feature has its own.
    for (const [feature, isThere] of Object.entries(unstable_features)) assert.equal(isThere, true, feature);
  });

  it('tells what the user may do', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const { capabilities } = (await server.call('GET', `${v3}/capabilities`, { token: alice.token })).json;
    assert.equal(capabilities['m.room_versions'].default, '12');
    assert.equal(Object.keys(capabilities['m.room_versions'].available).length, 12);
    assert.deepEqual(capabilities['m.3pid_changes'], { enabled: false });
    const delays = { max_delay_ms: 86_400_000, max_scheduled: 100 };
    assert.deepEqual(capabilities['org.matrix.msc4140.delayed_events'], delays);
    assert.equal((await server.call('GET', `${v3}/capabilities`)).json.errcode, 'M_MISSING_TOKEN');
  });
});

describe('every endpoint that needs a token', () => {
  it('says 401 M_MISSING_TOKEN without one and M_UNKNOWN_TOKEN for one that nobody holds', async () => {
    await using server = new AccountServer();
    for (const [method, path] of [
      ['GET', '/account/whoami'],
      ['GET', '/account/3pid'],
      ['GET', '/devices'],
      ['GET', '/devices/X'],
      ['PUT', '/devices/X'],
      ['DELETE', '/devices/X'],
      ['POST', '/delete_devices'],
      ['POST', '/logout'],
      ['POST', '/logout/all'],
      ['GET', '/capabilities'],
      ['PUT', '/profile/@a:localhost/displayname'],
      ['DELETE', '/profile/@a:localhost/displayname'],
      ['GET', '/user/@a:localhost/account_data/x'],
      ['PUT', '/user/@a:localhost/account_data/x'],
      ['GET', '/user/@a:localhost/rooms/!a:b/account_data/x'],
      ['PUT', '/user/@a:localhost/rooms/!a:b/account_data/x'],
      ['GET', '/user/@a:localhost/rooms/!a:b/tags'],
      ['PUT', '/user/@a:localhost/rooms/!a:b/tags/x'],
      ['DELETE', '/user/@a:localhost/rooms/!a:b/tags/x'],
      ['POST', '/user/@a:localhost/filter'],
      ['GET', '/user/@a:localhost/filter/0'],
    ] as const) {
      const without = await server.call(method, `${v3}${path}`);
      assert.deepEqual([without.status, without.json.errcode], [401, 'M_MISSING_TOKEN'], path);
      const unknown = await server.call(method, `${v3}${path}`, { token: 'hat_unknown' });
      assert.deepEqual([unknown.status, unknown.json.errcode], [401, 'M_UNKNOWN_TOKEN'], path);
    }
  });
});
