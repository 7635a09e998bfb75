import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import type { RoomImport } from '../../../src/store/state/state-import.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import type { World } from '../../support/servers/world.ts';
import { Guest, isUnknown, nothingIsLeft } from './joining-world.ts';

const sendJoin = '/_matrix/federation/v2/send_join/{}/{}';

/** As much of a join as a crash may leave: events, and half a state. */
function halfAJoin(world: World, room: ScriptedRoom): RoomImport {
  const { db, stores, streams, services } = world.hs;
  return db.write(() => {
    const nid = stores.interning.room(room.roomId);
    const begun = stores.stateImports.begin(nid, streams.next());
    const events = [...room.entries.values()].map(({ pdu, eventId }) => {
      const { unsigned: _unsigned, ...bare } = pdu;
      return { pdu, eventId, canonical: canonicalJson(bare), redacted: false };
    });
    const { added } = services.rooms.outliers.add({ nid, roomId: room.roomId, rules: room.rules }, events);
    const replaced = stores.roomState.info(nid) === undefined ? begun : stores.stateImports.replace(begun);
    while (replaced.replaces && stores.stateImports.clearSome(replaced));
    const entries = stores.events
      .rows([...added.values()].slice(0, 3))
      .map(({ stateKey, nid: event }) => [stateKey as NonNullable<typeof stateKey>, event] as const);
    const counts = { joined: 0, invited: 0, knocked: 0, banned: 0, servers: 0, states: 0 };
    stores.stateImports.add(replaced, entries, counts);
    return replaced;
  });
}

describe('a join that is interrupted', () => {
  it('by the end of the server is called off, and nothing of it is left', async () => {
    await using universe = await Universe.open(['a.test']);
    const server = universe.script('b.test');
    const room = ScriptedRoom.create(server, '11').serve();
    server.on('PUT', sendJoin, () => {
      const body = new Readable({ read() {} });
      body.push('{"state":[');
      return { status: 200, headers: { 'Content-Type': 'application/json' }, body };
    });
    const alice = await Guest.register(universe.world('a.test'), 'alice');
    const joining = alice.join(room.roomId, ['b.test']);
    await universe.until(() => universe.calls.some(({ uri, status }) => uri.includes('/send_join/') && status === 200));
    await universe.restart('a.test');
    assert.ok((await joining).status >= 500);
    isUnknown(universe.world('a.test'), room.roomId);
  });

  it('by half an hour is called off', async () => {
    await using universe = await Universe.open(['a.test']);
    const server = universe.script('b.test');
    const room = ScriptedRoom.create(server, '11').serve();
    server.on('PUT', sendJoin, () => {
      const body = new Readable({ read() {} });
      body.push('{"state":[');
      return { status: 200, headers: { 'Content-Type': 'application/json' }, body };
    });
    const alice = await Guest.register(universe.world('a.test'), 'alice');
    const joining = alice.join(room.roomId, ['b.test']);
    await universe.until(() => universe.calls.some(({ uri, status }) => uri.includes('/send_join/') && status === 200));
    universe.clock.advance(31 * 60_000);
    assert.ok((await joining).status >= 500);
    isUnknown(universe.world('a.test'), room.roomId);
  });

  it('by a crash is cleared away later, and can be made again', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = ScriptedRoom.create(universe.script('b.test'), '12').serve();
    for (let i = 0; i < 20; i++) room.add({ type: 'org.test.thing', stateKey: `${i}`, content: { i } });
    const world = universe.world('a.test');
    const alice = await Guest.register(world, 'alice');
    halfAJoin(world, room);
    while (world.hs.services.rooms.takeover.clearLeftover());
    isUnknown(world, room.roomId);
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
    nothingIsLeft(world);
  });

  it('by a crash when the room was known before leaves it without state, and can be made again', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = ScriptedRoom.create(universe.script('b.test'), '11').serve();
    const world = universe.world('a.test');
    const alice = await Guest.register(world, 'alice');
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
    assert.equal((await alice.leave(room.roomId)).status, 200);
    const { room: nid } = halfAJoin(world, room);
    while (world.hs.services.rooms.takeover.clearLeftover());
    nothingIsLeft(world);
    const info = world.hs.stores.roomState.info(nid);
    assert.deepEqual([info?.joined, info?.states, info?.servers], [0, 0, 0]);
    assert.equal((await alice.leave(room.roomId)).status, 200);
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
    assert.equal((await alice.sync()).rooms.join[room.roomId].summary['m.joined_member_count'], 2);
  });
});
