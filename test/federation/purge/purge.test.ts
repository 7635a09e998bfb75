import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runOperation } from '../../../src/admin/operations.ts';
import { references, Sweep, type SweptKind } from '../../../src/store/sweep.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import type { World } from '../../support/servers/world.ts';
import { Guest } from '../joining/joining-world.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

/** A room elsewhere with people and messages, in which somebody of ours has talked, reacted, read and been told. */
async function lively(universe: Universe) {
  const world = universe.world('a.test');
  const alice = await Guest.register(world, 'alice');
  const bob = await Guest.register(world, 'bob');
  const room = ScriptedRoom.create(universe.script('b.test'), '11').serve();
  for (let i = 0; i < 40; i++) {
    const user = room.server.user(`u${i}`);
    room.add({ type: 'm.room.member', sender: user, stateKey: user, content: { membership: 'join' } });
  }
  assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
  assert.equal((await bob.join(room.roomId, ['b.test'])).status, 200);
  const here = encodeURIComponent(room.roomId);
  const first = await alice.say(room.roomId, 'alice and bob meet');
  for (let i = 0; i < 20; i++) await alice.say(room.roomId, `hello bob ${i} ${'x'.repeat(500)}`);
  const relates = { rel_type: 'm.thread', event_id: first };
  await alice.ok('PUT', `/rooms/${here}/send/m.room.message/t1`, {
    msgtype: 'm.text',
    body: 'bob',
    'm.relates_to': relates,
  });
  const reacts = { rel_type: 'm.annotation', event_id: first, key: '+' };
  const reaction = await bob.ok('PUT', `/rooms/${here}/send/m.reaction/t2`, { 'm.relates_to': reacts });
  await bob.ok('PUT', `/rooms/${here}/redact/${encodeURIComponent(reaction.event_id)}/t3`, {});
  await bob.ok('POST', `/rooms/${here}/receipt/m.read/${encodeURIComponent(first)}`, {});
  await bob.ok('PUT', `/user/${bob.userId}/rooms/${here}/tags/u.work`, { order: 1 });
  await alice.ok('PUT', `/directory/room/${encodeURIComponent('#lively:a.test')}`, { room_id: room.roomId });
  await alice.ok('POST', `/rooms/${here}/report`, { reason: 'spam' });
  return { world, alice, bob, room, first };
}

/** Columns of all tables that hold the number. */
function mentions(world: World, kind: SweptKind, nids: readonly number[]): string[] {
  const { db } = world.hs;
  const list = JSON.stringify(nids);
  return references[kind].filter((reference) => {
    const [table, column] = reference.split('.');
    const count = db
      .prepare<[string], number>(`SELECT count(*) FROM ${table} WHERE ${column} IN (SELECT value FROM json_each(?))`)
      .pluck()
      .get(list);
    return count !== 0;
  });
}

function eventsOf(world: World, room: number): number[] {
  return world.hs.db.prepare<[number], number>('SELECT nid FROM event WHERE room = ?').pluck().all(room);
}

function finish(world: World): number {
  let slices = 0;
  while (world.hs.services.rooms.purges.slice()) slices++;
  return slices;
}

async function left(people: readonly Guest[], room: string): Promise<void> {
  for (const each of people) assert.equal((await each.leave(room)).status, 200);
}

