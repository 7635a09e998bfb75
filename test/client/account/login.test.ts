import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { UserId } from '../../../src/protocol/ids/types.ts';
import type { AccountRow } from '../../../src/store/users/accounts.ts';
import { AccountServer, passwordAuth } from '../../support/servers/account-server.ts';

const login = '/_matrix/client/v3/login';
const whoami = '/_matrix/client/v3/account/whoami';
const byPassword = (user: string, password: string) => ({
  type: 'm.login.password',
  identifier: { type: 'm.id.user', user },
  password,
});

describe('GET /login', () => {
  it('lists what POST /login takes', async () => {
    await using server = new AccountServer();
    const answer = await server.call('GET', login);
    assert.deepEqual(answer.json.flows, [
      { type: 'm.login.password' },
      { type: 'm.login.token', get_login_token: true },
    ]);
  });
});

describe('GET /_matrix/static/client/login/', () => {
  it('is a page that logs in and tells the app around it', async () => {
    await using server = new AccountServer();
    for (const path of ['/_matrix/static/client/login/?device_id=TV', '/_matrix/static/client/login']) {
      const answer = await server.call('GET', path);
      assert.equal(answer.status, 200);
      assert.match(answer.headers['content-type'] as string, /^text\/html/);
      assert.match(answer.text, /window\.matrixLogin\.onLogin\(result\)/);
    }
  });
});

