import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';
import { PushWorld } from './push-world.ts';

const path = '/_matrix/client/v3/pushers/set';

describe('pushers', () => {
  it('are listed as they were set, to their user only', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob, { profile_tag: 'tag' }, { custom: [1] });
    const [pusher] = await s.pushers(s.bob);
    const { 'org.matrix.msc3881.device_id': device, ...rest } = pusher ?? {};
    assert.deepEqual(rest, {
      kind: 'http',
      app_id: 'org.example.app',
      pushkey: 'key',
      app_display_name: 'App',
      device_display_name: 'Phone',
      profile_tag: 'tag',
      lang: 'en',
      data: { url: s.gateway.url, custom: [1] },
      'org.matrix.msc3881.enabled': true,
    });
    assert.equal(typeof device, 'string');
    assert.deepEqual(await s.pushers(s.alice), []);
  });

  it('are changed by setting them again, and deleted by kind null, twice as well as once', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob);
    await s.setPusher(s.bob, { lang: 'de' });
    await s.setPusher(s.bob, { pushkey: 'other' });
    assert.deepEqual(
      (await s.pushers(s.bob)).map(({ pushkey, lang }) => [pushkey, lang]),
      [
        ['key', 'de'],
        ['other', 'en'],
      ],
    );
    const gone = { kind: null, app_id: 'org.example.app', pushkey: 'key' };
    for (let i = 0; i < 2; i++) await s.world.ok('POST', path, s.bob.token, gone);
    assert.deepEqual(
      (await s.pushers(s.bob)).map(({ pushkey }) => pushkey),
      ['other'],
    );
  });

  it('take the key of an app away from other users, unless append is true', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.alice);
    await s.setPusher(s.bob, { append: true });
    assert.equal((await s.pushers(s.alice)).length, 1);
    await s.setPusher(s.bob);
    assert.deepEqual([(await s.pushers(s.alice)).length, (await s.pushers(s.bob)).length], [0, 1]);
  });

  it('are silent while they are not enabled, and start with what is new when they are again', async () => {
    await using s = await PushWorld.open();
    const enabled = (value: boolean) => s.setPusher(s.bob, { 'org.matrix.msc3881.enabled': value });
    await enabled(false);
    await s.say(s.alice, 'missed');
    await enabled(true);
    const heard = await s.say(s.alice, 'heard');
    await s.gateway.until(({ rang }) => rang.length === 1);
    await s.quiet();
    assert.deepEqual(s.gateway.rang, [heard]);
  });

  it('are tried at once when they are set anew during an outage, and lose nothing', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob);
    s.gateway.answer = { status: 503, body: '' };
    const said = await s.say(s.alice, 'hello');
    await s.gateway.until(({ requests }) => requests === 1);
    await s.quiet();
    s.gateway.answer = { status: 200, body: '{}' };
    await s.setPusher(s.bob);
    await s.gateway.until(({ rang }) => rang.length === 1);
    assert.deepEqual(s.gateway.rang, [said]);
  });

  const logIn = async (s: PushWorld) => {
    const body = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'bob' },
      password: 'password of bob',
    };
    const { json } = await s.world.call('POST', '/_matrix/client/v3/login', { body });
    return { token: json.access_token as string, userId: s.bob.userId };
  };

  it('go with the device that set them when it logs out', async () => {
    await using s = await PushWorld.open();
    const second = await logIn(s);
    await s.setPusher(s.bob, { pushkey: 'first' });
    await s.setPusher(second, { pushkey: 'second' });
    await s.world.ok('POST', '/_matrix/client/v3/logout', second.token);
    assert.deepEqual(
      (await s.pushers(s.bob)).map(({ pushkey }) => pushkey),
      ['first'],
    );
  });

  for (const [logsOut, left] of [
    [true, ['first']],
    [false, ['first', 'second']],
  ] as const) {
    it(`of other devices ${logsOut ? 'go' : 'stay'} when the password changes with logout_devices ${logsOut}`, async () => {
      await using s = await PushWorld.open();
      const second = await logIn(s);
      await s.setPusher(s.bob, { pushkey: 'first' });
      await s.setPusher(second, { pushkey: 'second' });
      const auth = {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: 'bob' },
        password: 'password of bob',
      };
      const body = { new_password: 'another long password', logout_devices: logsOut, auth };
      await s.world.ok('POST', '/_matrix/client/v3/account/password', s.bob.token, body);
      assert.deepEqual(
        (await s.pushers(s.bob)).map(({ pushkey }) => pushkey),
        left,
      );
    });
  }

  it('go with the account when it is deactivated', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob);
    const { pushers } = s.world.hs.stores;
    assert.equal(pushers.get(1)?.pushkey, 'key');
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'bob' },
      password: 'password of bob',
    };
    await s.world.ok('POST', '/_matrix/client/v3/account/deactivate', s.bob.token, { auth });
    assert.equal(pushers.get(1), undefined);
  });

  it('need TLS where the admin lets requests into no private network', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    const pusher = (url: string) => ({
      kind: 'http',
      app_id: 'a',
      pushkey: 'k',
      app_display_name: 'App',
      device_display_name: 'Phone',
      lang: 'en',
      data: { url },
    });
    const answer = await world.call('POST', path, {
      token,
      body: pusher('http://push.example.org/_matrix/push/v1/notify'),
    });
    assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_INVALID_PARAM']);
    await world.ok('POST', path, token, pusher('https://push.example.org/_matrix/push/v1/notify'));
  });

  const refused: readonly [string, Record<string, unknown>, number, string][] = [
    ['no kind', { kind: undefined }, 400, 'M_MISSING_PARAM'],
    ['no app_id', { app_id: undefined }, 400, 'M_MISSING_PARAM'],
    ['no pushkey', { pushkey: undefined }, 400, 'M_MISSING_PARAM'],
    ['no lang', { lang: undefined }, 400, 'M_MISSING_PARAM'],
    ['no app_display_name', { app_display_name: undefined }, 400, 'M_MISSING_PARAM'],
    ['no device_display_name', { device_display_name: undefined }, 400, 'M_MISSING_PARAM'],
    ['no data', { data: undefined }, 400, 'M_MISSING_PARAM'],
    ['data without a URL', { data: {} }, 400, 'M_MISSING_PARAM'],
    ['a kind of a wrong type', { kind: 5 }, 400, 'M_BAD_JSON'],
    ['append of a wrong type', { append: 'yes' }, 400, 'M_BAD_JSON'],
    ['data that is no object', { data: 'x' }, 400, 'M_BAD_JSON'],
    ['an unknown kind', { kind: 'pigeon' }, 400, 'M_INVALID_PARAM'],
    ['a kind that this server does not offer', { kind: 'email' }, 400, 'M_INVALID_PARAM'],
    ['an app_id of more than 64 characters', { app_id: 'a'.repeat(65) }, 400, 'M_INVALID_PARAM'],
    ['a pushkey of more than 512 bytes', { pushkey: 'ä'.repeat(257) }, 400, 'M_INVALID_PARAM'],
    ['a URL that is none', { data: { url: 'x' } }, 400, 'M_INVALID_PARAM'],
    ['a URL of another scheme', { data: { url: 'ftp://a.b/_matrix/push/v1/notify' } }, 400, 'M_INVALID_PARAM'],
    ['a URL of another path', { data: { url: 'https://a.b/notify' } }, 400, 'M_INVALID_PARAM'],
    ['a URL with a password', { data: { url: 'https://a:b@a.b/_matrix/push/v1/notify' } }, 400, 'M_INVALID_PARAM'],
    [
      'data that is too long',
      { data: { url: 'https://a.b/_matrix/push/v1/notify', x: 'x'.repeat(20_000) } },
      413,
      'M_TOO_LARGE',
    ],
  ];
  for (const [what, more, status, errcode] of refused) {
    it(`cannot be set with ${what}: ${status} ${errcode}`, async () => {
      await using s = await PushWorld.open();
      const answer = await s.world.call('POST', path, { token: s.bob.token, body: s.pusher(more) });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], answer.text);
      assert.deepEqual(await s.pushers(s.bob), []);
    });
  }

  it('a user has at most a hundred', async () => {
    await using s = await PushWorld.open();
    await Promise.all(Array.from({ length: 100 }, (_, i) => s.setPusher(s.bob, { pushkey: `${i}` })));
    const answer = await s.world.call('POST', path, { token: s.bob.token, body: s.pusher() });
    assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_INVALID_PARAM']);
  });
});
