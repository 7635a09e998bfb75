import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { verifyJson } from '../../../src/protocol/signing/json.ts';
import { VerifyKey } from '../../../src/protocol/signing/keys.ts';
import { readPublishedKeys } from '../../../src/protocol/signing/server-keys.ts';
import { Universe } from '../../support/servers/universe.ts';

const hour = 3_600_000;
const a = asServerName('a.test');

describe('GET /_matrix/key/v2/server', () => {
  it('tells the key in use and, after a rotation, those before it and when they were put away', async () => {
    await using universe = await Universe.open(['a.test']);
    const { hs } = universe.world('a.test');
    const get = async (path: string) => (await universe.world('a.test').call('GET', path)).json;
    const [first] = hs.admin.signingKeys.list();
    const before = await get('/_matrix/key/v2/server');
    assert.deepEqual(Object.keys(before.verify_keys), [first?.keyId]);
    assert.deepEqual(before.old_verify_keys, {});
    assert.equal(before.valid_until_ts, universe.clock.now() + 24 * hour);
    universe.clock.advance(hour);
    const second = hs.admin.signingKeys.rotate();
    const after = await get('/_matrix/key/v2/server');
    assert.deepEqual(after.verify_keys, { [second.keyId]: { key: second.publicKey } });
    assert.deepEqual(after.old_verify_keys, {
      [first?.keyId ?? '']: { key: first?.publicKey, expired_ts: universe.clock.now() },
    });
    for (const answer of [before, after]) assert.equal(readPublishedKeys(answer)?.server, 'a.test');
  });

  it('tells the same to who names a key, as before version 1.6', async () => {
    await using universe = await Universe.open(['a.test']);
    const world = universe.world('a.test');
    const all = await world.call('GET', '/_matrix/key/v2/server');
    const one = await world.call('GET', '/_matrix/key/v2/server/ed25519:any');
    assert.deepEqual(one.json, all.json);
  });
});

/** A notary and a server whose keys are asked for. */
async function notary() {
  const universe = await Universe.open(['a.test']);
  const world = universe.world('a.test');
  const b = universe.script('b.test');
  const get = async (path: string) => (await world.call('GET', `/_matrix/key/v2/query/${path}`)).json.server_keys;
  const post = async (server_keys: unknown) =>
    (await world.call('POST', '/_matrix/key/v2/query', { body: { server_keys } })).json.server_keys;
  const ownKey = async () => {
    const answer = (await world.call('GET', '/_matrix/key/v2/server')).json;
    const [[keyId, { key }]] = Object.entries(answer.verify_keys) as [[string, { key: string }]];
    return { keyId: asKeyId(keyId), key: VerifyKey.fromBase64(key) };
  };
  return { universe, world, b, get, post, ownKey, [Symbol.asyncDispose]: () => universe[Symbol.asyncDispose]() };
}

describe('/_matrix/key/v2/query', () => {
  it('tells what another server says, as it signed it, with our signature beside its own', async () => {
    await using n = await notary();
    const [answer] = await n.get('b.test');
    const { signatures: own, ...said } = n.b.publishedKeys();
    const { signatures, ...told } = answer;
    assert.deepEqual(told, said);
    assert.deepEqual(signatures['b.test'], (own as Record<string, unknown>)['b.test']);
    const { keyId, key } = await n.ownKey();
    assert.ok(key && verifyJson(answer, a, keyId, key));
    assert.equal(readPublishedKeys(answer)?.server, 'b.test');
  });

  it('answers each of its forms', async () => {
    await using n = await notary();
    const one = [['b.test'], 1] as const;
    const names = (answers: { server_name: string }[]) => [
      answers.map(({ server_name }) => server_name),
      n.universe.calls.length,
    ];
    assert.deepEqual(names(await n.get('b.test/ed25519:s1')), one);
    assert.deepEqual(names(await n.get('b.test')), one);
    assert.deepEqual(names(await n.get('b.test?minimum_valid_until_ts=5')), one);
    assert.deepEqual(names(await n.post({ 'b.test': {} })), one);
    assert.deepEqual(names(await n.post({ 'b.test': { 'ed25519:s1': {} }, 'a.test': {}, 'no name': {} })), [
      ['b.test', 'a.test'],
      1,
    ]);
    assert.deepEqual(
      names(await n.post({ 'b.test': { 'ed25519:s1': { minimum_valid_until_ts: n.universe.clock.now() } } })),
      one,
    );
    assert.deepEqual(await n.post({}), []);
  });

  it('asks the server again if its keys do not last for so long', async () => {
    await using n = await notary();
    const now = n.universe.clock.now();
    await n.get('b.test');
    n.universe.clock.advance(hour);
    const [same] = await n.get(`b.test?minimum_valid_until_ts=${now + 24 * hour}`);
    assert.equal(same.valid_until_ts, now + 24 * hour);
    const [newer] = await n.get(`b.test?minimum_valid_until_ts=${now + 24 * hour + 1}`);
    assert.equal(newer.valid_until_ts, now + 25 * hour);
    assert.equal(n.universe.calls.length, 2);
  });

  it('tells what it knows of a server that is away, and nothing of one that it does not know', async () => {
    await using n = await notary();
    await n.get('b.test');
    n.universe.network.leave('b.test');
    n.universe.clock.advance(48 * hour);
    const [kept] = await n.get('b.test');
    assert.equal(kept.server_name, 'b.test');
    assert.deepEqual(await n.get('nobody.test'), []);
    assert.deepEqual(await n.post({ 'nobody.test': {} }), []);
  });

  it('does not pass on what a server did not sign', async () => {
    await using n = await notary();
    n.b.on('GET', '/_matrix/key/v2/server', () => ({ ...n.b.publishedKeys(), valid_until_ts: 1 }));
    assert.deepEqual(await n.get('b.test'), []);
  });

  it('refuses what is no question', async () => {
    await using n = await notary();
    const wrong: readonly [method: string, path: string, body: unknown, status: number, errcode: string][] = [
      ['GET', 'not%20a%20name', undefined, 400, 'M_INVALID_PARAM'],
      ['GET', 'b.test?minimum_valid_until_ts=x', undefined, 400, 'M_INVALID_PARAM'],
      ['POST', '', {}, 400, 'M_MISSING_PARAM'],
      ['POST', '', { server_keys: [] }, 400, 'M_BAD_JSON'],
      ['POST', '', { server_keys: { 'b.test': 1 } }, 400, 'M_BAD_JSON'],
      ['POST', '', { server_keys: { 'b.test': { x: { minimum_valid_until_ts: 'x' } } } }, 400, 'M_BAD_JSON'],
    ];
    for (const [method, path, body, status, errcode] of wrong) {
      const url = `/_matrix/key/v2/query${path === '' ? '' : `/${path}`}`;
      const answer = await n.world.call(method, url, { body });
      assert.deepEqual(
        [answer.status, answer.json.errcode],
        [status, errcode],
        `${method} ${path} ${JSON.stringify(body)}`,
      );
    }
    assert.deepEqual(n.universe.calls, []);
  });

  it('answers about a hundred servers at most', async () => {
    await using n = await notary();
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`s${i}.test`, {}]));
    assert.deepEqual(await n.post(many), []);
    assert.equal(n.universe.calls.length, 100);
  });
});