describe('POST /login with a password', () => {
  const forms: [what: string, body: object][] = [
    ['a user ID', { identifier: { type: 'm.id.user', user: '@alice:localhost' } }],
    ['a localpart', { identifier: { type: 'm.id.user', user: 'alice' } }],
    ['a localpart with capitals', { identifier: { type: 'm.id.user', user: 'Alice' } }],
    ['a user ID with capitals', { identifier: { type: 'm.id.user', user: '@ALICE:localhost' } }],
    ['the old form', { user: 'alice' }],
    ['the old form with a user ID', { user: '@alice:localhost' }],
  ];
  for (const [what, form] of forms) {
    it(`knows the user by ${what}`, async () => {
      await using server = new AccountServer();
      const alice = await server.user('alice');
      const body = { type: 'm.login.password', ...form, password: alice.password };
      const answer = await server.call('POST', login, { body });
      assert.equal(answer.status, 200);
      assert.equal(answer.json.user_id, '@alice:localhost');
      assert.match(answer.json.access_token, /^hat_/);
      assert.equal((await server.call('GET', whoami, { token: answer.json.access_token })).status, 200);
    });
  }

  const refused: [what: string, body: object, status: number, errcode: string][] = [
    ['a wrong password', byPassword('alice', 'wrong password'), 403, 'M_FORBIDDEN'],
    ['an endless password', byPassword('alice', 'x'.repeat(10_000)), 403, 'M_FORBIDDEN'],
    ['an unknown user', byPassword('nobody', 'password of alice'), 403, 'M_FORBIDDEN'],
    ['a user of another server', byPassword('@alice:elsewhere.org', 'password of alice'), 403, 'M_FORBIDDEN'],
    ['no user ID at all', byPassword('@:localhost', 'x'), 403, 'M_FORBIDDEN'],
    [
      'a mail address',
      { identifier: { type: 'm.id.thirdparty', medium: 'email', address: 'a@b' } },
      403,
      'M_FORBIDDEN',
    ],
    ['a mail address without a type', { identifier: { medium: 'email', address: 'a@b' } }, 403, 'M_FORBIDDEN'],
    ['a mail address in the old form', { medium: 'email', address: 'a@b' }, 403, 'M_FORBIDDEN'],
    ['a phone number', { identifier: { type: 'm.id.phone', country: 'GB', phone: '1' } }, 403, 'M_FORBIDDEN'],
    ['nobody', {}, 400, 'M_MISSING_PARAM'],
    ['no password', { identifier: { type: 'm.id.user', user: 'alice' }, password: undefined }, 400, 'M_MISSING_PARAM'],
    ['a password that is no text', byPassword('alice', 1 as never), 400, 'M_BAD_JSON'],
    ['an identifier that is no object', { identifier: 'alice' }, 400, 'M_BAD_JSON'],
    ['an unknown type', { type: 'm.login.magic' }, 400, 'M_UNKNOWN'],
    ['no type', { type: undefined }, 400, 'M_MISSING_PARAM'],
    ['an empty device ID', { ...byPassword('alice', 'password of alice'), device_id: '' }, 400, 'M_INVALID_PARAM'],
  ];
  for (const [what, body, status, errcode] of refused) {
    it(`refuses ${what}`, async () => {
      await using server = new AccountServer();
      await server.user('alice');
      const answer = await server.call('POST', login, { body: { type: 'm.login.password', password: 'x', ...body } });
      assert.equal(answer.status, status);
      assert.equal(answer.json.errcode, errcode);
      assert.equal(answer.json.access_token, undefined);
    });
  }

  it('refuses a deactivated account and a locked one', async () => {
    await using server = new AccountServer();
    const gone = await server.user('gone');
    const locked = await server.user('locked');
    await server.services.accountAdministration.deactivate(gone.userId as never, false);
    await server.services.accounts.setLocked(locked.userId as never, true);
    const first = await server.call('POST', login, { body: byPassword('gone', gone.password) });
    assert.deepEqual([first.status, first.json.errcode], [403, 'M_USER_DEACTIVATED']);
    const second = await server.call('POST', login, { body: byPassword('locked', locked.password) });
    assert.deepEqual([second.status, second.json.errcode, second.json.soft_logout], [401, 'M_USER_LOCKED', true]);
  });

  it('refuses a password that is changed while it is looked at, and an account that is locked meanwhile', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const { accounts } = server.services;
    const userId = alice.userId as UserId;
    // The one that is asked for first is hashed first.
    const change = accounts.setPassword(userId, 'another password', true);
    const late = await server.call('POST', login, { body: byPassword('alice', alice.password) });
    await change;
    assert.deepEqual([late.status, late.json.errcode], [403, 'M_FORBIDDEN']);
    assert.deepEqual(server.services.devices.list(accounts.row(userId)?.user as never), []);
    const again = accounts.setPassword(userId, 'the same password', true);
    const early = await server.call('POST', login, { body: byPassword('alice', 'the same password') });
    await again;
    assert.equal(early.status, 403, 'it was not the password when it was asked');
    const begun = server.call('POST', login, { body: byPassword('alice', 'the same password') });
    await accounts.setLocked(userId, true);
    assert.equal((await begun).json.errcode, 'M_USER_LOCKED');
  });

  it('makes a device with the given name, or takes the old tokens of one that exists and keeps its name', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const body = {
      ...byPassword('alice', alice.password),
      device_id: 'PHONE',
      initial_device_display_name: 'first',
    };
    const first = await server.call('POST', login, { body });
    assert.equal(first.json.device_id, 'PHONE');
    assert.equal((await server.call('GET', whoami, { token: first.json.access_token })).status, 200);
    const second = await server.call('POST', login, { body: { ...body, initial_device_display_name: 'second' } });
    const old = await server.call('GET', whoami, { token: first.json.access_token });
    assert.deepEqual([old.status, old.json.errcode, old.json.soft_logout], [401, 'M_UNKNOWN_TOKEN', false]);
    const device = await server.call('GET', '/_matrix/client/v3/devices/PHONE', { token: second.json.access_token });
    assert.equal(device.json.display_name, 'first');
  });

  it('takes null for what a client has not', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const nothing = { device_id: null, initial_device_display_name: null, refresh_token: null };
    const body = { ...byPassword('alice', alice.password), ...nothing };
    assert.equal((await server.call('POST', login, { body })).status, 200);
  });

  it('tells where the server is, if it knows', async () => {
    await using server = new AccountServer({ publicUrl: 'https://matrix.example.org' });
    const alice = await server.user('alice');
    const answer = await server.call('POST', login, { body: byPassword('alice', alice.password) });
    assert.deepEqual(answer.json.well_known, { 'm.homeserver': { base_url: 'https://matrix.example.org' } });
  });

  it('makes whoever guesses wait, longer with each wrong one, and forgives', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const attempt = (password: string, ip = '198.51.100.7') =>
      server.call('POST', login, { body: byPassword('alice', password), ip });
    for (let i = 0; i < 5; i++) assert.equal((await attempt('wrong password')).status, 403);
    const early = await attempt(alice.password);
    assert.deepEqual([early.status, early.json.errcode], [429, 'M_LIMIT_EXCEEDED']);
    assert.ok(early.json.retry_after_ms > 0);
    assert.equal(early.headers['retry-after'], String(Math.ceil(early.json.retry_after_ms / 1000)));
    assert.equal((await attempt(alice.password, '198.51.100.8')).status, 200, 'another address');
    server.store.clock.advance(early.json.retry_after_ms);
    assert.equal((await attempt('wrong password')).status, 403);
    const later = await attempt('wrong password');
    assert.ok(later.json.retry_after_ms > early.json.retry_after_ms);
    server.store.clock.advance(later.json.retry_after_ms);
    assert.equal((await attempt(alice.password)).status, 200);
    assert.equal((await attempt('wrong password')).status, 403, 'all is forgiven');
  });
});

