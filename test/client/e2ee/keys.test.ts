import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DeviceKeyStore } from '../../../src/store/e2ee/device-keys.ts';
import { oneTimeKeys, TestDevice } from '../../support/clients/e2ee.ts';
import { World } from '../../support/servers/world.ts';

async function scene() {
  const world = await World.open();
  const alice = await TestDevice.register(world, 'alice');
  const bob = await TestDevice.register(world, 'bob');
  const claim = (by: TestDevice, from: TestDevice, algorithm = 'signed_curve25519') =>
    by.ok('POST', '/keys/claim', { one_time_keys: { [from.userId]: { [from.deviceId]: algorithm } } });
  const claimedId = async (by: TestDevice, from: TestDevice) => {
    const answer = await claim(by, from);
    return Object.keys(answer.one_time_keys[from.userId]?.[from.deviceId] ?? {})[0];
  };
  return { world, alice, bob, claim, claimedId };
}

const fallback = { fallback_keys: { 'signed_curve25519:f1': { key: 'fallback', fallback: true, signatures: {} } } };

describe('POST /keys/upload', () => {
  it('answers how many one-time keys there are, and every /sync says so', async () => {
    const { world, alice } = await scene();
    await using _ = world;
    assert.deepEqual((await alice.sync()).device_one_time_keys_count, { signed_curve25519: 0 });
    assert.deepEqual((await alice.sync()).device_unused_fallback_key_types, []);
    const answer = await alice.uploadKeys({ one_time_keys: oneTimeKeys(1, 5), ...fallback });
    assert.deepEqual(answer, { one_time_key_counts: { signed_curve25519: 5 } });
    const synced = await alice.sync();
    assert.deepEqual(synced.device_one_time_keys_count, { signed_curve25519: 5 });
    assert.deepEqual(synced.device_unused_fallback_key_types, ['signed_curve25519']);
    assert.deepEqual(await alice.ok('POST', '/keys/upload', {}), { one_time_key_counts: { signed_curve25519: 5 } });
  });

  it('takes the same keys again, refuses another key under the same ID, and leaves nothing of what is refused', async () => {
    const { world, alice } = await scene();
    await using _ = world;
    await alice.uploadKeys({ one_time_keys: oneTimeKeys(1, 2) });
    await alice.uploadKeys({ one_time_keys: oneTimeKeys(1, 3) });
    const other = { ...oneTimeKeys(4, 4), 'signed_curve25519:k1': { key: 'another', signatures: {} } };
    const refused = await alice.call('POST', '/keys/upload', { one_time_keys: other });
    assert.deepEqual([refused.status, refused.json.errcode], [400, 'M_INVALID_PARAM']);
    assert.deepEqual((await alice.sync()).device_one_time_keys_count, { signed_curve25519: 3 });
  });

  it('forgets what belongs to an old identity', async () => {
    const { world, alice, bob, claimedId } = await scene();
    await using _ = world;
    await alice.uploadKeys({ one_time_keys: oneTimeKeys(1, 2), ...fallback });
    const keys = alice.deviceKeys();
    await alice.ok('POST', '/keys/upload', { device_keys: { ...keys, keys: { 'ed25519:other': 'other' } } });
    assert.equal(await claimedId(bob, alice), undefined);
  });

  const bad: [what: string, body: (alice: TestDevice) => object, status: number, errcode: string][] = [
    [
      'keys of another device',
      (alice) => ({ device_keys: { ...alice.deviceKeys(), device_id: 'OTHER' } }),
      400,
      'M_INVALID_PARAM',
    ],
    [
      'keys of another user',
      (alice) => ({ device_keys: { ...alice.deviceKeys(), user_id: '@bob:localhost' } }),
      400,
      'M_INVALID_PARAM',
    ],
    ['device keys without keys', () => ({ device_keys: { user_id: '@alice:localhost' } }), 400, 'M_MISSING_PARAM'],
    ['a key ID without algorithm', () => ({ one_time_keys: { abc: 'key' } }), 400, 'M_INVALID_PARAM'],
    ['a number for a key', () => ({ one_time_keys: { 'a:b': 1 } }), 400, 'M_BAD_JSON'],
    ['a list for keys', () => ({ fallback_keys: [] }), 400, 'M_BAD_JSON'],
    ['a huge key', () => ({ one_time_keys: { 'a:b': 'x'.repeat(5000) } }), 413, 'M_TOO_LARGE'],
    ['too many keys', () => ({ one_time_keys: oneTimeKeys(1, 1001) }), 413, 'M_TOO_LARGE'],
  ];
  it('refuses what is no upload', async () => {
    const { world, alice } = await scene();
    await using _ = world;
    for (const [what, body, status, errcode] of bad) {
      const answer = await alice.call('POST', '/keys/upload', body(alice));
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], what);
    }
  });
});

