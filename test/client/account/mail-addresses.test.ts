import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';
import { SmtpStub } from '../../support/stubs/smtp-stub.ts';

const v3 = '/_matrix/client/v3';
const secret = 'monkeys_are_GREAT';

async function open(mode = 'open') {
  const smtp = await SmtpStub.open();
  const world = await World.open({ smtp: smtp.settings, public_url: 'https://hs.test/', registration: { mode } });
  const post = (path: string, body: unknown, token?: string) =>
    world.call('POST', `${v3}${path}`, { body, ...(token === undefined ? {} : { token }) });
  const ask = (path: string, email: string, more = {}) =>
    post(`${path}/email/requestToken`, { client_secret: secret, email, send_attempt: 1, ...more });
  /** Adds an address to an account, from the mail to the password. */
  async function add(token: string, name: string, email: string): Promise<void> {
    const asked = await ask('/account/3pid', email);
    assert.equal(asked.status, 200, asked.text);
    assert.equal((await world.call('POST', smtp.link)).status, 200);
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: name },
      password: `password of ${name}`,
    };
    const added = await post('/account/3pid/add', { sid: asked.json.sid, client_secret: secret, auth }, token);
    assert.equal(added.status, 200, added.text);
  }
  return {
    smtp,
    world,
    post,
    ask,
    add,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await smtp[Symbol.asyncDispose]();
    },
  };
}

describe('mail addresses of an account', () => {
  it('are added by whoever opens the link in a mail and knows the password', async () => {
    await using s = await open();
    const alice = await s.world.register('alice');
    await s.add(alice, 'alice', 'Alice@Example.org');
    const now = s.world.clock.now();
    const { threepids } = await s.world.ok('GET', `${v3}/account/3pid`, alice);
    assert.deepEqual(threepids, [{ medium: 'email', address: 'alice@example.org', validated_at: now, added_at: now }]);
    assert.equal(s.smtp.mails[0]?.to, 'alice@example.org');
    assert.deepEqual(s.smtp.logins, ['hearth secret']);
    assert.match(s.smtp.mails[0]?.text ?? '', /^From: hearth@localhost$/m);
    const { capabilities } = await s.world.ok('GET', `${v3}/capabilities`, alice);
    assert.equal(capabilities['m.3pid_changes'].enabled, true);
  });

  it('are not added before the link was opened, and by one link once', async () => {
    await using s = await open();
    const alice = await s.world.register('alice');
    const { json } = await s.ask('/account/3pid', 'a@example.org');
    const auth = { type: 'm.login.password', user: 'alice', password: 'password of alice' };
    const body = { sid: json.sid, client_secret: secret, auth };
    const early = await s.post('/account/3pid/add', body, alice);
    assert.deepEqual([early.status, early.json.errcode], [400, 'M_THREEPID_AUTH_FAILED']);
    // A mail program that looks at the link confirms nothing.
    assert.equal((await s.world.call('GET', s.smtp.link)).status, 200);
    assert.equal((await s.post('/account/3pid/add', body, alice)).json.errcode, 'M_THREEPID_AUTH_FAILED');
    await s.world.call('POST', s.smtp.link);
    const other = await s.post('/account/3pid/add', { ...body, client_secret: 'another' }, alice);
    assert.equal(other.json.errcode, 'M_THREEPID_AUTH_FAILED');
    const unconfirmed = await s.post('/account/3pid/add', { ...body, auth: undefined }, alice);
    assert.equal(unconfirmed.status, 401);
    assert.equal((await s.post('/account/3pid/add', body, alice)).status, 200);
    assert.equal((await s.post('/account/3pid/add', body, alice)).json.errcode, 'M_THREEPID_AUTH_FAILED');
    assert.equal((await s.post('/account/3pid/add', {}, alice)).json.errcode, 'M_MISSING_PARAM');
    assert.equal((await s.post('/account/3pid/add', body)).json.errcode, 'M_MISSING_TOKEN');
  });

  it('belong to one account only', async () => {
    await using s = await open();
    await s.add(await s.world.register('alice'), 'alice', 'a@example.org');
    const again = await s.ask('/account/3pid', 'A@example.org');
    assert.deepEqual([again.status, again.json.errcode], [400, 'M_THREEPID_IN_USE']);
    assert.equal((await s.ask('/register', 'a@example.org')).json.errcode, 'M_THREEPID_IN_USE');
    assert.equal((await s.ask('/account/password', 'b@example.org')).json.errcode, 'M_THREEPID_NOT_FOUND');
  });

  it('are deleted, with the account too', async () => {
    await using s = await open();
    const alice = await s.world.register('alice');
    await s.add(alice, 'alice', 'a@example.org');
    const gone = await s.post('/account/3pid/delete', { medium: 'email', address: 'a@example.org' }, alice);
    assert.deepEqual(gone.json, { id_server_unbind_result: 'no-support' });
    assert.deepEqual((await s.world.ok('GET', `${v3}/account/3pid`, alice)).threepids, []);
    s.world.clock.advance(25 * 60 * 60_000);
    await s.add(alice, 'alice', 'a@example.org');
    const auth = { type: 'm.login.password', user: 'alice', password: 'password of alice' };
    assert.equal((await s.post('/account/deactivate', { auth }, alice)).status, 200);
    await s.add(await s.world.register('bob'), 'bob', 'a@example.org');
  });

  it('log in', async () => {
    await using s = await open();
    await s.add(await s.world.register('alice'), 'alice', 'a@example.org');
    const login = (address: string, password = 'password of alice') =>
      s.post('/login', {
        type: 'm.login.password',
        identifier: { type: 'm.id.thirdparty', medium: 'email', address },
        password,
      });
    assert.equal((await login('A@example.org')).json.user_id, '@alice:localhost');
    assert.deepEqual(
      [(await login('b@example.org')).status, (await login('b@example.org')).json.errcode],
      [403, 'M_FORBIDDEN'],
    );
    // Who guesses does not learn whose address it is.
    assert.deepEqual((await login('b@example.org')).json, (await login('a@example.org', 'wrong')).json);
  });

  for (const email of ['alice', 'a b@example.org', 'a@example.org,b@example.org', 'a@b\r\nBcc: c@d', '<a@b>', 'a@-']) {
    it(`are not ${JSON.stringify(email)}`, async () => {
      await using s = await open();
      const answer = await s.ask('/account/3pid', email);
      assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_INVALID_PARAM']);
      assert.equal(s.smtp.mails.length, 0);
    });
  }
});