describe('POST /login with a token', () => {
  const path = '/_matrix/client/v1/login/get_token';
  const byToken = (token: unknown) => ({ type: 'm.login.token', token });

  async function tokenOf(server: AccountServer, user: Awaited<ReturnType<AccountServer['user']>>): Promise<string> {
    const answer = await server.call('POST', path, { token: user.token, body: { auth: passwordAuth(user) } });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.expires_in_ms, 120_000);
    return answer.json.login_token;
  }

  it('asks for the password each time before a token is given', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const { status, json } = await server.call('POST', path, { token: alice.token });
    assert.equal(status, 401);
    assert.deepEqual(json.flows, [{ stages: ['m.login.password'] }]);
    const auth = passwordAuth(alice, json.session);
    assert.equal((await server.call('POST', path, { token: alice.token, body: { auth } })).status, 200);
    const again = await server.call('POST', path, { token: alice.token, body: { auth: { session: json.session } } });
    assert.equal(again.status, 401);
    assert.equal((await server.call('POST', path, {})).json.errcode, 'M_MISSING_TOKEN');
  });

  it('opens a session, once', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const token = await tokenOf(server, alice);
    const body = { ...byToken(token), device_id: 'TV' };
    const answer = await server.call('POST', login, { body });
    assert.deepEqual([answer.json.user_id, answer.json.device_id], [alice.userId, 'TV']);
    const again = await server.call('POST', login, { body });
    assert.deepEqual([again.status, again.json.errcode], [403, 'M_FORBIDDEN']);
  });

  it('refuses a token from before all sessions were ended', async () => {
    await using server = new AccountServer();
    const { accounts, logouts } = server.services;
    const ends: readonly ((user: AccountRow) => Promise<void>)[] = [
      ({ user }) => logouts.logoutAll(user),
      ({ user }) => accounts.changePassword(user, 'another password', { logOut: true }),
    ];
    for (const [i, end] of ends.entries()) {
      const user = await server.user(`alice${i}`);
      const other = await server.user(`bob${i}`);
      const [token, others] = [await tokenOf(server, user), await tokenOf(server, other)];
      await end(accounts.row(user.userId as UserId) as AccountRow);
      const answer = await server.call('POST', login, { body: byToken(token) });
      assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_FORBIDDEN']);
      assert.equal((await server.call('POST', login, { body: byToken(others) })).status, 200);
    }
  });

  it('refuses a token that is unknown, over, missing, or of a deactivated or locked user', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const bob = await server.user('bob');
    const carol = await server.user('carol');
    const tokens = [await tokenOf(server, bob), await tokenOf(server, carol)];
    await server.services.accountAdministration.deactivate(bob.userId as never, false);
    await server.services.accounts.setLocked(carol.userId as never, true);
    const over = await tokenOf(server, alice);
    // With an account that is closed its tokens are gone.
    const expected = ['M_FORBIDDEN', 'M_USER_LOCKED'];
    for (const [i, token] of tokens.entries()) {
      assert.equal((await server.call('POST', login, { body: byToken(token) })).json.errcode, expected[i]);
    }
    server.store.clock.advance(120_000);
    assert.equal((await server.call('POST', login, { body: byToken(over) })).json.errcode, 'M_FORBIDDEN');
    assert.equal((await server.call('POST', login, { body: byToken('x') })).json.errcode, 'M_FORBIDDEN');
    assert.equal((await server.call('POST', login, { body: byToken(undefined) })).json.errcode, 'M_MISSING_PARAM');
  });
});

