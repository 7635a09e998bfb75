import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { AccountServer } from '../../support/servers/account-server.ts';

const register = '/_matrix/client/v3/register';
const dummy = { type: 'm.login.dummy' };

describe('POST /register', () => {
  it('asks for authentication first, whatever the body', async () => {
    await using server = new AccountServer();
    const answer = await server.call('POST', register, { body: {} });
    assert.equal(answer.status, 401);
    assert.deepEqual(answer.json.flows, [{ stages: ['m.login.dummy'] }]);
    assert.deepEqual(answer.json.params, {});
    assert.equal(typeof answer.json.session, 'string');
    assert.equal(answer.json.errcode, undefined);
  });

  it('makes an account and a session', async () => {
    await using server = new AccountServer();
    const body = { username: 'alice', password: 'correct horse', device_id: 'PHONE', initial_device_display_name: 'P' };
    const { session } = (await server.call('POST', register, { body })).json;
    const answer = await server.call('POST', register, { body: { ...body, auth: { ...dummy, session } } });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.user_id, '@alice:localhost');
    assert.equal(answer.json.device_id, 'PHONE');
    assert.equal(answer.json.home_server, 'localhost');
    assert.equal(answer.json.refresh_token, undefined);
    const whoami = await server.call('GET', '/_matrix/client/v3/account/whoami', { token: answer.json.access_token });
    assert.deepEqual(whoami.json, { user_id: '@alice:localhost', device_id: 'PHONE', is_guest: false });
    const devices = await server.call('GET', '/_matrix/client/v3/devices', { token: answer.json.access_token });
    assert.equal(devices.json.devices[0].display_name, 'P');
  });

  it('can be done in one request', async () => {
    await using server = new AccountServer();
    const body = { username: 'alice', password: 'correct horse', auth: dummy };
    assert.equal((await server.call('POST', register, { body })).status, 200);
  });

  it('makes up a user name and a device ID if none is given', async () => {
    await using server = new AccountServer();
    const answer = await server.call('POST', register, { body: { password: 'correct horse', auth: dummy } });
    assert.match(answer.json.user_id, /^@[a-z]{12}:localhost$/);
    assert.match(answer.json.device_id, /^[A-Z]{10}$/);
  });

  it('gives no session with inhibit_login', async () => {
    await using server = new AccountServer();
    const body = { username: 'alice', password: 'correct horse', inhibit_login: true, auth: dummy };
    const answer = await server.call('POST', register, { body });
    assert.deepEqual(answer.json, { user_id: '@alice:localhost', home_server: 'localhost' });
  });

  it('gives a refresh token to clients that know them', async () => {
    await using server = new AccountServer();
    const body = { username: 'alice', password: 'correct horse', refresh_token: true, auth: dummy };
    const answer = await server.call('POST', register, { body });
    assert.match(answer.json.refresh_token, /^hrt_/);
    assert.equal(answer.json.expires_in_ms, 3_600_000);
  });

  it('makes capitals small letters', async () => {
    await using server = new AccountServer();
    const body = { username: 'Alice', password: 'correct horse', auth: dummy };
    assert.equal((await server.call('POST', register, { body })).json.user_id, '@alice:localhost');
  });

  const refused: [what: string, body: object, errcode: string, status?: number][] = [
    ['a name that is taken', { username: 'taken' }, 'M_USER_IN_USE'],
    ['a name that is taken but for capitals', { username: 'TAKEN' }, 'M_USER_IN_USE'],
    ['the name of a deactivated account', { username: 'gone' }, 'M_USER_IN_USE'],
    ['an empty name', { username: '' }, 'M_INVALID_USERNAME'],
    ['a name with a space', { username: 'a b' }, 'M_INVALID_USERNAME'],
    ['a name with a colon', { username: 'a:b' }, 'M_INVALID_USERNAME'],
    ['a name with !', { username: 'a!b' }, 'M_INVALID_USERNAME'],
    ['a name that is not ASCII', { username: 'älice' }, 'M_INVALID_USERNAME'],
    ['a name over 255 bytes', { username: 'a'.repeat(250) }, 'M_INVALID_USERNAME'],
    ['a weak password', { username: 'alice', password: 'short' }, 'M_WEAK_PASSWORD'],
    ['an endless password', { username: 'alice', password: 'x'.repeat(513) }, 'M_INVALID_PARAM'],
    ['an empty device ID', { username: 'alice', device_id: '' }, 'M_INVALID_PARAM'],
    ['a name that is no text', { username: 7 }, 'M_BAD_JSON'],
    ['a password that is no text', { password: {} }, 'M_BAD_JSON'],
    ['an endless device name', { initial_device_display_name: 'x'.repeat(300) }, 'M_TOO_LARGE', 413],
  ];
  for (const [what, body, errcode, status = 400] of refused) {
    it(`refuses ${what} before authentication`, async () => {
      await using server = new AccountServer();
      await server.user('taken');
      const gone = await server.user('gone');
      await server.services.accountAdministration.deactivate(gone.userId as never, false);
      const answer = await server.call('POST', register, { body });
      assert.equal(answer.status, status);
      assert.equal(answer.json.errcode, errcode);
    });
  }

  it('needs a password in the end', async () => {
    await using server = new AccountServer();
    const answer = await server.call('POST', register, { body: { username: 'alice', auth: dummy } });
    assert.equal(answer.status, 400);
    assert.equal(answer.json.errcode, 'M_MISSING_PARAM');
  });

  it('lets one of two have the name that both wanted at once', async () => {
    await using server = new AccountServer();
    const body = { username: 'alice', password: 'correct horse', auth: dummy };
    const answers = await Promise.all([1, 2].map(() => server.call('POST', register, { body })));
    assert.deepEqual(
      answers.map(({ status }) => status).sort((a, b) => a - b),
      [200, 400],
    );
    assert.equal(answers.find(({ status }) => status === 400)?.json.errcode, 'M_USER_IN_USE');
  });

  it('may take another name in the same session when the first was taken meanwhile', async () => {
    await using server = new AccountServer();
    const body = { username: 'alice', password: 'correct horse' };
    const { session } = (await server.call('POST', register, { body })).json;
    await server.user('alice');
    const auth = { ...dummy, session };
    assert.equal((await server.call('POST', register, { body: { ...body, auth } })).json.errcode, 'M_USER_IN_USE');
    const second = await server.call('POST', register, { body: { ...body, username: 'alicia', auth } });
    assert.equal(second.json.user_id, '@alicia:localhost');
  });

  it('is forbidden where registration is closed, and to guests', async () => {
    await using closed = new AccountServer({ mode: 'closed' });
    await using open = new AccountServer();
    for (const [server, path] of [
      [closed, register],
      [open, `${register}?kind=guest`],
    ] as const) {
      const answer = await server.call('POST', path, { body: { username: 'alice', password: 'correct horse' } });
      assert.equal(answer.status, 403);
      assert.equal(answer.json.errcode, 'M_FORBIDDEN');
    }
    const odd = await open.call('POST', `${register}?kind=robot`, { body: {} });
    assert.equal(odd.json.errcode, 'M_INVALID_PARAM');
  });
});