describe('the mail with the link', () => {
  it('is sent once for each attempt, and ten times a day at most', async () => {
    await using s = await open();
    const first = await s.ask('/account/3pid', 'a@example.org');
    assert.deepEqual((await s.ask('/account/3pid', 'a@example.org')).json, first.json);
    assert.equal(s.smtp.mails.length, 1);
    const old = s.smtp.link;
    assert.deepEqual((await s.ask('/account/3pid', 'a@example.org', { send_attempt: 2 })).json, first.json);
    assert.equal(s.smtp.mails.length, 2);
    assert.equal((await s.world.call('POST', old)).status, 400);
    for (let i = 0; i < 8; i++) {
      assert.equal((await s.ask('/account/3pid', 'a@example.org', { client_secret: `s${i}` })).status, 200);
    }
    const flood = await s.ask('/account/3pid', 'a@example.org', { client_secret: 'more' });
    assert.deepEqual([flood.status, flood.json.errcode], [429, 'M_LIMIT_EXCEEDED']);
  });

  it('works for a day', async () => {
    await using s = await open();
    await s.ask('/account/3pid', 'a@example.org');
    s.world.clock.advance(24 * 60 * 60_000);
    assert.equal((await s.world.call('GET', s.smtp.link)).status, 400);
    assert.equal((await s.world.call('POST', s.smtp.link)).status, 400);
  });

  it('goes on to where the client said', async () => {
    await using s = await open();
    await s.ask('/account/3pid', 'a@example.org', { next_link: 'https://app.test/done' });
    const gone = await s.world.call('POST', s.smtp.link);
    assert.deepEqual([gone.status, gone.headers['location']], [302, 'https://app.test/done']);
    const bad = await s.ask('/account/3pid', 'b@example.org', { next_link: 'javascript:alert(1)' });
    assert.equal(bad.json.errcode, 'M_INVALID_PARAM');
  });

  it('is refused or fails as the mail server says', async () => {
    await using s = await open();
    s.smtp.answer = '550 No such mailbox';
    assert.equal((await s.ask('/account/3pid', 'a@example.org')).json.errcode, 'M_INVALID_PARAM');
    s.smtp.answer = '451 Later';
    const later = await s.ask('/account/3pid', 'b@example.org');
    assert.deepEqual([later.status, later.json.errcode], [500, 'M_EMAIL_SEND_ERROR']);
  });
});

