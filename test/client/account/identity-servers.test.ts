import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { VerifyKey } from '../../../src/protocol/signing/keys.ts';
import { parseXMatrix, verifyRequest } from '../../../src/protocol/signing/request.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { World } from '../../support/servers/world.ts';
import { IdentityServer, identityToken } from '../../support/stubs/identity-server.ts';

const v3 = '/_matrix/client/v3';
const address = { medium: 'email', address: 'alice@example.org' };

describe('addresses that identity servers tell of', () => {
  let identity: IdentityServer;
  let world: World;
  let alice: string;
  before(async () => {
    identity = await IdentityServer.open();
    world = await World.open(identity.settings);
    alice = await world.register('alice');
  });
  beforeEach(() => {
    identity.proven.set('s1', address);
    identity.bound.clear();
    identity.requests.length = 0;
    identity.unbinds = true;
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await identity[Symbol.asyncDispose]();
  });

  const post = (path: string, body: JsonObject, token: string | undefined = alice) =>
    world.call('POST', `${v3}/account/${path}`, { body, ...(token === '' ? {} : { token }) });
  const wish = (change: JsonObject = {}): JsonObject => ({
    client_secret: 'secret',
    id_server: identity.name,
    id_access_token: identityToken,
    sid: 's1',
    ...change,
  });
  const bind = (change: JsonObject = {}, token?: string) => post('3pid/bind', wish(change), token);
  const bound = () => identity.bound.get('email alice@example.org');

  it('POST /account/3pid/bind has it tell whose the address is', async () => {
    assert.deepEqual((await bind()).json, {});
    assert.equal(bound(), '@alice:localhost');
    assert.deepEqual(identity.requests[0]?.body, { sid: 's1', client_secret: 'secret', mxid: '@alice:localhost' });
    // The account has no address by that.
    assert.deepEqual((await world.ok('GET', `${v3}/account/3pid`, alice)).threepids, []);
  });

  it('POST /account/3pid/bind says what the identity server says', async () => {
    const error = (status: number, errcode: string) => ({ status, body: { errcode, error: 'no' } });
    const early = error(400, 'M_SESSION_NOT_VALIDATED');
    const table: [change: JsonObject, given: { status: number; body: JsonObject } | undefined, number, string][] = [
      [{ sid: 'x' }, undefined, 404, 'M_NO_VALID_SESSION'],
      [{}, early, 400, 'M_SESSION_NOT_VALIDATED'],
      [{}, error(400, 'M_SESSION_EXPIRED'), 400, 'M_SESSION_EXPIRED'],
      [{}, error(403, 'M_TERMS_NOT_SIGNED'), 403, 'M_TERMS_NOT_SIGNED'],
      [{}, error(500, 'M_UNKNOWN'), 502, 'M_UNKNOWN'],
      [{}, { status: 200, body: { medium: 'email' } }, 502, 'M_UNKNOWN'],
      [{ id_access_token: 'x' }, undefined, 403, 'M_FORBIDDEN'],
      [{ id_server: '10.1.1.1' }, undefined, 400, 'M_SERVER_NOT_TRUSTED'],
      [{ id_server: 'a b' }, undefined, 400, 'M_INVALID_PARAM'],
      [{ id_server: '127.0.0.1:1' }, undefined, 502, 'M_UNKNOWN'],
      [{ sid: 1 }, undefined, 400, 'M_BAD_JSON'],
    ];
    for (const [change, given, status, errcode] of table) {
      identity.answers.set('3pid/bind', given === undefined ? [] : [given]);
      const answer = await bind(change);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], JSON.stringify(change));
    }
    assert.equal((await post('3pid/bind', {})).json.errcode, 'M_MISSING_PARAM');
    assert.equal((await bind({}, '')).json.errcode, 'M_MISSING_TOKEN');
  });

  for (const path of ['3pid/unbind', '3pid/delete']) {
    it(`POST /account/${path} has it forget that again, signed by this server`, async () => {
      await bind();
      const answer = await post(path, address);
      assert.deepEqual(answer.json, { id_server_unbind_result: 'success' });
      assert.equal(bound(), undefined);
      const { authorization = '', body } = identity.requests.at(-1) ?? {};
      assert.deepEqual(body, { mxid: '@alice:localhost', threepid: address });
      const header = parseXMatrix(authorization);
      const { verify_keys: keys } = (await world.call('GET', '/_matrix/key/v2/server')).json;
      const key = VerifyKey.fromBase64(keys[header?.key ?? '']?.key ?? '');
      assert.ok(header && key);
      const uri = '/_matrix/identity/v2/3pid/unbind';
      const [origin, destination] = [asServerName('localhost'), asServerName(identity.name)];
      assert.ok(verifyRequest({ method: 'POST', uri, origin, destination, content: body }, header, key));
      // Nothing is left to forget; another identity server may know all the same.
      assert.deepEqual((await post(path, address)).json, { id_server_unbind_result: 'no-support' });
      const named = await post(path, { ...address, id_server: identity.name });
      assert.deepEqual(named.json, { id_server_unbind_result: 'success' });
    });

    it(`POST /account/${path} says when it does not, and refuses what is no address`, async () => {
      await bind();
      identity.unbinds = false;
      assert.deepEqual((await post(path, address)).json, { id_server_unbind_result: 'no-support' });
      identity.unbinds = true;
      assert.deepEqual((await post(path, address)).json, { id_server_unbind_result: 'success' });
      const dead = await post(path, { ...address, id_server: '127.0.0.1:1' });
      assert.deepEqual(dead.json, { id_server_unbind_result: 'no-support' });
      for (const [change, errcode] of [
        [{ address: 'x' }, 'M_INVALID_PARAM'],
        [{ id_server: 'a b' }, 'M_INVALID_PARAM'],
        [{ medium: 'x' }, 'M_INVALID_PARAM'],
      ] as const) {
        assert.equal((await post(path, { ...address, ...change })).json.errcode, errcode);
      }
      assert.equal((await post(path, address, '')).json.errcode, 'M_MISSING_TOKEN');
    });
  }

  it('are forgotten with the account', async () => {
    const bob = await world.register('bob');
    await bind({}, bob);
    identity.proven.set('s2', { medium: 'msisdn', address: '49123' });
    await bind({ sid: 's2' }, bob);
    const auth = { type: 'm.login.password', user: 'bob', password: 'password of bob' };
    const bad = await post('deactivate', { auth, id_server: 'a b' }, bob);
    assert.equal(bad.json.errcode, 'M_INVALID_PARAM');
    const answer = await post('deactivate', { auth }, bob);
    assert.deepEqual(answer.json, { id_server_unbind_result: 'success' });
    assert.equal(identity.bound.size, 0);
  });

  it('are forgotten, too, when an admin closes the account, whatever the identity server says', async () => {
    const carol = await world.register('carol');
    const { boundAddresses } = world.hs.stores;
    const { accounts, accountAdministration } = world.hs.services;
    const user = accounts.row('@carol:localhost' as never)?.user as never;
    await bind({}, carol);
    identity.proven.set('s2', { medium: 'msisdn', address: '49123' });
    await bind({ sid: 's2' }, carol);
    assert.equal(boundAddresses.ofUser(user).length, 2);
    await accounts.setValidity('@carol:localhost' as never, 1 as never);
    await accountAdministration.deactivate('@carol:localhost' as never, false);
    assert.equal(identity.bound.size, 0);
    assert.deepEqual(boundAddresses.ofUser(user), []);
    assert.deepEqual(world.hs.stores.accountValidity.over(2, 10), []);
  });

  it('POST /account/3pid believes no identity server whose an address is', async () => {
    const answer = await post('3pid', { three_pid_creds: wish() });
    assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_THREEPID_AUTH_FAILED']);
  });
});
