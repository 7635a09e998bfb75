import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signJson } from '../../../src/protocol/signing/json.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { crossSigningBody, crossSigningKey, TestDevice } from '../../support/e2ee.ts';
import { World } from '../../support/world.ts';

/** The three keys of a user; another `generation` gives others. */
function keysOf({ userId }: TestDevice, generation = 1) {
  const key = (usage: string) => crossSigningKey(`${userId} ${usage} ${generation}`);
  const [master, selfSigning, userSigning] = [key('m'), key('s'), key('u')];
  const body = {
    master_key: crossSigningBody(userId, 'master', master),
    self_signing_key: crossSigningBody(userId, 'self_signing', selfSigning, master),
    user_signing_key: crossSigningBody(userId, 'user_signing', userSigning, master),
  };
  return { master, selfSigning, userSigning, body };
}

async function scene() {
  const world = await World.open();
  const alice = await TestDevice.register(world, 'alice');
  const bob = await TestDevice.register(world, 'bob');
  await alice.uploadKeys();
  await bob.uploadKeys();
  const query = (by: TestDevice, of: TestDevice) => by.ok('POST', '/keys/query', { device_keys: { [of.userId]: [] } });
  const sign = (by: TestDevice, body: object) => by.ok('POST', '/keys/signatures/upload', body);
  return { world, alice, bob, query, sign };
}

const upload = '/keys/device_signing/upload';

describe('POST /keys/device_signing/upload', () => {
  it('needs no confirmation for the first keys, nor for the same again, under either path', async () => {
    const { world, alice, bob, query } = await scene();
    await using _ = world;
    const { body } = keysOf(alice);
    await alice.ok('POST', upload, body);
    const again = await alice.call('POST', '/_matrix/client/unstable/keys/device_signing/upload', body);
    assert.deepEqual([again.status, again.text], [200, '{}']);
    const own = await query(alice, alice);
    assert.deepEqual(own.master_keys, { [alice.userId]: body.master_key });
    assert.deepEqual(own.user_signing_keys, { [alice.userId]: body.user_signing_key });
    const seen = await query(bob, alice);
    assert.deepEqual(seen.self_signing_keys, { [alice.userId]: body.self_signing_key });
    assert.deepEqual(seen.user_signing_keys, {}, 'a user-signing key is its owner’s alone');
  });

  it('has the user confirm other keys, which replace the old ones with all that they signed', async () => {
    const { world, alice, bob, query, sign } = await scene();
    await using _ = world;
    const old = keysOf(alice);
    await alice.ok('POST', upload, old.body);
    await sign(alice, {
      [alice.userId]: { [alice.deviceId]: signJson(alice.deviceKeys(), alice.userId, old.selfSigning) },
    });
    const { body } = keysOf(alice, 2);
    const challenge = await alice.call('POST', upload, body);
    assert.equal(challenge.status, 401);
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'alice' },
      password: 'password of alice',
      session: challenge.json.session as string,
    };
    await alice.ok('POST', upload, { ...body, auth });
    assert.deepEqual((await query(bob, alice)).master_keys, { [alice.userId]: body.master_key });
    const only = keysOf(alice, 3);
    const next = await alice.call('POST', upload, { master_key: only.body.master_key });
    await alice.ok('POST', upload, {
      master_key: only.body.master_key,
      auth: { ...auth, session: next.json.session as string },
    });
    assert.deepEqual((await query(alice, alice)).self_signing_keys, {}, 'the new master key has not signed it');
  });

  it('refuses keys that are not what they should be', async () => {
    const { world, alice } = await scene();
    await using _ = world;
    const { body, userSigning } = keysOf(alice);
    const { userId } = alice;
    const deviceNamed = crossSigningBody(userId, 'master', alice.key);
    const cases: [string, object, number, string][] = [
      ['nothing signed by a master key', { self_signing_key: body.self_signing_key }, 400, 'M_MISSING_PARAM'],
      [
        'signed by another key',
        { ...body, self_signing_key: crossSigningBody(userId, 'self_signing', userSigning, userSigning) },
        400,
        'M_INVALID_SIGNATURE',
      ],
      ['of another user', { master_key: { ...body.master_key, user_id: '@bob:localhost' } }, 400, 'M_INVALID_PARAM'],
      ['another usage', { master_key: { ...body.master_key, usage: ['self_signing'] } }, 400, 'M_INVALID_PARAM'],
      [
        'two keys',
        { master_key: { ...body.master_key, keys: { 'ed25519:a': 'a', 'ed25519:b': 'b' } } },
        400,
        'M_BAD_JSON',
      ],
      ['a key under a device’s name', { master_key: deviceNamed }, 400, 'M_INVALID_PARAM'],
      ['no object', { master_key: 'key' }, 400, 'M_BAD_JSON'],
    ];
    for (const [what, given, status, errcode] of cases) {
      const answer = await alice.call('POST', upload, given);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], what);
    }
    const sameName = await alice.sibling(keysOf(alice).master.publicKeyBase64);
    const refused = await sameName.call('POST', upload, body);
    assert.deepEqual([refused.status, refused.json.errcode], [403, 'M_FORBIDDEN']);
  });
});

