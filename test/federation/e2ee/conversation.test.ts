import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { oneTimeKeys, TestDevice } from '../../support/clients/e2ee.ts';
import { Universe } from '../../support/servers/universe.ts';

describe('two people of two servers', () => {
  it('come to know each other’s devices by sharing a room, and lose sight of them by leaving it', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    for (const device of [alice, bob]) await device.uploadKeys({ one_time_keys: oneTimeKeys(1, 5) });
    const room = await alice.createRoom();
    for (const device of [alice, bob]) await device.sync();
    await bob.ok('POST', `/join/${encodeURIComponent(room)}?via=a.test`, {});
    const told = async (device: TestDevice, list: 'changed' | 'left', userId: string) =>
      universe.until(async () => {
        universe.clock.advance(100);
        return ((await device.sync()).device_lists?.[list] ?? []).includes(userId);
      }, `${userId} in ${list} of ${device.userId}`);
    /** Asks again whenever /sync says so, and only then, until the devices are these. */
    const knows = async (viewer: TestDevice, userId: string, devices: object) =>
      universe.until(async () => {
        await told(viewer, 'changed', userId);
        const answer = await viewer.ok('POST', '/keys/query', { device_keys: { [userId]: [] } });
        assert.deepEqual(answer.failures, {});
        const found = Object.entries<{ unsigned?: { device_display_name?: string } }>(answer.device_keys[userId]);
        return isDeepStrictEqual(
          Object.fromEntries(found.map(([id, { unsigned }]) => [id, unsigned?.device_display_name])),
          devices,
        );
      }, `${viewer.userId} to know ${userId}`);
    const computer = { [bob.deviceId]: undefined };
    await Promise.all([knows(alice, bob.userId, computer), knows(bob, alice.userId, { [alice.deviceId]: undefined })]);
    const phone = await bob.sibling('PHONE');
    await phone.uploadKeys();
    await knows(alice, bob.userId, { ...computer, PHONE: undefined });
    await phone.ok('PUT', '/devices/PHONE', { display_name: 'phone' });
    await knows(alice, bob.userId, { ...computer, PHONE: 'phone' });
    await phone.ok('POST', '/logout');
    await knows(alice, bob.userId, computer);
    await bob.leave(room);
    await Promise.all([told(alice, 'left', bob.userId), told(bob, 'left', alice.userId)]);
  });

  it('know what happened while they shared no room, once they share one again', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await TestDevice.register(universe.world('a.test'), 'alice');
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    for (const device of [alice, bob]) await device.uploadKeys();
    const room = await alice.createRoom();
    await bob.ok('POST', `/join/${encodeURIComponent(room)}?via=a.test`, {});
    const { stores } = universe.world('a.test').hs;
    const devices = async () => {
      const answer = await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } });
      return Object.keys(answer.device_keys[bob.userId]).sort();
    };
    const joined = async (world: string, count: number) =>
      universe.until(() => {
        universe.clock.advance(100);
        const { interning, roomState } = universe.world(world).hs.stores;
        return roomState.info(interning.findRoom(room) as never)?.joined === count;
      }, `${count} are joined`);
    await joined('a.test', 2);
    assert.deepEqual(await devices(), [bob.deviceId]);
    assert.ok(stores.remoteLists.find(stores.interning.findUser(bob.userId) as never));
    await alice.leave(room);
    await joined('b.test', 1);
    await (await bob.sibling('PHONE')).uploadKeys();
    await alice.sync();
    await alice.ok('POST', `/join/${encodeURIComponent(room)}?via=b.test`, {});
    await joined('b.test', 2);
    assert.ok((await alice.sync()).device_lists.changed.includes(bob.userId));
    assert.deepEqual(await devices(), [bob.deviceId, 'PHONE'].sort());
  });
});
