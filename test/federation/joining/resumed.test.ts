import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import type { ServerName } from '../../../src/protocol/ids/types.ts';
import { asUserId } from '../../../src/protocol/ids/user-id.ts';
import { checkConsistency } from '../../../src/store/check.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import type { World } from '../../support/servers/world.ts';
import { Guest, isUnknown, nothingIsLeft } from './joining-world.ts';

/** What a crash leaves of a join: the note of it, events, and the first entries of the state. */
function crashDuring(
  world: World,
  room: ScriptedRoom,
  guest: Guest,
  servers: readonly string[],
  entries: number,
): void {
  const { db, stores, streams, services } = world.hs;
  const { interning, stateImports, pendingJoins, roomState } = stores;
  db.write<void>(() => {
    const nid = interning.room(room.roomId);
    const user = interning.user(asUserId(guest.userId));
    pendingJoins.begin({ room: nid, user, servers: servers as readonly ServerName[], said: { displayname: 'Al' } });
    if (entries < 0) return;
    let begun = stateImports.begin(nid, streams.next());
    const events = [...room.entries.values()].map(({ pdu, eventId }) => {
      const { unsigned: _unsigned, ...bare } = pdu;
      return { pdu, eventId, canonical: canonicalJson(bare), redacted: false };
    });
    const { added } = services.rooms.outliers.add({ nid, roomId: room.roomId, rules: room.rules }, events);
    if (roomState.info(nid) !== undefined) begun = stateImports.replace(begun);
    while (begun.replaces && stateImports.clearSome(begun));
    const counts = { joined: 0, invited: 0, knocked: 0, banned: 0, servers: 0, states: 0 };
    const rows = stores.events.rows([...added.values()].slice(0, entries));
    const state = rows.map((row) => [row.stateKey as NonNullable<typeof row.stateKey>, row.nid] as const);
    stateImports.add(begun, state, counts);
  });
}

const isDone = (world: World) => world.hs.stores.pendingJoins.list(0).length === 0;

describe('a join that a crash has interrupted', () => {
  for (const version of ['6', '12']) {
    for (const entries of [-1, 0, 2, 4]) {
      it(`is taken up again in version ${version}, with ${entries} entries of the state written`, async () => {
        await using universe = await Universe.open(['a.test']);
        const room = ScriptedRoom.create(universe.script('b.test'), version).serve();
        for (let i = 0; i < 20; i++) room.add({ type: 'org.test.thing', stateKey: `${i}`, content: { i } });
        const world = universe.world('a.test');
        const alice = await Guest.register(world, 'alice');
        crashDuring(world, room, alice, ['b.test'], entries);
        // It is not for those to remove who clear up after joins that have failed.
        assert.equal(world.hs.services.rooms.takeover.clearLeftover(), false);
        universe.clock.advance(15_000);
        await universe.until(() => isDone(world));
        nothingIsLeft(world);
        const { rooms } = await alice.sync();
        assert.equal(rooms.join[room.roomId].summary['m.joined_member_count'], 2);
        assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
        const state = await alice.ok('GET', `/rooms/${encodeURIComponent(room.roomId)}/state`);
        assert.equal(state.filter(({ type }: { type: string }) => type === 'org.test.thing').length, 20);
      });
    }
  }

  it('is taken up again in a room that was left before', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = ScriptedRoom.create(universe.script('b.test'), '11').serve();
    const world = universe.world('a.test');
    const alice = await Guest.register(world, 'alice');
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
    assert.equal((await alice.leave(room.roomId)).status, 200);
    crashDuring(world, room, alice, ['b.test'], 3);
    universe.clock.advance(15_000);
    await universe.until(() => isDone(world));
    nothingIsLeft(world);
    assert.equal((await alice.sync()).rooms.join[room.roomId].summary['m.joined_member_count'], 2);
    assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
  });

  it('goes on when somebody asks for it before it was taken up', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = ScriptedRoom.create(universe.script('b.test'), '11').serve();
    const world = universe.world('a.test');
    const alice = await Guest.register(world, 'alice');
    crashDuring(world, room, alice, ['b.test'], 2);
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
    assert.ok(isDone(world));
    nothingIsLeft(world);
    assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
  });

  it('is tried through other servers, and again while none answers; in the end it is given up', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = ScriptedRoom.create(universe.script('b.test'), '11').serve();
    const world = universe.world('a.test');
    const alice = await Guest.register(world, 'alice');
    crashDuring(world, room, alice, ['away.test'], 3);
    for (let tries = 1; tries <= 5; tries++) {
      universe.clock.advance(15_000);
      await universe.until(() => isDone(world) || world.hs.stores.pendingJoins.list(0)[0]?.tries === tries);
      await universe.until(() => world.hs.services.rooms.remote.whenEntered(room.roomId) === undefined);
    }
    await universe.until(() => isDone(world));
    while (world.hs.services.rooms.takeover.clearLeftover());
    isUnknown(world, room.roomId);
    crashDuring(world, room, alice, ['away.test', 'b.test'], 3);
    universe.clock.advance(15_000);
    await universe.until(() => isDone(world));
    assert.equal((await alice.sync()).rooms.join[room.roomId].summary['m.joined_member_count'], 2);
  });

  it('that was complete already is only noted as such', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = ScriptedRoom.create(universe.script('b.test'), '11').serve();
    const world = universe.world('a.test');
    const alice = await Guest.register(world, 'alice');
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
    assert.ok(isDone(world));
    crashDuring(world, room, alice, ['b.test'], -1);
    const calls = universe.calls.length;
    universe.clock.advance(15_000);
    await universe.until(() => isDone(world));
    assert.ok(!universe.calls.slice(calls).some(({ uri }) => uri.includes('/make_join/')));
  });
});
