import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { json } from '../../../src/api/http/reply.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import { crossSigningBody, crossSigningKey, oneTimeKeys, TestDevice } from '../../support/clients/e2ee.ts';
import { SharedRoom } from '../../support/clients/shared-room.ts';
import { Universe } from '../../support/servers/universe.ts';

describe('keys of another server’s user', () => {
  it('are asked of that server, with nobody’s signatures but the owner’s', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    const master = crossSigningKey('bob');
    await bob.uploadKeys();
    await bob.ok('POST', '/keys/device_signing/upload', { master_key: crossSigningBody(bob.userId, 'master', master) });
    const answer = await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } });
    assert.deepEqual(answer.failures, {});
    assert.deepEqual(answer.device_keys[bob.userId][bob.deviceId], bob.deviceKeys());
    assert.deepEqual(answer.master_keys[bob.userId], crossSigningBody(bob.userId, 'master', master));
    assert.deepEqual(answer.user_signing_keys, {});
    const one = await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: ['NONE'] } });
    assert.deepEqual(one.device_keys[bob.userId], {});
  });

  it('are answered from the cache while a room is shared, and asked for again when something was lost', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const [a, b] = [universe.world('a.test'), universe.world('b.test')];
    const alice = await TestDevice.register(a, 'alice');
    const bob = await TestDevice.register(b, 'bob');
    await bob.uploadKeys();
    const room = new SharedRoom([a, b], alice.userId);
    room.member(bob.userId, 'join');
    const query = () => alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } });
    const asked = () => universe.calls.filter(({ to, uri }) => to === 'b.test' && uri.includes('/user/')).length;
    const first = await query();
    assert.deepEqual(Object.keys(first.device_keys[bob.userId]), [bob.deviceId]);
    const before = asked();
    assert.deepEqual(await query(), first);
    assert.equal(asked(), before, 'nobody was asked again');
    universe.cut('a.test', 'b.test');
    assert.deepEqual((await query()).failures, {}, 'the other server is not needed');
  });

  it('stand in failures for servers that do not answer, beside the rest', async () => {
    await using universe = await Universe.open(['a.test', 'b.test', 'c.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    await bob.uploadKeys({ one_time_keys: oneTimeKeys(1, 2) });
    universe.cut('a.test', 'c.test');
    const ids = { [bob.userId]: [], '@carol:c.test': [], [alice.userId]: [] };
    const answer = await alice.ok('POST', '/keys/query', { device_keys: ids });
    assert.deepEqual(Object.keys(answer.failures), ['c.test']);
    assert.equal(answer.failures['c.test'].status, 503);
    assert.deepEqual(Object.keys(answer.device_keys).sort(), [alice.userId, bob.userId]);
    const wanted = {
      [bob.userId]: { [bob.deviceId]: 'signed_curve25519' },
      '@carol:c.test': { X: 'signed_curve25519' },
    };
    const claimed = await alice.ok('POST', '/keys/claim', { one_time_keys: wanted });
    assert.deepEqual(claimed.one_time_keys, { [bob.userId]: { [bob.deviceId]: oneTimeKeys(1, 1) } });
    assert.deepEqual(Object.keys(claimed.failures), ['c.test']);
  });

  it('are told in the time that the client gives, whoever is dead or slow, to ask or to claim', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    for (const device of [alice, bob]) await device.uploadKeys({ one_time_keys: oneTimeKeys(1, 5) });
    const slow = universe.script('slow.test');
    const late = Promise.withResolvers<void>();
    const answerLate = async () => {
      await late.promise;
      return {};
    };
    slow.on('POST', '/_matrix/federation/v1/user/keys/query', answerLate);
    slow.on('POST', '/_matrix/federation/v1/user/keys/claim', answerLate);
    universe
      .script('half.test')
      .on('POST', '/_matrix/federation/v1/user/keys/query', () => json(500, { errcode: 'M_UNKNOWN' }));
    const users = [alice.userId, bob.userId, '@carol:dead.test', slow.user('dan'), '@eve:half.test'];
    const inTime = async (path: string, body: object) => {
      let isOver = false;
      const began = universe.clock.monotonic();
      const answer = alice.ok('POST', path, { ...body, timeout: 3000 }).finally(() => (isOver = true));
      const asked = () => universe.calls.some(({ to, uri }) => to === 'slow.test' && uri.endsWith(path));
      await universe.until(() => {
        if (asked()) universe.clock.advance(100);
        return isOver;
      }, `the answer to ${path}`);
      assert.ok(universe.clock.monotonic() - began <= 4000, `${universe.clock.monotonic() - began}`);
      return answer;
    };
    const { device_keys: keys, failures } = await inTime('/keys/query', {
      device_keys: Object.fromEntries(users.map((userId) => [userId, []])),
    });
    assert.deepEqual(Object.keys(keys).sort(), [alice.userId, bob.userId]);
    assert.deepEqual(keys[bob.userId], { [bob.deviceId]: bob.deviceKeys() });
    assert.deepEqual(
      Object.fromEntries(Object.entries<{ status: number }>(failures).map(([server, { status }]) => [server, status])),
      { 'dead.test': 503, 'half.test': 500, 'slow.test': 504 },
    );
    const claimed = await inTime('/keys/claim', {
      one_time_keys: Object.fromEntries(
        users.slice(0, 4).map((userId) => {
          return [userId, { [userId === bob.userId ? bob.deviceId : alice.deviceId]: 'signed_curve25519' }];
        }),
      ),
    });
    assert.deepEqual(claimed.one_time_keys, {
      [alice.userId]: { [alice.deviceId]: oneTimeKeys(1, 1) },
      [bob.userId]: { [bob.deviceId]: oneTimeKeys(1, 1) },
    });
    assert.deepEqual(Object.keys(claimed.failures).sort(), ['dead.test', 'slow.test']);
    late.resolve();
  });

  it('are had again as soon as their server is back, not when it is next tried; one that is long gone is left alone', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    await bob.uploadKeys({ one_time_keys: oneTimeKeys(1, 9) });
    const wanted = { one_time_keys: { [bob.userId]: { [bob.deviceId]: 'signed_curve25519' } } };
    const claim = async () => {
      const { one_time_keys: keys, failures } = await alice.ok('POST', '/keys/claim', wanted);
      return failures['b.test']?.status ?? Object.keys(keys[bob.userId][bob.deviceId]);
    };
    const { reachability } = universe.world('a.test').hs.services.federation;
    universe.cut('a.test', 'b.test');
    assert.equal(await claim(), 503);
    assert.equal(reachability.isDown(asServerName('b.test')), true);
    universe.heal('a.test', 'b.test');
    assert.deepEqual(await claim(), ['signed_curve25519:k1']);
    assert.equal(reachability.isDown(asServerName('b.test')), false);
    universe.cut('a.test', 'b.test');
    for (let minutes = 0; minutes < 15; minutes += 5) {
      assert.equal(await claim(), 503);
      universe.clock.advance(5 * 60_000);
    }
    assert.equal(await claim(), 503);
    const asked = universe.calls.length;
    assert.equal(await claim(), 503);
    assert.equal(universe.calls.length, asked);
  });

  it('are claimed once: no two callers get the same, here or there', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    await bob.uploadKeys({ one_time_keys: oneTimeKeys(1, 20) });
    const claim = async (who: TestDevice) => {
      const wanted = { [bob.userId]: { [bob.deviceId]: 'signed_curve25519' } };
      const { one_time_keys: keys, failures } = await who.ok('POST', '/keys/claim', { one_time_keys: wanted });
      assert.deepEqual(failures, {});
      return Object.keys(keys[bob.userId][bob.deviceId]);
    };
    const got = (await Promise.all(Array.from({ length: 20 }, (_, i) => claim(i % 2 === 0 ? alice : bob)))).flat();
    assert.equal(new Set(got).size, 20);
  });

  it('are never given out twice, however uploads, claims, cut lines, restarts and crashes interleave', async () => {
    const step = fc.constantFrom('claim', 'claim', 'both', 'cut', 'heal', 'restart', 'crash', 'upload');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 15 }), async (steps) => {
        await using universe = await Universe.open(['a.test', 'b.test']);
        const alice = await TestDevice.register(universe.world('a.test'), 'alice');
        const bob = await TestDevice.register(universe.world('b.test'), 'bob');
        let uploaded = 0;
        const upload = async () => {
          await bob.uploadKeys({ one_time_keys: oneTimeKeys(uploaded + 1, uploaded + 5) });
          uploaded += 5;
        };
        const got: string[] = [];
        const claim = async (who: TestDevice) => {
          const wanted = { [bob.userId]: { [bob.deviceId]: 'signed_curve25519' } };
          const { one_time_keys: keys } = await who.ok('POST', '/keys/claim', { one_time_keys: wanted });
          got.push(...Object.keys(keys[bob.userId]?.[bob.deviceId] ?? {}));
        };
        await upload();
        for (const what of steps) {
          if (what === 'claim') await claim(alice);
          else if (what === 'both') await Promise.all([claim(alice), claim(bob), claim(alice)]);
          else if (what === 'cut') universe.cut('a.test', 'b.test');
          else if (what === 'heal') universe.heal('a.test', 'b.test');
          else if (what === 'restart') await universe.restart('b.test');
          else if (what === 'crash') {
            // Claims and a repeated upload are under way; what b.test answers after its end does not arrive.
            const under = [claim(alice), bob.uploadKeys({ one_time_keys: oneTimeKeys(1, uploaded) }), claim(alice)];
            for (let turns = got.length % 5; turns > 0; turns--) await new Promise(setImmediate);
            await universe.crash('b.test');
            await Promise.allSettled(under);
          } else await upload();
          universe.clock.advance(60 * 60_000);
        }
        assert.equal(new Set(got).size, got.length);
      }),
      { seed: 6, numRuns: 6, endOnFailure: true },
    );
  });
});

describe('GET /user/devices/{userId}', () => {
  it('tells the devices of our own users only', async () => {
    await using universe = await Universe.open(['a.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const evil = universe.script('evil.test');
    const ask = (userId: string) =>
      evil.request('a.test', 'GET', `/_matrix/federation/v1/user/devices/${encodeURIComponent(userId)}`);
    await alice.uploadKeys();
    const { status, json } = await ask(alice.userId);
    assert.equal(status, 200);
    assert.ok(Number.isSafeInteger(json.stream_id) && json.stream_id > 0);
    assert.equal(json.devices.length, 1);
    assert.deepEqual(json.devices[0].keys, alice.deviceKeys());
    assert.deepEqual([(await ask('@x:b.test')).status, (await ask('@nobody:a.test')).status], [400, 404]);
  });
});
