import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { bodyPatience } from '../../src/api/http/body-budget.ts';
import type { Reply } from '../../src/api/http/types.ts';
import { World } from '../support/servers/world.ts';

const v3 = '/_matrix/client/v3';
const mib = 1024 * 1024;

interface Begun {
  readonly stream: Readable;
  readonly answer: Promise<Reply>;
}

/** A request whose body is still to come. */
function begin(
  world: World,
  method: string,
  url: string,
  { token, length, ip = '192.0.2.1' }: { token?: string; length: number; ip?: string },
): Begun {
  const stream = new Readable({ read() {} });
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const headers = { 'content-length': String(length), ...authorization };
  const { signal } = new AbortController();
  return { stream, answer: world.hs.app.handle({ method, url, headers, stream, ip, signal }) };
}

async function finish({ stream, answer }: Begun, text: string): Promise<{ status: number; errcode: unknown }> {
  stream.push(text);
  stream.push(null);
  const { status, body } = await answer;
  return { status, errcode: JSON.parse(body as string).errcode };
}

/** Lets what was pushed be read. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a body that takes its time', () => {
  const pusher = {
    kind: 'http',
    app_id: 'a',
    pushkey: 'k',
    app_display_name: 'a',
    device_display_name: 'd',
    lang: 'en',
    data: { url: 'https://push.test/_matrix/push/v1/notify' },
  };
  const requests: readonly (readonly [method: string, path: string, body: unknown])[] = [
    ['PUT', `${v3}/profile/@alice:localhost/displayname`, { displayname: 'Mallory' }],
    ['POST', `${v3}/pushers/set`, pusher],
    ['PUT', `${v3}/user/@alice:localhost/account_data/m.x`, { a: 1 }],
    ['PUT', `${v3}/sendToDevice/m.x/t`, { messages: { '@alice:localhost': { '*': { a: 1 } } } }],
  ];
  for (const [method, path, body] of requests) {
    it(`does nothing once its token is revoked: ${method} ${path}`, async () => {
      await using world = await World.open();
      const stolen = await world.register('alice');
      const identifier = { type: 'm.id.user', user: 'alice' };
      const login = { type: 'm.login.password', identifier, password: 'password of alice' };
      const own = (await world.call('POST', `${v3}/login`, { body: login })).json.access_token as string;
      const text = JSON.stringify(body);
      const begun = begin(world, method, path, { token: stolen, length: text.length });
      begun.stream.push(text.slice(0, 5));
      await turn();
      await world.ok('POST', `${v3}/logout`, stolen, {});
      assert.deepEqual(await finish(begun, text.slice(5)), { status: 401, errcode: 'M_UNKNOWN_TOKEN' });
      assert.deepEqual((await world.ok('GET', `${v3}/pushers`, own)).pushers, []);
      assert.deepEqual(await world.ok('GET', `${v3}/profile/@alice:localhost`, own), {});
    });
  }

  it('does nothing once its account is locked or suspended', async () => {
    await using world = await World.open();
    const alice = await world.register('alice');
    const { accounts } = world.hs.services;
    const [method, path, body] = requests[0] as (typeof requests)[0];
    const text = JSON.stringify(body);
    const begun = [0, 1].map(() => begin(world, method, path, { token: alice, length: text.length }));
    await turn();
    await accounts.setLocked('@alice:localhost' as never, true);
    assert.deepEqual(await finish(begun[0] as Begun, text), { status: 401, errcode: 'M_USER_LOCKED' });
    await accounts.setLocked('@alice:localhost' as never, false);
    await accounts.setSuspended('@alice:localhost' as never, true);
    assert.deepEqual(await finish(begun[1] as Begun, text), { status: 403, errcode: 'M_USER_SUSPENDED' });
  });

  it('is hung up on if it is large and does not come', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    const path = `${v3}/user/@alice:localhost/account_data/m.x`;
    const begun = begin(world, 'PUT', path, { token, length: mib });
    begun.stream.push('{');
    await turn();
    world.clock.advance(bodyPatience);
    assert.equal((await begun.answer).status, 400);
    assert.equal(begun.stream.destroyed, true);
  });
});

describe('a body of a stranger', () => {
  it('is hung up on if it does not come, however small it is', async () => {
    await using world = await World.open();
    for (const path of ['login', 'register', 'refresh', 'account/password']) {
      const begun = begin(world, 'POST', `${v3}/${path}`, { length: 100 });
      begun.stream.push('{');
      await turn();
      world.clock.advance(30_000);
      assert.equal((await begun.answer).status, 400);
      assert.equal(begun.stream.destroyed, true);
    }
  });
});

describe('many large bodies', () => {
  it('find no room beyond their share, and small ones do: of the users at one address', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    const path = `${v3}/room_keys/keys?version=1`;
    const open = Array.from({ length: 4 }, () => begin(world, 'PUT', path, { token, length: 4 * mib }));
    for (const { stream } of open) stream.push('x'.repeat(4 * mib - 1));
    await turn();
    const late = begin(world, 'PUT', path, { token, length: 4 * mib });
    assert.deepEqual(await finish(late, 'x'.repeat(mib)), { status: 429, errcode: 'M_LIMIT_EXCEEDED' });
    const elsewhere = begin(world, 'PUT', path, { token, length: mib, ip: '198.51.100.1' });
    assert.deepEqual(await finish(elsewhere, 'x'.repeat(mib)), { status: 400, errcode: 'M_NOT_JSON' });
    await world.ok('PUT', `${v3}/profile/@alice:localhost/displayname`, token, { displayname: 'Alice' });
    for (const begun of open) assert.equal((await finish(begun, 'x')).status, 400);
    assert.equal((await finish(begin(world, 'PUT', path, { token, length: mib }), 'x'.repeat(mib))).status, 400);
  });

  it('find no room beyond their share, which takes nothing from users: of strangers', async () => {
    await using world = await World.open();
    const token = await world.register('alice');
    const path = '/_matrix/key/v2/query';
    const length = 250 * 1024;
    const open = Array.from({ length: 8 }, () => begin(world, 'POST', path, { length }));
    for (const { stream } of open) stream.push('x'.repeat(length - 1));
    await turn();
    const late = begin(world, 'POST', path, { length });
    assert.deepEqual(await finish(late, 'x'.repeat(length)), { status: 429, errcode: 'M_LIMIT_EXCEEDED' });
    await world.ok('PUT', `${v3}/user/@alice:localhost/account_data/m.x`, token, { a: 'x'.repeat(500_000) });
    for (const begun of open) assert.equal((await finish(begun, 'x')).status, 400);
  });

  for (const path of ['login', 'register', 'refresh', 'account/password', 'account/deactivate']) {
    it(`are not what whoever has no token sends: POST ${path} answers 413 M_TOO_LARGE`, async () => {
      await using world = await World.open();
      const answer = await world.call('POST', `${v3}/${path}`, { body: { a: 'x'.repeat(20_000) } });
      assert.deepEqual([answer.status, answer.json.errcode], [413, 'M_TOO_LARGE']);
    });
  }
});
