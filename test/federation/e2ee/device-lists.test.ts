import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { crossSigningBody, crossSigningKey, TestDevice } from '../../support/e2ee.ts';
import { EduCourier } from '../../support/edu-courier.ts';
import { SharedRoom } from '../../support/shared-room.ts';
import { Universe } from '../../support/universe.ts';

const names = { from: 'b.test', to: 'a.test' };

async function couple(universe: Universe, suffix = '') {
  const [a, b] = [universe.world('a.test'), universe.world('b.test')];
  const alice = await TestDevice.register(a, `alice${suffix}`);
  const bob = await TestDevice.register(b, `bob${suffix}`);
  // What the servers tell each other is carried by hand.
  universe.network.swallows = ({ uri }) => uri.includes('/v1/send/');
  const courier = new EduCourier(b, a, names);
  return { a, b, alice, bob, courier };
}

/** Nothing is to be fetched again; what was put off comes in the end. */
const settled = (universe: Universe) => {
  const { remoteLists } = universe.world('a.test').hs.stores;
  return universe.until(() => {
    if (remoteLists.nextDue() === undefined) return true;
    universe.clock.advance(60_000);
    return false;
  }, 'the lists are whole again');
};

describe('device lists across servers', () => {
  it('are announced to servers that share a room, and to no others', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const { a, b, alice, bob, courier } = await couple(universe);
    await bob.uploadKeys();
    assert.deepEqual(courier.carryAll(), []);
    const room = new SharedRoom([a, b], alice.userId);
    room.member(bob.userId, 'join');
    const [joined, ...more] = courier.carryAll();
    assert.equal(joined?.edu_type, 'm.device_list_update', 'who comes to share a room is announced');
    assert.deepEqual([joined?.content['prev_id'], more], [[], []]);
    const phone = await bob.sibling('PHONE');
    await phone.uploadKeys();
    await phone.ok('PUT', '/devices/PHONE', { display_name: 'phone' });
    const [update, ...others] = courier.carryAll();
    assert.deepEqual(others, [], 'two changes of one device are one update');
    assert.deepEqual(update?.content['keys'], phone.deviceKeys());
    assert.equal(update?.content['device_display_name'], 'phone');
    assert.deepEqual(update?.content['prev_id'], [joined?.content['stream_id']]);
    room.member(bob.userId, 'leave');
    await phone.ok('POST', '/logout');
    assert.deepEqual(courier.carryAll(), []);
  });

  it('are followed by updates alone, and fetched again after a gap', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const { a, b, alice, bob, courier } = await couple(universe);
    await bob.uploadKeys();
    const room = new SharedRoom([a, b], alice.userId);
    room.member(bob.userId, 'join');
    courier.carryAll();
    const query = async () =>
      (await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } })).device_keys[bob.userId];
    const fetches = () => universe.calls.filter(({ uri }) => uri.includes('/user/devices/')).length;
    await query();
    await alice.sync();
    // The first update after /keys/query, which tells no stream_id, is not known to be the next.
    const phone = await bob.sibling('PHONE');
    await phone.uploadKeys();
    courier.carryAll();
    await settled(universe);
    assert.equal(fetches(), 1);
    assert.deepEqual((await alice.sync()).device_lists.changed, [bob.userId]);
    assert.deepEqual(Object.keys(await query()).sort(), [bob.deviceId, 'PHONE'].sort());
    await phone.ok('PUT', '/devices/PHONE', { display_name: 'phone' });
    courier.carryAll();
    assert.equal(fetches(), 1, 'one that is known to be the next is taken as it is');
    assert.equal((await query())['PHONE'].unsigned.device_display_name, 'phone');
    assert.deepEqual((await alice.sync()).device_lists.changed, [bob.userId]);
    const tablet = await bob.sibling('TABLET');
    await tablet.uploadKeys();
    assert.equal(courier.carry(100, true).length, 1);
    await phone.ok('POST', '/logout');
    universe.cut('a.test', 'b.test');
    courier.carryAll();
    await universe.until(() => fetches() === 2);
    await universe.restart('a.test');
    universe.heal('a.test', 'b.test');
    await settled(universe);
    assert.deepEqual(Object.keys(await query()).sort(), [bob.deviceId, 'TABLET'].sort());
  });

  it('carry cross-signing keys', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const { a, b, alice, bob, courier } = await couple(universe);
    await bob.uploadKeys();
    new SharedRoom([a, b], alice.userId).member(bob.userId, 'join');
    courier.carryAll();
    await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } });
    await alice.sync();
    const [master, self] = [crossSigningKey('master'), crossSigningKey('self')];
    const body = {
      master_key: crossSigningBody(bob.userId, 'master', master),
      self_signing_key: crossSigningBody(bob.userId, 'self_signing', self, master),
    };
    await bob.ok('POST', '/keys/device_signing/upload', body);
    courier.carryAll();
    assert.deepEqual((await alice.sync()).device_lists.changed, [bob.userId]);
    universe.cut('a.test', 'b.test');
    const known = await alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } });
    assert.deepEqual(known.master_keys[bob.userId], body.master_key);
    assert.deepEqual(known.self_signing_keys[bob.userId], body.self_signing_key);
  });

  /**
   * What alice keeps by following /sync must be what she would get by asking b.test for everything, whatever happens
   * there and however slowly or badly it is told.
   */
  it('keep a client’s picture equal to a full recomputation, over lost updates, outages, leaving and coming back', async () => {
    const who = fc.nat(1);
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('device' as const), who }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('logout' as const), who }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('name' as const), who }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('toggle' as const), who }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('carry' as const), who }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), who }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const), who }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('sync' as const), who }) },
    );
    // To open servers takes longer than to walk: all walks are of people of the same two.
    await using universe = await Universe.open(['a.test', 'b.test']);
    let walks = 0;
    let changes = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30, size: 'max' }), async (steps) => {
        universe.heal('a.test', 'b.test');
        const suffix = `${walks++}`;
        const { a, b, alice, bob, courier } = await couple(universe, suffix);
        const people = [bob, await TestDevice.register(b, `carol${suffix}`)];
        for (const person of people) await person.uploadKeys();
        const room = new SharedRoom([a, b], alice.userId, `!shared${suffix}:a.test`);
        const inside = new Set<number>();
        const extra = people.map((): TestDevice[] => []);
        let isCut = false;
        let count = 0;
        const kept = new Map<string, string>();
        const dirty = new Set<string>();
        const ask = async (userId: string) => alice.ok('POST', '/keys/query', { device_keys: { [userId]: [] } });
        const sync = async () => {
          const { changed = [], left = [] } = (await alice.sync()).device_lists ?? {};
          for (const userId of left as string[]) {
            kept.delete(userId);
            dirty.delete(userId);
          }
          for (const userId of changed as string[]) if (userId !== alice.userId) dirty.add(userId);
          for (const userId of dirty) {
            changes++;
            const { device_keys: keys, failures } = await ask(userId);
            if (Object.keys(failures).length > 0) continue;
            kept.set(userId, JSON.stringify(keys[userId]));
            dirty.delete(userId);
          }
        };
        await sync();
        // All begin together, or hardly anything would be seen.
        const together = people.map((_, who) => ({ do: 'toggle' as const, who }));
        for (const { do: what, who: index } of [...together, ...steps]) {
          const person = people[index] as TestDevice;
          const devices = extra[index] as TestDevice[];
          if (what === 'device') {
            const device = await person.sibling(`D${count++}`);
            await device.uploadKeys();
            devices.push(device);
          } else if (what === 'logout') await devices.pop()?.ok('POST', '/logout');
          else if (what === 'name') {
            await person.ok('PUT', `/devices/${person.deviceId}`, { display_name: `name ${count++}` });
          } else if (what === 'toggle') {
            room.member(person.userId, inside.has(index) ? 'leave' : 'join');
            if (!inside.delete(index)) inside.add(index);
          } else if (what === 'carry' && !isCut) courier.carry(2);
          else if (what === 'lose') courier.carry(2, true);
          else if (what === 'cut') {
            isCut = !isCut;
            if (isCut) universe.cut('a.test', 'b.test');
            else universe.heal('a.test', 'b.test');
          } else if (what === 'sync') await sync();
        }
        universe.heal('a.test', 'b.test');
        // Whatever was lost is found out by the next update at the latest.
        for (const person of people) await person.ok('PUT', `/devices/${person.deviceId}`, { display_name: 'last' });
        courier.carryAll();
        await settled(universe);
        // A server that failed is left alone for a while; clients ask again.
        await universe.until(async () => {
          await sync();
          if (dirty.size > 0) universe.clock.advance(60_000);
          return dirty.size === 0;
        }, 'everybody’s keys are known');
        const sharing = [...inside].map((index) => (people[index] as TestDevice).userId);
        assert.deepEqual([...kept.keys()].sort(), sharing.sort());
        for (const index of inside) {
          const person = people[index] as TestDevice;
          const { device_keys: truth } = await person.ok('POST', '/keys/query', {
            device_keys: { [person.userId]: [] },
          });
          assert.deepEqual(JSON.parse(kept.get(person.userId) ?? ''), truth[person.userId]);
        }
      }),
      // One that fails may have waited for long: it is not tried to find a shorter one.
      { seed: 5, numRuns: 15, endOnFailure: true },
    );
    assert.ok(changes > 60, `${changes} changes were seen`);
  });
});
