import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signJson } from '../../../src/protocol/signing/json.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { crossSigningBody, crossSigningKey, oneTimeKeys, TestDevice } from '../../support/clients/e2ee.ts';
import { World } from '../../support/servers/world.ts';

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

const count = ({ hs }: World, table: string) =>
  hs.db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get();

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
    const theirs = keysOf(bob);
    await bob.ok('POST', upload, theirs.body);
    const signed = signJson(theirs.body.master_key, alice.userId, old.userSigning);
    await sign(alice, { [bob.userId]: { [theirs.master.publicKeyBase64]: signed } });
    assert.equal(count(world, 'key_signature'), 2);
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
    assert.equal(count(world, 'key_signature'), 0, 'what the old keys have signed is signed no more');
    assert.deepEqual((await query(alice, alice)).device_keys[alice.userId][alice.deviceId], alice.deviceKeys());
    assert.deepEqual((await query(alice, bob)).master_keys[bob.userId], theirs.body.master_key);
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
  it('takes all keys and what was made with them away, backups, queues, pushers and devices, asleep too', async () => {
    const { world, alice, bob, query, sign } = await scene();
    await using _ = world;
    const [mine, theirs] = [keysOf(alice), keysOf(bob)];
    await alice.ok('POST', upload, mine.body);
    await bob.ok('POST', upload, theirs.body);
    await sign(alice, {
      [alice.userId]: { [alice.deviceId]: signJson(alice.deviceKeys(), alice.userId, mine.selfSigning) },
      [bob.userId]: {
        [theirs.master.publicKeyBase64]: signJson(theirs.body.master_key, alice.userId, mine.userSigning),
      },
    });
    await alice.ok('POST', '/room_keys/version', { algorithm: 'm.megolm_backup.v1', auth_data: {} });
    const asleep = new TestDevice(world, alice.token, alice.userId, 'DRY');
    const dehydrated = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device';
    const body = {
      device_id: 'DRY',
      device_data: {},
      device_keys: asleep.deviceKeys(),
      one_time_keys: oneTimeKeys(1, 2),
    };
    assert.equal((await alice.call('PUT', dehydrated, body)).status, 200);
    await alice.ok('POST', '/pushers/set', {
      ...{ kind: 'http', app_id: 'app', pushkey: 'key', app_display_name: 'App', device_display_name: 'phone' },
      ...{ lang: 'en', data: { url: 'https://push.test/_matrix/push/v1/notify' } },
    });
    await bob.join(await alice.createRoom());
    await bob.send('m.test', '1', { [alice.userId]: { '*': { n: 1 } } });
    await bob.sync();
    const emptied = ['to_device', 'pusher', 'dehydrated_device', 'device_keys', 'one_time_key', 'key_count', 'device'];
    assert.deepEqual(
      emptied.map((table) => count(world, table)),
      [2, 1, 1, 3, 2, 3, 3],
    );
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: 'alice' },
      password: 'password of alice',
    };
    await alice.ok('POST', '/account/deactivate', { auth });
    const seen = await query(bob, alice);
    assert.deepEqual([seen.device_keys[alice.userId], Object.keys(seen.master_keys)], [{}, []]);
    // Bob's own device is left.
    assert.deepEqual(
      emptied.map((table) => count(world, table)),
      [0, 0, 0, 1, 0, 1, 1],
    );
    assert.equal(count(world, 'key_signature'), 0);
    assert.equal(count(world, 'key_backup WHERE auth_data IS NOT NULL'), 0);
  });
});
