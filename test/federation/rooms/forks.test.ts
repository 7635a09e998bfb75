import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asRoomId } from '../../../src/protocol/ids/room-id.ts';
import { Universe } from '../../support/servers/universe.ts';
import type { World } from '../../support/servers/world.ts';
import { Guest } from '../joining/joining-world.ts';

const minute = 60_000;

/** The current state as a server has it: `type|state key` to event ID. */
function stateOf(world: World, roomId: string): Record<string, string> {
  const { interning, roomState } = world.hs.stores;
  const room = interning.findRoom(asRoomId(roomId)) ?? assert.fail();
  const entries = [...roomState.currentAll(room)].map(([key, nid]): [string, string] => {
    const { type, skey } = interning.stateKeyOf(key);
    return [`${type}|${skey}`, interning.eventId(nid)];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function endsOf(world: World, roomId: string): string[] {
  const { interning, extremities } = world.hs.stores;
  const room = interning.findRoom(asRoomId(roomId)) ?? assert.fail();
  return extremities
    .forward(room)
    .map((nid) => interning.eventId(nid))
    .toSorted();
}

for (const version of ['2', '10', '12']) {
  describe(`servers that were cut off from each other, room version ${version}`, () => {
    it('come to the same state of the room, with what happened on both sides', async () => {
      await using universe = await Universe.open(['a.test', 'b.test', 'c.test']);
      const names = ['a.test', 'b.test', 'c.test'];
      const [alice, bob, carol] = await Promise.all([
        Guest.register(universe.world('a.test'), 'alice'),
        Guest.register(universe.world('b.test'), 'bob'),
        Guest.register(universe.world('c.test'), 'carol'),
      ]);
      const call = (guest: Guest, method: string, path: string, content: unknown) => guest.ok(method, path, content);
      const { room_id: roomId } = await call(alice, 'POST', '/createRoom', {
        preset: 'public_chat',
        room_version: version,
        power_level_content_override: {
          users: { [alice.userId]: 100, [bob.userId]: 50 },
          ...(version === '12' ? { users: { [bob.userId]: 50 } } : {}),
        },
      });
      for (const guest of [bob, carol]) assert.equal((await guest.join(roomId, ['a.test'])).status, 200);
      const same = () => {
        const states = names.map((name) => JSON.stringify(stateOf(universe.world(name), roomId)));
        return states.every((state) => state === states[0]);
      };
      const sameEnds = () => {
        const ends = names.map((name) => endsOf(universe.world(name), roomId).join());
        return ends.every((end) => end === ends[0]);
      };
      await universe.until(() => same() && sameEnds(), 'the same room on all three');

      const room = `/rooms/${encodeURIComponent(roomId)}`;
      universe.cut('a.test', 'b.test');
      universe.cut('a.test', 'c.test');
      await call(alice, 'PUT', `${room}/state/m.room.topic/`, { topic: 'of alice' });
      await call(alice, 'PUT', `${room}/state/m.room.name/`, { name: 'of alice' });
      await call(alice, 'POST', `${room}/ban`, { user_id: carol.userId });
      for (let n = 0; n < 5; n++)
        await call(alice, 'PUT', `${room}/send/m.room.message/a${n}`, { body: `a${n}`, msgtype: 'm.text' });
      await call(bob, 'PUT', `${room}/state/m.room.topic/`, { topic: 'of bob' });
      await call(bob, 'PUT', `${room}/state/m.room.avatar/`, { url: 'mxc://b.test/x' });
      await call(carol, 'PUT', `${room}/state/m.room.member/${encodeURIComponent(carol.userId)}`, {
        membership: 'join',
        displayname: 'Carol',
      });
      await call(carol, 'PUT', `${room}/send/m.room.message/c`, { body: 'from carol', msgtype: 'm.text' });
      await universe.until(
        () => endsOf(universe.world('b.test'), roomId).join() === endsOf(universe.world('c.test'), roomId).join(),
      );

      universe.heal('a.test', 'b.test');
      universe.heal('a.test', 'c.test');
      universe.clock.advance(5 * minute);
      const said = [await alice.say(roomId, 'anybody there?'), await bob.say(roomId, 'yes')];
      const isHere = (name: string, id: string) => {
        const { interning, events } = universe.world(name).hs.stores;
        const nid = interning.findEvent(id);
        return nid !== undefined && (events.row(nid)?.pos ?? null) !== null;
      };
      await universe.until(() => {
        universe.clock.advance(minute);
        return same() && said.every((id) => isHere('a.test', id) && isHere('b.test', id));
      }, 'the same state on all three');
      const state = stateOf(universe.world('a.test'), roomId);
      const { interning, events } = universe.world('b.test').hs.stores;
      const member = interning.findEvent(state[`m.room.member|${carol.userId}`] ?? '') ?? assert.fail();
      assert.deepEqual((events.bare(member)['content'] as { membership: string }).membership, 'ban');
      assert.ok(state['m.room.name|'] && state['m.room.avatar|']);
      for (const guest of [alice, bob]) {
        const { chunk } = await guest.ok('GET', `${room}/messages?dir=b&limit=100`);
        const bodies = chunk.map((event: { content: { body?: string } }) => event.content.body);
        for (const body of ['a0', 'a4', 'yes', 'anybody there?'])
          assert.ok(bodies.includes(body), `${guest.userId} sees ${body}`);
      }
    });
  });
}