describe('m.login.email.identity', () => {
  it('gives a new account its address', async () => {
    await using s = await open();
    const wish = { username: 'alice', password: 'long enough' };
    const asked = await s.post('/register', wish);
    assert.deepEqual(asked.json.flows, [{ stages: ['m.login.dummy'] }, { stages: ['m.login.email.identity'] }]);
    const { sid } = (await s.ask('/register', 'a@example.org')).json;
    const auth = {
      type: 'm.login.email.identity',
      session: asked.json.session,
      threepid_creds: { sid, client_secret: secret },
    };
    const early = await s.post('/register', { ...wish, auth });
    assert.deepEqual([early.status, early.json.errcode], [401, 'M_THREEPID_AUTH_FAILED']);
    await s.world.call('POST', s.smtp.link);
    const done = await s.post('/register', { ...wish, auth });
    assert.equal(done.status, 200, done.text);
    const { threepids } = await s.world.ok('GET', `${v3}/account/3pid`, done.json.access_token as string);
    assert.equal(threepids[0].address, 'a@example.org');
  });

  const fallback = (session: string) => `${v3}/auth/m.login.email.identity/fallback/web?session=${session}`;
  /** What the form of the second step brings along. */
  const hidden = (html: string) => {
    const value = (name: string) => new RegExp(`name="${name}"[^>]*value="([^"]*)"`).exec(html)?.[1] ?? '';
    return `sid=${value('sid')}&secret=${value('secret')}`;
  };

  it('is completed on the fallback page: the address, the mail, the way on', async () => {
    await using s = await open();
    const wish = { username: 'alice', password: 'long enough' };
    const { session } = (await s.post('/register', wish)).json;
    const page = fallback(session as string);
    assert.match((await s.world.call('GET', page)).text, /name="email"/);
    const asked = await s.world.call('POST', page, { body: 'email=a%40example.org' });
    assert.equal(asked.status, 200);
    assert.match(asked.text, /name="sid"/);
    assert.equal(s.smtp.mails.length, 1);
    const early = await s.world.call('POST', page, { body: hidden(asked.text) });
    assert.equal(early.status, 403);
    assert.equal(hidden(early.text), hidden(asked.text));
    assert.equal(s.smtp.mails.length, 1);
    await s.world.call('POST', s.smtp.link);
    assert.match((await s.world.call('POST', page, { body: hidden(early.text) })).text, /onAuthDone/);
    const done = await s.post('/register', { ...wish, auth: { session } });
    assert.equal(done.status, 200, done.text);
    const { threepids } = await s.world.ok('GET', `${v3}/account/3pid`, done.json.access_token as string);
    assert.equal(threepids[0].address, 'a@example.org');
  });

  it('shows on the fallback page what is wrong with an address', async () => {
    await using s = await open();
    const alice = await s.world.register('alice');
    await s.add(alice, 'alice', 'a@example.org');
    const registering = (await s.post('/register', { username: 'bob', password: 'long enough' })).json.session;
    const resetting = (await s.post('/account/password', { new_password: 'quite another' })).json.session;
    const table: [session: string, body: string, status: number, text: RegExp][] = [
      [registering, 'email=a%40example.org', 400, /belongs to an account/],
      [registering, 'email=', 400, /name="email"/],
      [registering, 'sid=x&secret=y', 403, /name="sid"/],
      [resetting, 'email=b%40example.org', 400, /No account has this address/],
      [resetting, 'email=a%40example.org', 200, /name="sid"/],
    ];
    for (const [session, body, status, text] of table) {
      const answer = await s.world.call('POST', fallback(session), { body });
      assert.equal(answer.status, status, body);
      assert.match(answer.text, text);
    }
    await using plain = await World.open();
    assert.equal((await plain.call('GET', fallback('x'))).json.errcode, 'M_UNRECOGNIZED');
  });

  it('sets a new password for who has forgotten it', async () => {
    await using s = await open();
    const alice = await s.world.register('alice');
    await s.add(alice, 'alice', 'a@example.org');
    const { sid } = (await s.ask('/account/password', 'a@example.org')).json;
    await s.world.call('POST', s.smtp.link);
    const auth = { type: 'm.login.email.identity', threepid_creds: { sid, client_secret: secret } };
    const done = await s.post('/account/password', { new_password: 'quite another', auth });
    assert.equal(done.status, 200, done.text);
    const login = await s.post('/login', { type: 'm.login.password', user: 'alice', password: 'quite another' });
    assert.equal(login.status, 200);
    assert.equal((await s.world.call('GET', `${v3}/account/whoami`, { token: alice })).status, 401);
  });

  it('does not confirm for one account with the address of another, or of none', async () => {
    await using s = await open();
    const [alice, bob] = [await s.world.register('alice'), await s.world.register('bob')];
    await s.add(alice, 'alice', 'a@example.org');
    for (const [path, email] of [
      ['/account/password', 'a@example.org'],
      ['/register', 'new@example.org'],
    ] as const) {
      const { sid } = (await s.ask(path, email)).json;
      await s.world.call('POST', s.smtp.link);
      const auth = { type: 'm.login.email.identity', threepid_creds: { sid, client_secret: secret } };
      const answer = await s.post('/account/password', { new_password: 'quite another', auth }, bob);
      assert.deepEqual([answer.status, answer.json.errcode], [401, 'M_FORBIDDEN']);
    }
  });
});

