import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type OutputOf, runOperation } from '../../../src/admin/operations.ts';
import type { UserId } from '../../../src/protocol/ids/types.ts';
import { shareWords } from '../../../src/rooms/ledger/ledger.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import type { World } from '../../support/servers/world.ts';
import { Guest } from '../joining/joining-world.ts';

const minute = 60_000;
const ledgerOf = (world: World) => runOperation(world.hs.admin, 'room/ledger', {}) as Promise<OutputOf<'room/ledger'>>;

/** A room elsewhere that alice is in, with so many people. */
async function entered(universe: Universe, people: number) {
  const world = universe.world('a.test');
  const alice = await Guest.register(world, 'alice');
  const room = ScriptedRoom.create(universe.script('b.test'), '11').serve();
  grow(room, 0, people);
  assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
  await universe.until(() => world.hs.stores.partialRooms.list(0).length === 0, 'that all members are here');
  return { world, alice, room };
}

function grow(room: ScriptedRoom, from: number, to: number) {
  for (let i = from; i < to; i++) {
    const user = room.server.user(`u${i}`);
    room.add({
      type: 'm.room.member',
      sender: user,
      stateKey: user,
      content: { membership: 'join', displayname: `${i} ${'x'.repeat(300)}` },
    });
  }
}

describe('hearth room ledger', () => {
  it('explains at least 95 % of the file, by rooms and by what belongs to none', async () => {
    await using universe = await Universe.open(['a.test']);
    const { world, alice, room } = await entered(universe, 300);
    const small = await alice.createRoom({ name: 'small' });
    await alice.say(small, 'hello');
    const ledger = await ledgerOf(world);
    const shared = Object.values(ledger.shared_bytes).reduce((sum, bytes) => sum + bytes, 0);
    const rooms = ledger.rooms.reduce((sum, { bytes }) => sum + bytes, 0);
    const explained = rooms + ledger.other_rooms.bytes + shared + ledger.free_bytes;
    const ratio = explained / ledger.file_bytes;
    assert.ok(ratio >= 0.95 && ratio <= 1.05, `${ratio}`);
    assert.deepEqual(
      ledger.rooms.map((each) => each.room_id),
      [room.roomId, small],
    );
    const [large, little] = ledger.rooms;
    assert.ok(large && little && large.bytes > 1.5 * little.bytes);
    assert.ok(
      (ledger.shared_bytes['everything else'] ?? 0) < 0.35 * ledger.file_bytes,
      JSON.stringify(ledger.shared_bytes),
    );
  });

  it('tells a room by what its removal gives back', async () => {
    await using universe = await Universe.open(['a.test']);
    const { world, alice, room } = await entered(universe, 1200);
    const used = () => {
      const { file, free } = world.hs.admin.database.sizes();
      return file - free;
    };
    const told = (await ledgerOf(world)).rooms.find((each) => each.room_id === room.roomId);
    const groups = told?.groups ?? {};
    const before = used();
    await alice.leave(room.roomId);
    await runOperation(world.hs.admin, 'room/purge', { room: room.roomId });
    universe.clock.advance(2 * minute);
    while (world.hs.services.rooms.purges.slice());
    const freed = before - used();
    // Names are removed by the sweep, days later; IDs of events as well.
    const expected = (told?.bytes ?? 0) - (groups['names'] ?? 0);
    assert.ok(freed > 0.5 * expected && freed < 1.3 * expected, `${freed} of ${expected}`);
  });

  it('counts events, deliveries and resolutions by the day', async () => {
    await using universe = await Universe.open(['a.test']);
    const { world, alice, room } = await entered(universe, 3);
    for (let i = 0; i < 23; i++) await alice.say(room.roomId, `${i}`);
    universe.clock.advance(24 * 60 * minute);
    const [entry] = (await ledgerOf(world)).rooms;
    assert.ok(entry);
    assert.equal(Math.round(entry.events_per_day), 24);
    assert.equal(Math.round(entry.deliveries_per_day), 24);
    assert.equal(entry.members, 5);
    assert.equal(entry.servers, 2);
  });

  it('says in words which rooms are most of the server', () => {
    const of = (...shares: number[]) => shareWords(shares.map((share, i) => ({ roomId: `!${i}:a` as never, share })));
    assert.equal(of(40, 30, 12, 5), 'These 3 rooms are 82 % of your server: !0:a, !1:a, !2:a');
    assert.equal(of(95, 5), 'This room is 95 % of your server: !0:a');
    assert.equal(of(9, 9, 9), undefined);
    assert.equal(of(), undefined);
  });
});