describe('hearth room purge', () => {
  it('leaves no row that names the room or its events, and nothing else is touched', async () => {
    await using universe = await Universe.open(['a.test']);
    const { world, alice, bob, room } = await lively(universe);
    const other = await alice.createRoom({ preset: 'public_chat' });
    await alice.say(other, 'stays');
    const { interning } = world.hs.stores;
    const nid = interning.findRoom(room.roomId);
    assert.ok(nid);
    const ask = (input: unknown) => runOperation(world.hs.admin, 'room/purge', input);

    await assert.rejects(ask({ room: room.roomId }), { code: 'refused' });
    const before = eventsOf(world, nid);
    assert.ok(mentions(world, 'event_id', before).length > 20);
    await ask({ room: room.roomId, leave: true });
    const events = [...new Set([...before, ...eventsOf(world, nid)])];
    // What was sent last is delivered before.
    universe.clock.advance(2 * minute);
    finish(world);

    assert.deepEqual(mentions(world, 'room', [nid]), []);
    assert.deepEqual(mentions(world, 'event_id', events), []);
    const count = world.hs.db.prepare<[], number>('SELECT count(*) FROM event').pluck().get();
    assert.equal(count, eventsOf(world, interning.findRoom(other) ?? 0).length);
    const { rooms } = await alice.sync();
    assert.deepEqual(Object.keys(rooms.join), [other]);
    assert.equal(rooms.join[other].timeline.events.at(-1).content.body, 'stays');
    await bob.sync();
  });

  it('gives the strings of the room back to the sweep, and the space to the disk', async () => {
    await using universe = await Universe.open(['a.test']);
    const { world, alice, bob, room } = await lively(universe);
    const { db, stores } = world.hs;
    const nid = stores.interning.findRoom(room.roomId) ?? 0;
    const [event] = eventsOf(world, nid);
    const pages = () => db.prepare<[], number>('PRAGMA page_count').pluck().get() ?? 0;
    const before = pages();
    await left([alice, bob], room.roomId);
    await runOperation(world.hs.admin, 'room/purge', { room: room.roomId });
    universe.clock.advance(2 * minute);
    finish(world);
    const sweep = new Sweep(db, stores.interning, { clock: universe.clock, serverName: world.name });
    for (const _ of Object.keys(references)) {
      while (sweep.slice());
      // Not by the server's own timers, which would sweep as well.
      universe.clock.advance(61 * minute);
      while (sweep.slice());
      universe.clock.advance(day);
    }
    sweep.stop();
    assert.equal(stores.interning.findRoom(room.roomId), undefined);
    assert.equal(stores.interning.findUser('@u7:b.test'), undefined);
    assert.equal(
      db
        .prepare<[number], 1>('SELECT 1 FROM event_id WHERE nid = ?')
        .pluck()
        .get(event ?? 0),
      undefined,
    );
    while (db.vacuumSome(100) > 0);
    assert.ok(pages() < before, `${pages()} pages of ${before}`);
  });

  it('goes on after a restart, in slices; meanwhile the room cannot be entered, and afterwards it can', async () => {
    await using universe = await Universe.open(['a.test']);
    const { alice, bob, room } = await lively(universe);
    await left([alice, bob], room.roomId);
    await runOperation(universe.world('a.test').hs.admin, 'room/purge', { room: room.roomId });
    const again = await alice.join(room.roomId, ['b.test']);
    assert.equal(again.status, 503);
    universe.clock.advance(2 * minute);
    for (let i = 0; i < 15; i++) assert.ok(universe.world('a.test').hs.services.rooms.purges.slice());
    await universe.restart('a.test');
    assert.ok(finish(universe.world('a.test')) > 3);
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
    const { rooms } = await alice.sync();
    assert.equal(rooms.join[room.roomId].summary['m.joined_member_count'], 42);
  });

  it('takes in nothing that others still send for the room, neither meanwhile nor afterwards; an invite it does', async () => {
    await using universe = await Universe.open(['a.test']);
    const { world, alice, bob, room } = await lively(universe);
    const nid = world.hs.stores.interning.findRoom(room.roomId) ?? 0;
    await left([alice, bob], room.roomId);
    await runOperation(world.hs.admin, 'room/purge', { room: room.roomId });
    const late = async () => {
      const message = room.add({ type: 'm.room.message', content: { msgtype: 'm.text', body: 'is anybody there?' } });
      assert.equal((await room.server.send('a.test', [message.pdu])).status, 200);
    };
    await late();
    universe.clock.advance(2 * minute);
    for (let i = 0; i < 5; i++) world.hs.services.rooms.purges.slice();
    await late();
    finish(world);
    await late();
    assert.deepEqual(mentions(world, 'room', [nid]), []);
    const carol = await Guest.register(world, 'carol');
    const invite = room.add({ type: 'm.room.member', stateKey: carol.userId, content: { membership: 'invite' } });
    const path = `/_matrix/federation/v2/invite/${encodeURIComponent(room.roomId)}/${encodeURIComponent(invite.eventId)}`;
    const content = { room_version: '11', event: invite.pdu as never, invite_room_state: [] };
    assert.equal((await room.server.request('a.test', 'PUT', path, content)).status, 200);
    assert.deepEqual(Object.keys((await carol.sync()).rooms.invite), [room.roomId]);
    const joined = await carol.join(room.roomId, ['b.test']);
    assert.equal(joined.status, 200, joined.json.error);
  });

  it('is done by itself for rooms that nobody has been in for purge.empty_rooms_after', async () => {
    await using universe = await Universe.open(['a.test'], { purge: { empty_rooms_after: '3d' } });
    const { world, alice, bob, room } = await lively(universe);
    const nid = world.hs.stores.interning.findRoom(room.roomId) ?? 0;
    await left([alice], room.roomId);
    const later = (time: number) => {
      universe.clock.advance(time);
      finish(world);
    };
    later(4 * day);
    later(4 * day);
    assert.ok(eventsOf(world, nid).length > 0, 'bob is still in it');
    await left([bob], room.roomId);
    later(2 * minute + 60 * minute);
    later(2 * day);
    assert.ok(eventsOf(world, nid).length > 0, 'the three days are not over');
    assert.equal((await bob.join(room.roomId, ['b.test'])).status, 200);
    later(2 * day);
    later(2 * day);
    assert.ok(eventsOf(world, nid).length > 0, 'bob has come back');
    // Of alice’s leave that server knows nothing.
    await left([alice, bob], room.roomId);
    later(61 * minute);
    later(3 * day + minute);
    later(3 * minute);
    assert.deepEqual(mentions(world, 'room', [nid]), []);
  });

  it('says so where nothing is stored', async () => {
    await using universe = await Universe.open(['a.test']);
    const ask = (input: unknown) => runOperation(universe.world('a.test').hs.admin, 'room/purge', input);
    await assert.rejects(ask({ room: '!nowhere:b.test' }), { code: 'not_found' });
  });
});