describe('POST /keys/query', () => {
  it('tells the keys of all or of some devices, with their names', async () => {
    const { world, alice, bob } = await scene();
    await using _ = world;
    const phone = await alice.sibling('PHONE');
    await alice.uploadKeys();
    await phone.uploadKeys();
    await phone.ok('PUT', '/devices/PHONE', { display_name: 'My phone' });
    const all = await bob.ok('POST', '/keys/query', { device_keys: { [alice.userId]: [], '@nobody:localhost': [] } });
    assert.deepEqual(Object.keys(all.device_keys[alice.userId]).sort(), [alice.deviceId, 'PHONE'].sort());
    assert.deepEqual(all.device_keys[alice.userId].PHONE, {
      ...phone.deviceKeys(),
      unsigned: { device_display_name: 'My phone' },
    });
    assert.deepEqual(all.device_keys['@nobody:localhost'], {});
    const one = await bob.ok('POST', '/keys/query', { device_keys: { [alice.userId]: ['PHONE', 'NONE'] } });
    assert.deepEqual(Object.keys(one.device_keys[alice.userId]), ['PHONE']);
  });

  it('looks up no more devices than there are, however many are named and how often', async (t) => {
    const { world, alice, bob } = await scene();
    await using _ = world;
    const phone = await alice.sibling('PHONE');
    await alice.uploadKeys();
    await phone.uploadKeys();
    const looked = t.mock.method(DeviceKeyStore.prototype, 'one');
    const repeated = Array.from({ length: 1000 }, () => 'PHONE');
    const made = Array.from({ length: 1000 }, (_none, i) => `NONE${i}`);
    for (const ids of [repeated, [...made, 'PHONE'], ['PHONE', 'NONE']]) {
      const answer = await bob.ok('POST', '/keys/query', { device_keys: { [alice.userId]: ids } });
      assert.deepEqual(Object.keys(answer.device_keys[alice.userId]), ['PHONE']);
    }
    assert.equal(looked.mock.callCount(), 3);
  });

  it('says which servers cannot be asked, and refuses what is no user ID', async () => {
    const { world, bob } = await scene();
    await using _ = world;
    for (const [path, body] of [
      ['/keys/query', { device_keys: { '@a:far.example': [] } }],
      ['/keys/claim', { one_time_keys: { '@a:far.example': { D: 'signed_curve25519' } } }],
    ] as const) {
      const answer = await bob.ok('POST', path, body);
      assert.deepEqual(Object.keys(answer.failures), ['far.example']);
    }
    const refused = await bob.call('POST', '/keys/query', { device_keys: { alice: [] } });
    assert.deepEqual([refused.status, refused.json.errcode], [400, 'M_INVALID_PARAM']);
    const empty = await bob.call('POST', '/keys/claim', {});
    assert.deepEqual([empty.status, empty.json.errcode], [400, 'M_MISSING_PARAM']);
  });
});

