import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flagsOf } from '../../support/federation/room-comparison.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Guest } from './joining-world.ts';

const bodiesOf = (events: readonly { content: { body?: string } }[]) =>
  events.map(({ content }) => content.body).filter((body) => body !== undefined);

for (const version of ['1', '6', '12']) {
  describe(`the time before a join, room version ${version}`, () => {
    const scene = async (universe: Universe) => {
      const world = universe.world('a.test');
      const room = ScriptedRoom.create(universe.script('b.test'), version).serve();
      const say = (body: string, prevEvents = room.ends) =>
        room.add({ type: 'm.room.message', content: { msgtype: 'm.text', body }, prevEvents });
      const early = [1, 2, 3].map((n) => say(`early ${n}`).eventId);
      const alice = await Guest.register(world, 'alice');
      assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
      return { world, room, say, early, alice };
    };

    it('is not begun anew by whoever sends its events again', async () => {
      await using universe = await Universe.open(['a.test']);
      const { world, room } = await scene(universe);
      const known = [...room.entries.values()].filter(({ pdu }) => pdu.state_key !== undefined);
      const before = known.map(({ eventId }) => flagsOf(world, eventId));
      for (const { pdu } of known) await room.server.send('a.test', [pdu]);
      const isRejected = (eventId: string) => ((flagsOf(world, eventId) ?? 0) & 1) !== 0;
      assert.deepEqual(before.length, known.length);
      assert.deepEqual(known.filter(({ eventId }) => isRejected(eventId)), []); // biome-ignore format: short
    });

    it('is no news when an event goes on from it', async () => {
      await using universe = await Universe.open(['a.test']);
      const { room, say, early, alice } = await scene(universe);
      const { next_batch: since } = await alice.sync();
      const fork = say('from a fork', [early[1] as (typeof early)[0]]);
      await room.server.send('a.test', [fork.pdu]);
      const { timeline } = (await alice.sync(since)).rooms.join[room.roomId];
      assert.deepEqual([bodiesOf(timeline.events), timeline.limited], [['from a fork'], false]);
      const path = `/rooms/${encodeURIComponent(room.roomId)}/messages?dir=b&limit=100`;
      const { chunk } = await alice.ok('GET', path);
      assert.deepEqual(bodiesOf(chunk), ['from a fork', 'early 3', 'early 2', 'early 1']);
    });
  });
}