describe('POST /keys/signatures/upload', () => {
  const signaturesOf = (key: JsonObject) => key['signatures'] as Record<string, Record<string, string>>;

  it('keeps signatures of own devices and master key, which everybody sees and hears of', async () => {
    const { world, alice, bob, query, sign } = await scene();
    await using _ = world;
    const { body, selfSigning, master } = keysOf(alice);
    await bob.join(await alice.createRoom());
    await alice.ok('POST', upload, body);
    await bob.sync();
    const answer = await sign(alice, {
      [alice.userId]: {
        [alice.deviceId]: signJson(alice.deviceKeys(), alice.userId, selfSigning),
        [master.publicKeyBase64]: signJson(body.master_key, alice.userId, alice.key),
      },
    });
    assert.deepEqual(answer, { failures: {} });
    assert.deepEqual((await bob.sync()).device_lists, { changed: [alice.userId], left: [] });
    const seen = await query(bob, alice);
    const device = signaturesOf(seen.device_keys[alice.userId][alice.deviceId] as JsonObject)[alice.userId];
    assert.deepEqual(Object.keys(device ?? {}).sort(), [alice.key.keyId, selfSigning.keyId].sort());
    const masterKey = signaturesOf(seen.master_keys[alice.userId] as JsonObject)[alice.userId];
    assert.deepEqual(Object.keys(masterKey ?? {}), [alice.key.keyId]);
    await alice.uploadKeys();
    assert.deepEqual(await query(bob, alice), seen, 'the same keys again change nothing');
  });

  it('shows a signature on somebody else’s master key to its maker only', async () => {
    const { world, alice, bob, query, sign } = await scene();
    await using _ = world;
    const [mine, theirs] = [keysOf(alice), keysOf(bob)];
    await alice.ok('POST', upload, mine.body);
    await bob.ok('POST', upload, theirs.body);
    await alice.sync();
    await bob.sync();
    const signed = signJson(theirs.body.master_key, alice.userId, mine.userSigning);
    await sign(alice, { [bob.userId]: { [theirs.master.publicKeyBase64]: signed } });
    assert.deepEqual((await query(alice, bob)).master_keys[bob.userId], signed);
    assert.deepEqual((await query(bob, bob)).master_keys[bob.userId], theirs.body.master_key);
    assert.deepEqual((await alice.sync()).device_lists, { changed: [bob.userId], left: [] });
    assert.equal((await bob.sync()).device_lists, undefined);
  });

  it('says for each key what is wrong with it, and keeps the others', async () => {
    const { world, alice, bob, query, sign } = await scene();
    await using _ = world;
    const { body, selfSigning, userSigning } = keysOf(alice);
    await alice.ok('POST', upload, body);
    const phone = await alice.sibling('PHONE');
    await phone.uploadKeys();
    const { failures } = await sign(alice, {
      [alice.userId]: {
        [alice.deviceId]: signJson(alice.deviceKeys(), alice.userId, selfSigning),
        PHONE: signJson(phone.deviceKeys(), alice.userId, userSigning),
        NONE: signJson(alice.deviceKeys(), alice.userId, selfSigning),
      },
      [bob.userId]: { [bob.deviceId]: signJson(bob.deviceKeys(), alice.userId, userSigning) },
      '@a:far.example': { key: {} },
    });
    const codes = Object.fromEntries(
      Object.entries(failures as Record<string, Record<string, { errcode: string }>>).flatMap(([user, keys]) =>
        Object.entries(keys).map(([key, { errcode }]) => [`${user} ${key}`, errcode]),
      ),
    );
    assert.deepEqual(codes, {
      [`${alice.userId} PHONE`]: 'M_INVALID_SIGNATURE',
      [`${alice.userId} NONE`]: 'M_NOT_FOUND',
      [`${bob.userId} ${bob.deviceId}`]: 'M_NOT_FOUND',
      '@a:far.example key': 'M_NOT_FOUND',
    });
    const other = signJson({ ...alice.deviceKeys(), algorithms: [] }, alice.userId, selfSigning);
    const changed = await sign(alice, { [alice.userId]: { [alice.deviceId]: other } });
    assert.equal(changed.failures[alice.userId][alice.deviceId].errcode, 'M_INVALID_PARAM');
    const own = await query(alice, alice);
    const signatures = signaturesOf(own.device_keys[alice.userId][alice.deviceId] as JsonObject)[alice.userId];
    assert.ok(signatures?.[selfSigning.keyId] !== undefined);
  });
});

describe('deactivation', () => {
  it('takes cross-signing keys, backups and devices away', async () => {
    const { world, alice, bob, query } = await scene();
    await using _ = world;
    await alice.ok('POST', upload, keysOf(alice).body);
    await alice.ok('POST', '/room_keys/version', { algorithm: 'm.megolm_backup.v1', auth_data: {} });
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'alice' },
      password: 'password of alice',
    };
    await alice.ok('POST', '/account/deactivate', { auth });
    const seen = await query(bob, alice);
    assert.deepEqual([seen.device_keys[alice.userId], seen.master_keys], [{}, {}]);
    const backups = world.hs.db.prepare<[], number>('SELECT count(*) FROM key_backup WHERE auth_data IS NOT NULL');
    assert.equal(backups.pluck().get(), 0);
  });
});