describe('an access token', () => {
  it('is not in the database as it is', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice', { refreshable: true });
    const dump = server.store.db
      .prepare<[], { t: string }>('SELECT group_concat(hex(hash)) AS t FROM access_token')
      .get()?.t;
    assert.ok(dump && !dump.includes(Buffer.from(alice.token).toString('hex').toUpperCase()));
  });

  it('is refused while the account is locked, with soft_logout, but for logging out', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    assert.equal((await server.call('GET', whoami, { token: alice.token })).status, 200);
    await server.services.accounts.setLocked(alice.userId as never, true);
    const answer = await server.call('GET', whoami, { token: alice.token });
    assert.deepEqual([answer.status, answer.json.errcode, answer.json.soft_logout], [401, 'M_USER_LOCKED', true]);
    await server.services.accounts.setLocked(alice.userId as never, false);
    assert.equal((await server.call('GET', whoami, { token: alice.token })).status, 200);
    await server.services.accounts.setLocked(alice.userId as never, true);
    assert.equal((await server.call('POST', '/_matrix/client/v3/logout', { token: alice.token })).status, 200);
  });

  it('tells when the device was last seen, to a few minutes', async () => {
    await using server = new AccountServer();
    const alice = await server.user('alice');
    const seen = async () => {
      const answer = await server.call('GET', `/_matrix/client/v3/devices/${alice.deviceId}`, {
        token: alice.token,
        ip: '198.51.100.7',
      });
      return [answer.json.last_seen_ts, answer.json.last_seen_ip];
    };
    const start = server.store.clock.now();
    assert.deepEqual(await seen(), [start, '192.0.2.1']);
    server.store.clock.advance(60_000);
    assert.deepEqual(await seen(), [start, '192.0.2.1']);
    server.store.clock.advance(300_000);
    assert.deepEqual(await seen(), [start + 360_000, '198.51.100.7']);
  });
});