describe('registration with a token', () => {
  const body = { username: 'alice', password: 'correct horse' };
  const withToken = (token: string, session?: string) => ({ type: 'm.login.registration_token', token, session });
  const create = (server: AccountServer, more: { uses?: number; lifetime?: number } = {}) => {
    const { uses, lifetime } = more;
    const made = server.services.registrationTokens.create({ token: 'welcome', uses, lifetime: lifetime as never });
    assert.notEqual(made, 'taken');
  };

  it('is the flow that is offered', async () => {
    await using server = new AccountServer({ mode: 'token' });
    const answer = await server.call('POST', register, { body });
    assert.deepEqual(answer.json.flows, [{ stages: ['m.login.registration_token'] }]);
    const other = await server.call('POST', register, { body: { ...body, auth: dummy } });
    assert.equal(other.status, 401);
    assert.equal(other.json.errcode, 'M_UNAUTHORIZED');
  });

  it('makes an account with a token that is good, and counts it', async () => {
    await using server = new AccountServer({ mode: 'token' });
    create(server, { uses: 1 });
    const { session } = (await server.call('POST', register, { body })).json;
    const answer = await server.call('POST', register, { body: { ...body, auth: withToken('welcome', session) } });
    assert.equal(answer.status, 200);
    assert.equal(server.services.registrationTokens.list(undefined, 10)[0]?.used, 1);
    const again = { username: 'bob', password: 'correct horse', auth: withToken('welcome') };
    const second = await server.call('POST', register, { body: again });
    assert.equal(second.status, 401);
    assert.equal(second.json.errcode, 'M_FORBIDDEN');
    assert.equal(typeof second.json.session, 'string');
  });

  it('sets a use aside while a registration is under way, and gives it back when that comes to nothing', async () => {
    await using server = new AccountServer({ mode: 'token' });
    create(server, { uses: 1 });
    const { session } = (await server.call('POST', register, { body: {} })).json;
    const shown = await server.call('POST', register, { body: { auth: withToken('welcome', session) } });
    assert.equal(shown.json.errcode, 'M_MISSING_PARAM');
    assert.equal(server.services.registrationTokens.isValid('welcome'), false);
    server.store.clock.advance(3_600_000);
    await server.call('POST', register, { body: {} });
    assert.equal(server.services.registrationTokens.isValid('welcome'), true);
  });

  it('completes a session by its session key alone once the stage is done', async () => {
    await using server = new AccountServer({ mode: 'token' });
    create(server);
    const { session } = (await server.call('POST', register, { body: {} })).json;
    await server.call('POST', register, { body: { auth: withToken('welcome', session) } });
    const answer = await server.call('POST', register, { body: { ...body, auth: { session } } });
    assert.equal(answer.status, 200);
  });

  const wrong: [what: string, token: unknown, errcode: string, status: number][] = [
    ['is unknown', 'nonsense', 'M_FORBIDDEN', 401],
    ['is missing', undefined, 'M_MISSING_PARAM', 400],
    ['is over', 'welcome', 'M_FORBIDDEN', 401],
  ];
  for (const [what, token, errcode, status] of wrong) {
    it(`refuses a token that ${what}`, async () => {
      await using server = new AccountServer({ mode: 'token' });
      create(server, { lifetime: 1000 });
      server.store.clock.advance(1000);
      const auth = { type: 'm.login.registration_token', token };
      const answer = await server.call('POST', register, { body: { ...body, auth } });
      assert.equal(answer.status, status);
      assert.equal(answer.json.errcode, errcode);
    });
  }

  it('tells the validity of a token', async () => {
    await using server = new AccountServer({ mode: 'token' });
    create(server);
    const path = '/_matrix/client/v1/register/m.login.registration_token/validity';
    assert.deepEqual((await server.call('GET', `${path}?token=welcome`)).json, { valid: true });
    assert.deepEqual((await server.call('GET', `${path}?token=nonsense`)).json, { valid: false });
    assert.equal((await server.call('GET', path)).json.errcode, 'M_MISSING_PARAM');
    server.services.registrationTokens.revoke('welcome');
    assert.deepEqual((await server.call('GET', `${path}?token=welcome`)).json, { valid: false });
    await using closed = new AccountServer({ mode: 'closed' });
    const answer = await closed.call('GET', `${path}?token=welcome`);
    assert.equal(answer.status, 403);
    assert.equal(answer.json.errcode, 'M_FORBIDDEN');
  });

  it('slows down whoever guesses tokens', async () => {
    await using server = new AccountServer({ mode: 'token' });
    const path = '/_matrix/client/v1/register/m.login.registration_token/validity';
    for (let i = 0; i < 5; i++) assert.equal((await server.call('GET', `${path}?token=${i}`)).status, 200);
    const answer = await server.call('GET', `${path}?token=6`);
    assert.equal(answer.status, 429);
    assert.equal(answer.json.errcode, 'M_LIMIT_EXCEEDED');
  });
});