describe('what this server does not do with third-party identifiers', () => {
  const creds = { client_secret: secret, id_server: 'id.test', id_access_token: 'x', sid: 'y' };
  const rows: [path: string, body: unknown, status: number, errcode: string][] = [
    ['/account/3pid/bind', {}, 400, 'M_MISSING_PARAM'],
    ['/account/3pid', { three_pid_creds: creds }, 403, 'M_THREEPID_AUTH_FAILED'],
    ['/account/3pid', {}, 400, 'M_MISSING_PARAM'],
    ['/account/3pid/delete', { medium: 'pigeon', address: 'x' }, 400, 'M_INVALID_PARAM'],
    ['/account/3pid/unbind', {}, 400, 'M_MISSING_PARAM'],
  ];
  for (const [path, body, status, errcode] of rows) {
    it(`${path} answers ${errcode}`, async () => {
      await using s = await open();
      const alice = await s.world.register('alice');
      const answer = await s.post(path, body, alice);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
      assert.equal((await s.post(path, body)).json.errcode, 'M_MISSING_TOKEN');
    });
  }

  it('unbinds nothing', async () => {
    await using s = await open();
    const body = { medium: 'email', address: 'a@example.org' };
    const answer = await s.post('/account/3pid/unbind', body, await s.world.register('alice'));
    assert.deepEqual(answer.json, { id_server_unbind_result: 'no-support' });
  });

  for (const path of ['/account/3pid', '/register', '/account/password']) {
    it(`${path}/msisdn/requestToken: phone numbers`, async () => {
      await using s = await open();
      const answer = await s.post(`${path}/msisdn/requestToken`, {});
      assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_THREEPID_MEDIUM_NOT_SUPPORTED']);
    });
  }

  it('sends no mail for new accounts where nobody can make one, and none at all without a mail server', async () => {
    await using s = await open('closed');
    const closed = await s.ask('/register', 'a@example.org');
    assert.deepEqual([closed.status, closed.json.errcode], [403, 'M_THREEPID_DENIED']);
    await using world = await World.open();
    const body = { client_secret: secret, email: 'a@example.org', send_attempt: 1 };
    const none = await world.call('POST', `${v3}/account/3pid/email/requestToken`, { body });
    assert.deepEqual([none.status, none.json.errcode], [400, 'M_THREEPID_MEDIUM_NOT_SUPPORTED']);
  });
});
