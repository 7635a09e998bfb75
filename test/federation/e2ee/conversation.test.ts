import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { oneTimeKeys, TestDevice } from '../../support/e2ee.ts';
import { Universe } from '../../support/universe.ts';

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
});