describe('GET /register/available', () => {
  it('says yes for a name that could be registered', async () => {
    await using server = new AccountServer();
    const answer = await server.call('GET', `${register}/available?username=alice`);
    assert.deepEqual(answer.json, { available: true });
  });

  for (const [name, errcode] of [
    ['taken', 'M_USER_IN_USE'],
    ['a,b', 'M_INVALID_USERNAME'],
    ['', 'M_INVALID_USERNAME'],
    [undefined, 'M_MISSING_PARAM'],
  ] as const) {
    it(`says 400 ${errcode} for ${name ?? 'nothing'}`, async () => {
      await using server = new AccountServer();
      await server.user('taken');
      const query = name === undefined ? '' : `?username=${encodeURIComponent(name)}`;
      const answer = await server.call('GET', `${register}/available${query}`);
      assert.equal(answer.status, 400);
      assert.equal(answer.json.errcode, errcode);
    });
  }
});

describe('POST /_synapse/admin/v1/register', () => {
  const path = '/_synapse/admin/v1/register';
  const secret = 'the shared secret';
  const mac = (nonce: string, user: string, password: string, admin: boolean, type?: string) => {
    const parts = [nonce, user, password, admin ? 'admin' : 'notadmin', ...(type === undefined ? [] : [type])];
    return createHmac('sha1', secret).update(parts.join('\0')).digest('hex');
  };
  const nonceOf = async (server: AccountServer) => (await server.call('GET', path)).json.nonce as string;

  it('makes an account for whoever knows the secret, also where registration is closed', async () => {
    await using server = new AccountServer({ mode: 'closed', sharedSecret: secret });
    const nonce = await nonceOf(server);
    const body = { nonce, username: 'root', password: 'pw', admin: true, displayname: 'Root' };
    const answer = await server.call('POST', path, { body: { ...body, mac: mac(nonce, 'root', 'pw', true) } });
    assert.equal(answer.status, 200);
    assert.equal(answer.json.user_id, '@root:localhost');
    assert.equal(server.services.tokens.authenticate(answer.json.access_token, anyUse).admin, true);
    assert.deepEqual(server.services.profiles.get('@root:localhost' as never), { displayname: 'Root' });
  });

  it('takes the user type into the MAC', async () => {
    await using server = new AccountServer({ sharedSecret: secret });
    const nonce = await nonceOf(server);
    const body = {
      nonce,
      username: 'bot',
      password: 'pw',
      user_type: 'bot',
      mac: mac(nonce, 'bot', 'pw', false, 'bot'),
    };
    assert.equal((await server.call('POST', path, { body })).status, 200);
  });

  it('takes a nonce once only, and for a minute', async () => {
    await using server = new AccountServer({ sharedSecret: secret });
    const nonce = await nonceOf(server);
    const body = { nonce, username: 'a', password: 'pw', mac: mac(nonce, 'a', 'pw', false) };
    assert.equal((await server.call('POST', path, { body })).status, 200);
    const again = { ...body, username: 'b', mac: mac(nonce, 'b', 'pw', false) };
    assert.equal((await server.call('POST', path, { body: again })).json.errcode, 'M_UNKNOWN');
    const late = await nonceOf(server);
    server.store.clock.advance(60_000);
    const tooLate = { ...body, nonce: late, mac: mac(late, 'a', 'pw', false) };
    assert.equal((await server.call('POST', path, { body: tooLate })).json.errcode, 'M_UNKNOWN');
  });

  const wrong: [what: string, change: object, status: number, errcode: string][] = [
    ['a wrong MAC', { mac: '00'.repeat(20) }, 403, 'M_FORBIDDEN'],
    ['a MAC that is none', { mac: 'zz' }, 403, 'M_FORBIDDEN'],
    ['a MAC for somebody else', { username: 'other' }, 403, 'M_FORBIDDEN'],
    ['a MAC for no admin', { admin: true }, 403, 'M_FORBIDDEN'],
    ['an unknown nonce', { nonce: 'x' }, 400, 'M_UNKNOWN'],
    ['no password', { password: undefined }, 400, 'M_MISSING_PARAM'],
  ];
  for (const [what, change, status, errcode] of wrong) {
    it(`refuses ${what}`, async () => {
      await using server = new AccountServer({ sharedSecret: secret });
      const nonce = await nonceOf(server);
      const body = { nonce, username: 'a', password: 'pw', mac: mac(nonce, 'a', 'pw', false), ...change };
      const answer = await server.call('POST', path, { body });
      assert.equal(answer.status, status);
      assert.equal(answer.json.errcode, errcode);
    });
  }

  it('is not there without a configured secret', async () => {
    await using server = new AccountServer();
    assert.equal((await server.call('GET', path)).status, 400);
  });
});

const anyUse = { ip: '192.0.2.1', agent: undefined, evenIfLocked: false };
