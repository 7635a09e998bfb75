import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TestDevice } from '../../support/clients/e2ee.ts';
import { World } from '../../support/servers/world.ts';

/** As if so many were in the room. */
function setJoined({ hs }: World, roomId: string, joined: number): void {
  const room = hs.stores.interning.findRoom(roomId) ?? 0;
  const set = hs.db.prepare<[number, number], never>('UPDATE room_info SET joined = ? WHERE room = ?');
  hs.db.write<void>(() => void set.run(joined, room));
}

describe('device_lists in /sync', () => {
  it('names who shares a room and has new keys, oneself too, and nobody else', async () => {
    await using world = await World.open();
    const alice = await TestDevice.register(world, 'alice');
    const bob = await TestDevice.register(world, 'bob');
    const carol = await TestDevice.register(world, 'carol');
    await bob.join(await alice.createRoom());
    for (const device of [alice, bob, carol]) await device.sync();
    const from = alice.since;
    await bob.uploadKeys();
    await carol.uploadKeys();
    const news = { changed: [bob.userId], left: [] };
    assert.deepEqual((await alice.sync()).device_lists, news);
    assert.deepEqual((await bob.sync()).device_lists, news);
    assert.deepEqual((await carol.sync()).device_lists, { changed: [carol.userId], left: [] });
    assert.equal((await alice.sync()).device_lists, undefined);
    await bob.uploadKeys();
    assert.equal((await alice.sync()).device_lists, undefined, 'the same keys again are no change');
    assert.deepEqual(await alice.ok('GET', `/keys/changes?from=${from}&to=${alice.since}`), news);
  });

  it('is told whatever rooms the filter chooses', async () => {
    await using world = await World.open();
    const alice = await TestDevice.register(world, 'alice');
    const bob = await TestDevice.register(world, 'bob');
    const room = await alice.createRoom();
    await alice.sync();
    await bob.join(room);
    const filter = encodeURIComponent('{"room":{"rooms":[]}}');
    const answer = await alice.ok('GET', `/sync?since=${alice.since}&filter=${filter}`);
    assert.deepEqual(answer.device_lists, { changed: [bob.userId], left: [] });
    assert.equal(answer.rooms, undefined);
  });

  it('names newcomers of large rooms only if they are encrypted, and all members once encryption is switched on', async () => {
    await using world = await World.open();
    const alice = await TestDevice.register(world, 'alice');
    const bob = await TestDevice.register(world, 'bob');
    const { room_id: room } = await alice.ok('POST', '/createRoom', { preset: 'public_chat' });
    await bob.join(room as string);
    assert.deepEqual((await alice.sync()).device_lists, undefined);
    await bob.leave(room as string);
    assert.deepEqual((await alice.sync()).device_lists, { changed: [], left: [bob.userId] });
    setJoined(world, room as string, 501);
    await bob.join(room as string);
    assert.equal((await alice.sync()).device_lists, undefined);
    setJoined(world, room as string, 2);
    await alice.ok('PUT', `/rooms/${encodeURIComponent(room as string)}/state/m.room.encryption`, {
      algorithm: 'm.megolm.v1.aes-sha2',
    });
    assert.deepEqual((await alice.sync()).device_lists, { changed: [bob.userId], left: [] });
    await bob.leave(room as string);
    assert.deepEqual((await alice.sync()).device_lists, { changed: [], left: [bob.userId] });
  });

  it('names who leaves the last encrypted room, though another room is still shared', async () => {
    await using world = await World.open();
    const alice = await TestDevice.register(world, 'alice');
    const bob = await TestDevice.register(world, 'bob');
    const encryption = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } };
    const create = async (initial_state: object[]) =>
      (await alice.ok('POST', '/createRoom', { preset: 'public_chat', initial_state })).room_id as string;
    const [one, two, plain] = [await create([encryption]), await create([encryption]), await create([])];
    for (const room of [one, two, plain]) await bob.join(room);
    await alice.sync();
    await bob.leave(one);
    assert.equal((await alice.sync()).device_lists, undefined);
    const before = alice.since;
    await bob.leave(two);
    const left = { changed: [], left: [bob.userId] };
    assert.deepEqual((await alice.sync()).device_lists, left);
    assert.deepEqual(await alice.ok('GET', `/keys/changes?from=${before}&to=${alice.since}`), left);
    await bob.uploadKeys();
    assert.deepEqual((await alice.sync()).device_lists, { changed: [bob.userId], left: [] }, 'a room is shared still');
    await alice.leave(plain);
    assert.deepEqual((await alice.sync()).device_lists, left);
  });

  it('answers 400 to what is no token', async () => {
    await using world = await World.open();
    const alice = await TestDevice.register(world, 'alice');
    const { next_batch: token } = await alice.sync();
    const cases: [string, string][] = [
      [`?from=${token}`, 'M_MISSING_PARAM'],
      [`?to=${token}`, 'M_MISSING_PARAM'],
      [`?from=x&to=${token}`, 'M_INVALID_PARAM'],
      [`?from=${token}&to=h1_99_1`, 'M_INVALID_PARAM'],
    ];
    for (const [query, errcode] of cases) {
      const answer = await alice.call('GET', `/keys/changes${query}`);
      assert.deepEqual([answer.status, answer.json.errcode], [400, errcode], query);
    }
  });

  /**
   * A client that keeps the keys of all who share a room with it, and asks again only for those whom it is told: what it
   * has must be what it would get by asking for everything.
   */
  it('keeps a client’s picture equal to a full recomputation, however joining, leaving and new keys interleave', async () => {
    const person = fc.integer({ min: 1, max: 3 });
    const place = fc.nat(1);
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ do: fc.constant('toggle' as const), person: fc.nat(3), place }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('keys' as const), person, place }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('name' as const), person, place }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('sync' as const), person, place }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await using world = await World.open();
        const people: TestDevice[] = [];
        for (const name of ['alice', 'bob', 'carol', 'dave']) people.push(await TestDevice.register(world, name));
        const [alice, host] = [people[0] as TestDevice, await TestDevice.register(world, 'host')];
        const rooms = [await host.createRoom(), await host.createRoom()];
        const inside = rooms.map(() => new Set<number>());
        const kept = new Map<string, string>();
        const keysOf = async (userId: string) =>
          JSON.stringify(await alice.ok('POST', '/keys/query', { device_keys: { [userId]: [] } }));
        const sharing = () => {
          const users = new Set<string>();
          for (const room of inside) {
            if (!room.has(0)) continue;
            users.add(host.userId);
            for (const index of room) users.add((people[index] as TestDevice).userId);
          }
          users.delete(alice.userId);
          return users;
        };
        const sync = async () => {
          const { changed = [], left = [] } = (await alice.sync()).device_lists ?? {};
          for (const userId of left as string[]) kept.delete(userId);
          for (const userId of changed as string[]) kept.set(userId, await keysOf(userId));
          kept.delete(alice.userId);
          const shares = sharing();
          for (const userId of left as string[]) assert.ok(!shares.has(userId));
          assert.deepEqual([...kept.keys()].sort(), [...shares].sort());
          for (const [userId, keys] of kept) assert.equal(keys, await keysOf(userId), userId);
        };
        await sync();
        let generation = 0;
        for (const { do: what, person: index, place: where } of steps) {
          const who = people[index] as TestDevice;
          const room = rooms[where] as string;
          const members = inside[where] as Set<number>;
          if (what === 'sync') await sync();
          else if (what === 'keys') {
            const extra = { ...(who.deviceKeys()['keys'] as object), 'x:y': `${generation++}` };
            await who.uploadKeys({ device_keys: { ...who.deviceKeys(), keys: extra } });
          } else if (what === 'name') {
            await who.ok('PUT', `/profile/${encodeURIComponent(who.userId)}/displayname`, {
              displayname: `name ${generation++}`,
            });
          } else if (members.delete(index)) await who.leave(room);
          else {
            members.add(index);
            await who.join(room);
          }
        }
        await sync();
      }),
      { seed: 3, numRuns: 12 },
    );
  });
});