describe('POST /refresh', () => {
  const refresh = '/_matrix/client/v3/refresh';

  async function start(server: AccountServer) {
    const alice = await server.user('alice');
    const body = { ...byPassword('alice', alice.password), refresh_token: true };
    return (await server.call('POST', login, { body })).json;
  }
  const trade = (server: AccountServer, token: unknown) =>
    server.call('POST', refresh, { body: { refresh_token: token } });
  const use = async (server: AccountServer, token: string) => (await server.call('GET', whoami, { token })).status;

  it('gives new tokens for the same device when the old have expired with a soft logout', async () => {
    await using server = new AccountServer();
    const first = await start(server);
    assert.equal(first.expires_in_ms, 3_600_000);
    assert.equal(await use(server, first.access_token), 200);
    server.store.clock.advance(3_600_000);
    const expired = await server.call('GET', whoami, { token: first.access_token });
    assert.deepEqual([expired.status, expired.json.errcode], [401, 'M_UNKNOWN_TOKEN']);
    assert.equal(expired.json.soft_logout, true);
    const second = await trade(server, first.refresh_token);
    assert.equal(second.status, 200);
    assert.equal(second.json.expires_in_ms, 3_600_000);
    const me = await server.call('GET', whoami, { token: second.json.access_token });
    assert.equal(me.json.device_id, first.device_id);
  });

  it('keeps the tokens of two generations at most, however often they are traded', async () => {
    await using server = new AccountServer();
    let tokens = await start(server);
    const count = (table: string) =>
      server.store.db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get() as number;
    for (let i = 0; i < 12; i++) {
      const { refresh_token: old } = tokens;
      // Some answers get lost, some tokens are never used, and the old ones expire in between.
      for (let again = 0; again <= i % 3; again++) tokens = (await trade(server, old)).json;
      if (i % 2 === 0) assert.equal(await use(server, tokens.access_token), 200);
      if (i % 4 === 0) server.store.clock.advance(3_600_000);
      assert.ok(count('refresh_token') <= 2, `${count('refresh_token')} refresh tokens`);
      assert.ok(count('access_token') <= 3, `${count('access_token')} access tokens`);
    }
  });

  it('keeps the old refresh token good until the new access token is used', async () => {
    await using server = new AccountServer();
    const first = await start(server);
    const lost = (await trade(server, first.refresh_token)).json;
    const second = (await trade(server, first.refresh_token)).json;
    assert.notEqual(lost.access_token, second.access_token);
    assert.equal(await use(server, lost.access_token), 401, 'what was lost is replaced');
    assert.equal((await trade(server, lost.refresh_token)).status, 401);
    assert.equal(await use(server, first.access_token), 200, 'the old access token may still be used');
    assert.equal(await use(server, second.access_token), 200);
    const revoked = await trade(server, first.refresh_token);
    assert.deepEqual([revoked.status, revoked.json.errcode], [401, 'M_UNKNOWN_TOKEN']);
    assert.equal(await use(server, first.access_token), 401);
    assert.equal(await use(server, second.access_token), 200);
  });

  it('keeps the old refresh token good until the new one is used', async () => {
    await using server = new AccountServer();
    const first = await start(server);
    const second = (await trade(server, first.refresh_token)).json;
    const third = (await trade(server, second.refresh_token)).json;
    assert.equal((await trade(server, first.refresh_token)).status, 401);
    assert.equal(await use(server, third.access_token), 200);
  });

  it('ends with the session', async () => {
    await using server = new AccountServer();
    const first = await start(server);
    await server.call('POST', '/_matrix/client/v3/logout', { token: first.access_token });
    assert.equal((await trade(server, first.refresh_token)).status, 401);
  });

  it('is refused to a locked account', async () => {
    await using server = new AccountServer();
    const first = await start(server);
    await server.services.accounts.setLocked(first.user_id, true);
    assert.equal((await trade(server, first.refresh_token)).json.errcode, 'M_USER_LOCKED');
  });

  for (const [token, status, errcode] of [
    ['hrt_unknown', 401, 'M_UNKNOWN_TOKEN'],
    [undefined, 400, 'M_MISSING_PARAM'],
    [7, 400, 'M_BAD_JSON'],
  ] as const) {
    it(`says ${status} ${errcode} for ${token}`, async () => {
      await using server = new AccountServer();
      const answer = await trade(server, token);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }
});

describe('POST /logout', () => {
  it('ends this session and its device, and no other', async () => {
    await using server = new AccountServer();
    const phone = await server.user('alice');
    const laptop = await server.session('alice');
    const answer = await server.call('POST', '/_matrix/client/v3/logout', { token: phone.token });
    assert.deepEqual([answer.status, answer.json], [200, {}]);
    const gone = await server.call('GET', whoami, { token: phone.token });
    assert.deepEqual([gone.status, gone.json.soft_logout], [401, false]);
    const { devices } = (await server.call('GET', '/_matrix/client/v3/devices', { token: laptop.token })).json;
    assert.deepEqual(
      devices.map((device: { device_id: string }) => device.device_id),
      [laptop.deviceId],
    );
  });

  it('with /all ends every session of the user', async () => {
    await using server = new AccountServer();
    const phone = await server.user('alice');
    const laptop = await server.session('alice');
    const bob = await server.user('bob');
    for (const { token } of [phone, laptop, bob]) await server.call('GET', whoami, { token });
    assert.equal((await server.call('POST', '/_matrix/client/v3/logout/all', { token: phone.token })).status, 200);
    for (const { token } of [phone, laptop]) assert.equal((await server.call('GET', whoami, { token })).status, 401);
    assert.equal((await server.call('GET', whoami, { token: bob.token })).status, 200);
  });
});
