import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { oneTimeKeys, TestDevice } from '../../support/clients/e2ee.ts';
import { World } from '../../support/servers/world.ts';

const path = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device';

function asleep(owner: TestDevice, deviceId: string): object {
  const device = new TestDevice(owner.world, owner.token, owner.userId, deviceId);
  return {
    device_id: deviceId,
    device_data: { algorithm: 'm.dehydration.v2', device_pickle: 'secret' },
    initial_device_display_name: 'Dehydrated device',
    device_keys: device.deviceKeys(),
    one_time_keys: oneTimeKeys(1, 3),
    fallback_keys: { 'signed_curve25519:f': { key: 'fallback', fallback: true, signatures: {} } },
  };
}

describe('a dehydrated device', () => {
  it('gathers messages like any other and hands them to the user’s next device', async () => {
    await using world = await World.open();
    const alice = await TestDevice.register(world, 'alice');
    const bob = await TestDevice.register(world, 'bob');
    assert.equal((await alice.call('GET', path)).json.errcode, 'M_NOT_FOUND');
    assert.deepEqual((await alice.call('PUT', path, asleep(alice, 'DRY'))).json, { device_id: 'DRY' });
    const known = await bob.ok('POST', '/keys/query', { device_keys: { [alice.userId]: [] } });
    assert.ok(known.device_keys[alice.userId]['DRY']);
    const claim = { [alice.userId]: { DRY: 'signed_curve25519' } };
    const { one_time_keys: claimed } = await bob.ok('POST', '/keys/claim', { one_time_keys: claim });
    assert.deepEqual(claimed[alice.userId]['DRY'], oneTimeKeys(1, 1));
    for (let n = 0; n < 250; n++) await bob.send('m.test', `t${n}`, { [alice.userId]: { DRY: { n } } });
    const next = await alice.sibling('NEXT');
    const { device_id: deviceId, device_data: data } = (await next.call('GET', path)).json;
    assert.deepEqual([deviceId, data.device_pickle], ['DRY', 'secret']);
    const expected = Array.from({ length: 250 }, (_, n) => n);
    const events: { content: { n: number }; sender: string }[] = [];
    let from: string | undefined;
    do {
      const query = from === undefined ? '' : `?from=${from}`;
      const answer = (await next.call('GET', `${path}/DRY/events${query}`)).json;
      events.push(...answer.events);
      from = answer.next_batch;
    } while (from !== undefined);
    assert.deepEqual(
      events.map(({ content }) => content.n),
      expected,
    );
    assert.equal(events[0]?.sender, bob.userId);
    const again: number[] = [];
    let body: object = {};
    for (;;) {
      const answer = (await next.call('POST', `${path}/DRY/events`, body)).json;
      if (answer.events.length === 0) break;
      for (const { content } of answer.events) again.push(content.n);
      body = { next_batch: answer.next_batch };
    }
    assert.deepEqual(again, expected, 'nothing goes by being read');
  });

  it('is replaced by the next one, and goes with its device', async () => {
    await using world = await World.open();
    const alice = await TestDevice.register(world, 'alice');
    await alice.call('PUT', path, asleep(alice, 'ONE'));
    assert.equal((await alice.call('PUT', path, asleep(alice, alice.deviceId))).status, 403);
    assert.equal((await alice.call('GET', path)).json.device_id, 'ONE', 'a refusal changes nothing');
    await alice.call('PUT', path, asleep(alice, 'TWO'));
    const devices = async () =>
      (await alice.ok('GET', '/devices')).devices.map((device: { device_id: string }) => device.device_id);
    assert.deepEqual((await devices()).sort(), [alice.deviceId, 'TWO'].sort());
    assert.equal((await alice.call('GET', `${path}/ONE/events`)).status, 403);
    assert.deepEqual((await alice.call('DELETE', path)).json, { device_id: 'TWO' });
    assert.deepEqual(await devices(), [alice.deviceId]);
    assert.equal((await alice.call('DELETE', path)).status, 404);
    await alice.call('PUT', path, asleep(alice, 'THREE'));
    await alice.ok('POST', '/logout/all');
    const next = await alice.sibling('NEXT');
    assert.equal((await next.call('GET', path)).status, 404);
  });

  it('must have the keys that it says', async () => {
    await using world = await World.open();
    const alice = await TestDevice.register(world, 'alice');
    const good = asleep(alice, 'DRY');
    const bad: [object, string][] = [
      [{ ...good, device_id: 'OTHER' }, 'M_INVALID_PARAM'],
      [{ ...good, device_id: '' }, 'M_INVALID_PARAM'],
      [{ ...good, device_keys: undefined }, 'M_MISSING_PARAM'],
      [{ ...good, device_data: { x: 'x'.repeat(70_000) } }, 'M_TOO_LARGE'],
    ];
    for (const [body, errcode] of bad) assert.equal((await alice.call('PUT', path, body)).json.errcode, errcode);
    assert.equal((await alice.call('GET', path)).status, 404);
  });
});
