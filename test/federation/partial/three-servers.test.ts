import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asUserId } from '../../../src/protocol/ids/user-id.ts';
import { stateOf } from '../../support/federation/room-comparison.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Guest } from '../joining/joining-world.ts';

const names = ['a.test', 'b.test', 'c.test'];

describe('three servers, of which one does not know the members yet', () => {
  for (const version of ['6', '12']) {
    it(`agree on everything that happened meanwhile (room version ${version})`, async () => {
      await using universe = await Universe.open(names);
      const [alice, bob, carol, dave] = await Promise.all([
        Guest.register(universe.world('a.test'), 'alice'),
        Guest.register(universe.world('b.test'), 'bob'),
        Guest.register(universe.world('c.test'), 'carol'),
        Guest.register(universe.world('c.test'), 'dave'),
      ]);
      const room = await bob.createRoom({ preset: 'public_chat', room_version: version, name: 'Hall' });
      for (const guest of [carol, dave]) assert.equal((await guest.join(room, ['b.test'])).status, 200);
      const { stores, services, db } = universe.world('a.test').hs;
      // Nobody asks how large a room is that no limit holds for: it may be a large one.
      const exempt = asUserId(alice.userId);
      services.rooms.exemptions.user(exempt, true);
      const { promise, resolve: letCome } = Promise.withResolvers<void>();
      universe.network.holds = ({ uri }) => (uri.includes('/v1/state/') ? promise : undefined);
      assert.equal((await alice.join(room, ['b.test'])).status, 200);
      const nid = services.rooms.known.get(room).nid;
      assert.ok(stores.partialRooms.has(nid));
      const said = [await alice.say(room, 'one'), await carol.say(room, 'two'), await bob.say(room, 'three')];
      await dave.leave(room);
      await bob.ok('PUT', `/rooms/${encodeURIComponent(room)}/state/m.room.topic`, { topic: 'new' });
      await bob.ok('POST', `/rooms/${encodeURIComponent(room)}/ban`, { user_id: dave.userId });
      const agree = () => new Set(names.map((name) => JSON.stringify(stateOf(universe.world(name), room)))).size === 1;
      const isKnown = (name: string) => {
        const { interning, events } = universe.world(name).hs.stores;
        return said.every((id) => {
          const event = interning.findEvent(id);
          return event !== undefined && events.row(event)?.segment !== null;
        });
      };
      await universe.until(() => names.every(isKnown), 'that all hear all');
      assert.ok(stores.partialRooms.has(nid));
      assert.ok(!agree());
      letCome();
      await universe.until(() => {
        universe.clock.advance(100);
        return !stores.partialRooms.has(nid) && agree();
      }, 'that all agree');
      const partial = db.prepare<[], number>('SELECT count(*) FROM event WHERE (flags & 32) <> 0').pluck().get();
      assert.equal(partial, 0);
      const body = async (guest: Guest) => {
        const { chunk } = await guest.ok('GET', `/rooms/${encodeURIComponent(room)}/messages?dir=b&limit=50`);
        return chunk
          .map((event: { content: { body?: string } }) => event.content.body)
          .filter(Boolean)
          .sort();
      };
      for (const guest of [alice, bob, carol]) assert.deepEqual(await body(guest), ['one', 'three', 'two']);
    });
  }
});
