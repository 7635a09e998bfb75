import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runOperation } from '../../src/admin/operations.ts';
import { Guest } from '../federation/joining/joining-world.ts';
import { Universe } from '../support/servers/universe.ts';
import type { World } from '../support/servers/world.ts';

const minute = 60_000;

/** From now on nothing can be written, until `empty`. */
function fill(world: World): Disposable & { empty(): void } {
  const { db } = world.hs;
  const write = () => {
    throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
  };
  Object.assign(db, { write });
  const empty = () => void Reflect.deleteProperty(db, 'write');
  return { empty, [Symbol.dispose]: empty };
}

async function twoServers() {
  const universe = await Universe.open(['a.test', 'b.test']);
  const world = universe.world('a.test');
  const alice = await Guest.register(world, 'alice');
  const bob = await Guest.register(universe.world('b.test'), 'bob');
  const room = await bob.createRoom({ preset: 'public_chat' });
  assert.equal((await alice.join(room, ['b.test'])).status, 200);
  return { universe, world, alice, bob, room, [Symbol.asyncDispose]: () => universe[Symbol.asyncDispose]() };
}

describe('a disk that something else has filled', () => {
  it('is told to people and to the admin in words, and reading goes on', async () => {
    await using stood = await twoServers();
    const { world, alice, room } = stood;
    using disk = fill(world);
    const here = `/rooms/${encodeURIComponent(room)}`;
    for (const [method, path, body] of [
      ['PUT', `${here}/send/m.room.message/1`, { msgtype: 'm.text', body: 'no' }],
      ['POST', `${here}/leave`, {}],
      ['POST', '/createRoom', {}],
    ] as const) {
      const { status, json } = await alice.call(method, path, body);
      assert.deepEqual([path, status, json.errcode], [path, 507, 'M_RESOURCE_LIMIT_EXCEEDED']);
      assert.match(json.error, /disk of this server is (nearly )?full/);
      assert.ok(json.admin_contact);
    }
    await alice.sync();
    await assert.rejects(runOperation(world.hs.admin, 'room/purge', { room, leave: true }));
    disk.empty();
    await alice.say(room, 'here again');
  });

  it('loses nothing of what other servers send: they keep it, and it comes when there is room', async () => {
    await using stood = await twoServers();
    const { universe, world, alice, bob, room } = stood;
    const { next_batch: since } = await alice.sync();
    using disk = fill(world);
    const sent = await bob.say(room, 'is anybody there?');
    const device = { messages: { [alice.userId]: { '*': { body: 'psst' } } } };
    await bob.ok('PUT', '/sendToDevice/org.test/1', device);
    await universe.until(() => universe.calls.some(({ uri }) => uri.includes('/v1/send/')));
    for (let i = 0; i < 20; i++) await tick(universe, minute);
    disk.empty();
    let news = { rooms: '', devices: '' };
    await universe.until(async () => {
      universe.clock.advance(minute);
      const { rooms, to_device: devices } = await alice.sync(since);
      news = { rooms: JSON.stringify(rooms ?? {}), devices: JSON.stringify(devices ?? {}) };
      return news.rooms.includes(sent) && news.devices.includes('psst');
    });
  });

  it('ends nothing: hours later the server goes on, and tells whoever was out of reach', async () => {
    await using stood = await twoServers();
    const { universe, world, alice, bob, room } = stood;
    const here = `/rooms/${encodeURIComponent(room)}`;
    const far = await Guest.register(await universe.add('c.test'), 'carol');
    assert.equal((await far.join(room, ['b.test'])).status, 200);
    universe.cut('a.test', 'c.test');
    const before = await alice.say(room, 'before');
    await universe.until(() => world.hs.stores.destinations.page(0, 10).length > 0);
    await alice.ok('PUT', `${here}/typing/${encodeURIComponent(alice.userId)}`, { typing: true, timeout: 30_000 });
    const later = `/rooms/${encodeURIComponent(room)}/send/m.room.message/later?org.matrix.msc4140.delay=${5 * minute}`;
    await alice.ok('PUT', later, { msgtype: 'm.text', body: 'later' });
    let said = '';
    {
      using _full = fill(world);
      for (let i = 0; i < 90; i++) {
        if (i % 10 === 0) said = await bob.say(room, `while it was full ${i}`);
        if (i === 45) universe.heal('a.test', 'c.test');
        await tick(universe, 2 * minute);
      }
    }
    const after = await alice.say(room, 'afterwards');
    await universe.until(async () => {
      universe.clock.advance(minute);
      const has = async (guest: Guest, event: string) =>
        (await guest.call('GET', `${here}/event/${encodeURIComponent(event)}`)).status === 200;
      return (await has(alice, said)) && (await has(far, before)) && (await has(far, after));
    });
  });

  it('does not have a server forgotten whom a message did not reach meanwhile', async () => {
    await using stood = await twoServers();
    const { universe, world, alice, bob, room } = stood;
    const { next_batch: since } = await bob.sync();
    // The disk gets full while the message is on its way, where it is lost. What else was to be told may go before it.
    let isSaid = false;
    let disk: Disposable | undefined;
    universe.network.swallows = ({ from, uri }) => {
      if (from !== 'a.test' || !uri.includes('/v1/send/')) return false;
      if (isSaid) disk ??= fill(world);
      return true;
    };
    const sent = await alice.say(room, 'does this arrive?');
    isSaid = true;
    await universe.until(() => {
      universe.clock.advance(minute);
      return disk !== undefined;
    });
    for (let i = 0; i < 10; i++) await tick(universe, minute);
    universe.network.swallows = undefined;
    disk?.[Symbol.dispose]();
    await universe.until(async () => {
      universe.clock.advance(minute);
      return JSON.stringify(await bob.sync(since)).includes(sent);
    });
  });
});

async function tick(universe: Universe, time: number): Promise<void> {
  universe.clock.advance(time);
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
}