describe('POST /keys/claim', () => {
  it('gives out one-time keys in the order of their upload, then the fallback key; the owner hears of it', async () => {
    const { world, alice, bob, claimedId } = await scene();
    await using _ = world;
    await alice.uploadKeys({ one_time_keys: oneTimeKeys(1, 2), ...fallback });
    await alice.ok('POST', '/keys/upload', { one_time_keys: oneTimeKeys(3, 3) });
    await alice.sync();
    const ids: (string | undefined)[] = [];
    for (let n = 0; n < 5; n++) ids.push(await claimedId(bob, alice));
    assert.deepEqual(
      ids,
      ['k1', 'k2', 'k3', 'f1', 'f1'].map((id) => `signed_curve25519:${id}`),
    );
    const synced = await alice.sync();
    assert.deepEqual(synced.device_one_time_keys_count, { signed_curve25519: 0 });
    assert.deepEqual(synced.device_unused_fallback_key_types, []);
    await alice.ok('POST', '/keys/upload', {
      fallback_keys: { 'signed_curve25519:f2': { key: 'new', fallback: true, signatures: {} } },
    });
    assert.deepEqual((await alice.sync()).device_unused_fallback_key_types, ['signed_curve25519']);
  });

  it('wakes the owner who waits', async () => {
    const { world, alice, bob, claim } = await scene();
    await using _ = world;
    await alice.uploadKeys({ one_time_keys: oneTimeKeys(1, 2) });
    await alice.sync();
    const waiting = alice.ok('GET', `/sync?since=${alice.since}&timeout=30000`);
    await claim(bob, alice);
    assert.deepEqual((await waiting).device_one_time_keys_count, { signed_curve25519: 1 });
  });

  it('never gives a one-time key out twice, however uploads, repeated uploads and claims interleave', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ upload: fc.tuple(fc.nat(30), fc.nat(5)) }),
            fc.record({ claims: fc.integer({ min: 1, max: 4 }) }),
          ),
          { maxLength: 15 },
        ),
        async (steps) => {
          const { world, alice, bob, claimedId } = await scene();
          await using _ = world;
          await alice.uploadKeys();
          const given: string[] = [];
          const uploaded = new Set<string>();
          for (const step of steps) {
            if ('upload' in step) {
              const [first, count] = step.upload;
              const keys = oneTimeKeys(first, first + count);
              for (const id of Object.keys(keys)) uploaded.add(id);
              await alice.ok('POST', '/keys/upload', { one_time_keys: keys });
            } else {
              const ids = await Promise.all(Array.from({ length: step.claims }, () => claimedId(bob, alice)));
              given.push(...ids.filter((id) => id !== undefined));
            }
          }
          assert.equal(new Set(given).size, given.length);
          const left = (await alice.sync()).device_one_time_keys_count.signed_curve25519 as number;
          assert.equal(left, uploaded.size - given.length);
        },
      ),
      { seed: 7, numRuns: 8 },
    );
  });
});

describe('deleting a device', () => {
  it('leaves nothing behind of an upload under way', async () => {
    const { world, alice } = await scene();
    await using _ = world;
    const phone = await alice.sibling('PHONE');
    const [gone, refused] = await Promise.all([
      phone.call('POST', '/logout', {}),
      phone.call('POST', '/keys/upload', { device_keys: phone.deviceKeys(), one_time_keys: oneTimeKeys(1, 3) }),
    ]);
    assert.deepEqual([gone.status, refused.status, refused.json.errcode], [200, 401, 'M_UNKNOWN_TOKEN']);
  });

  it('takes its keys and its messages away and tells those who share a room', async () => {
    const { world, alice, bob, claimedId } = await scene();
    await using _ = world;
    const phone = await alice.sibling('PHONE');
    await phone.uploadKeys({ one_time_keys: oneTimeKeys(1, 2), ...fallback });
    await bob.send('m.test', '1', { [alice.userId]: { '*': { n: 1 } } });
    await bob.join(await alice.createRoom());
    await bob.sync();
    await phone.ok('POST', '/logout', {});
    assert.deepEqual((await bob.sync()).device_lists, { changed: [alice.userId], left: [] });
    const keys = await bob.ok('POST', '/keys/query', { device_keys: { [alice.userId]: [] } });
    assert.deepEqual(keys.device_keys[alice.userId], {});
    assert.equal(await claimedId(bob, phone), undefined);
    for (const table of ['device_keys', 'one_time_key', 'fallback_key', 'key_count']) {
      assert.equal(world.hs.db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get(), 0, table);
    }
    assert.equal(world.hs.db.prepare<[], number>('SELECT count(*) FROM to_device').pluck().get(), 1);
  });
});