describe('a room that outgrows a limit', () => {
  const settings = (action: string) => ({ limits: { room: { max_members: 20, when_outgrown: action } } });

  it('is shown to the admin with what it costs', async () => {
    const lines: [string, unknown][] = [];
    const note = (event: string, fields?: unknown) => void lines.push([event, fields]);
    const log = { debug() {}, info() {}, warn: note, error() {}, child: () => log };
    await using universe = await Universe.open(['a.test'], settings('warn'), { log });
    const { world, alice, room } = await entered(universe, 10);
    for (let i = 10; i < 30; i++) await arrive(universe, room, i);
    await watch(universe, world);
    const warned = lines.filter(([event]) => event === 'limits.room_outgrown');
    assert.equal(warned.length, 1, 'once, not every hour');
    const [entry] = (await ledgerOf(world)).rooms;
    assert.deepEqual(
      entry?.above.map(({ limit }) => limit),
      ['max_members'],
    );
    assert.equal((await alice.say(room.roomId, 'still here')).length > 0, true);
    await runOperation(world.hs.admin, 'room/exempt', { room: room.roomId });
    assert.deepEqual((await ledgerOf(world)).rooms[0]?.above, []);
  });

  it('is told to the admins by a notice, where notices are enabled', async () => {
    const enabled = { ...settings('warn'), server_notices: { enabled: true } };
    await using universe = await Universe.open(['a.test'], enabled);
    const { world, alice, room } = await entered(universe, 10);
    world.hs.admin.accounts.setAdmin(alice.userId as UserId, true);
    for (let i = 10; i < 30; i++) await arrive(universe, room, i);
    await watch(universe, world);
    let invite = '';
    await universe.until(async () => {
      [invite = ''] = Object.keys((await alice.sync()).rooms.invite ?? {});
      return invite !== '';
    }, 'that the admin is called to the room of notices');
    await alice.join(invite);
    let told = '';
    await universe.until(async () => {
      const { chunk } = await alice.ok('GET', `/rooms/${encodeURIComponent(invite)}/messages?dir=b&limit=10`);
      told = chunk.find((event: { type: string }) => event.type === 'm.room.message')?.content.body ?? '';
      return told !== '';
    }, 'that the notice comes');
    assert.match(
      told,
      /has outgrown what this server allows: it has 32 members, and at most 20 are allowed here\. It takes/,
    );
    assert.match(told, /Your users stay in it\. "hearth room ledger" says/);
  });

  it('is left if the admin wants it so', async () => {
    await using universe = await Universe.open(['a.test'], settings('leave'));
    const { world, alice, room } = await entered(universe, 10);
    const own = await alice.createRoom();
    for (let i = 10; i < 30; i++) await arrive(universe, room, i);
    await watch(universe, world);
    const { joined_rooms: joined } = await alice.ok('GET', '/joined_rooms');
    assert.deepEqual(joined, [own]);
  });

  it('is held against limits and an action that were changed since', async () => {
    await using universe = await Universe.open(['a.test'], settings('warn'));
    const { world, alice } = await entered(universe, 10);
    assert.deepEqual((await ledgerOf(world)).rooms[0]?.above, []);
    const { inForce } = world.hs.settings;
    const room = { ...inForce.limits.room, maxMembers: 5, whenOutgrown: 'leave' } as const;
    world.hs.settings.takeOver({ ...inForce, limits: { room } });
    const [above] = (await ledgerOf(world)).rooms[0]?.above ?? [];
    assert.deepEqual([above?.limit, above?.allowed, above?.value], ['max_members', 5, 12]);
    await watch(universe, world);
    const { joined_rooms: joined } = await alice.ok('GET', '/joined_rooms');
    assert.deepEqual(joined, []);
  });
});

/** Somebody of the other server joins the room. */
async function arrive(universe: Universe, room: ScriptedRoom, i: number): Promise<void> {
  const user = room.server.user(`u${i}`);
  const { pdu } = room.add({ type: 'm.room.member', sender: user, stateKey: user, content: { membership: 'join' } });
  const path = `/_matrix/federation/v1/send/t${i}`;
  const { status } = await room.server.request('a.test', 'PUT', path, {
    origin: 'b.test',
    origin_server_ts: universe.clock.now(),
    pdus: [pdu] as never,
  });
  assert.equal(status, 200);
}

async function watch(universe: Universe, world: World): Promise<void> {
  const task = () => world.hs.services.rooms.meter.flush();
  task();
  for (let i = 0; i < 3; i++) {
    universe.clock.advance(61 * minute);
    await universe.until(() => true);
    for (let j = 0; j < 50; j++) await new Promise(setImmediate);
  }
}
