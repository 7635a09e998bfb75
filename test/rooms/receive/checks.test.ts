import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { Universe } from '../../support/servers/universe.ts';
import { SharedRoom } from './shared-room.ts';

const text = (body: string) => ({ type: 'm.room.message', content: { body, msgtype: 'm.text' } });

for (const version of ['1', '6', '10', '12']) {
  describe(`PUT /send/{txnId}, events of a room of version ${version}`, () => {
    it('are shown to who is in the room, in the order in which they were sent', async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), version);
      const { next } = await room.sync();
      const events = [room.scripted.add(text('one')), room.scripted.add(text('two')), room.scripted.add(text('three'))];
      const answer = await room.send(...events);
      assert.deepEqual(answer, Object.fromEntries(events.map(({ eventId }) => [eventId, {}])));
      const { room: shown } = await room.sync(next);
      assert.deepEqual(
        shown.timeline.events.map((event: JsonObject) => event['event_id']),
        events.map(({ eventId }) => eventId),
      );
      assert.equal(shown.timeline.limited, false);
      assert.deepEqual(room.ends(), [events[2]?.eventId]);
    });

    it('change the state', async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), version);
      const bob = room.scripted.server.user('bob');
      const events = [
        room.scripted.add({ type: 'm.room.name', stateKey: '', content: { name: 'Room' } }),
        room.scripted.add({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join' } }),
        room.scripted.add({ ...text('from bob'), sender: bob }),
      ];
      await room.send(...events);
      assert.deepEqual(
        events.map(({ eventId }) => room.stored(eventId)),
        ['accepted', 'accepted', 'accepted'],
      );
      assert.equal(room.state().get('m.room.name|'), events[0]?.eventId);
      assert.equal(room.state().get(`m.room.member|${bob}`), events[1]?.eventId);
    });

    it('are taken once, whatever order they come in', async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), version);
      const events = [room.scripted.add(text('one')), room.scripted.add(text('two')), room.scripted.add(text('three'))];
      await room.send(...events.toReversed());
      await room.send(...events);
      const { room: shown } = await room.sync();
      const ids: EventId[] = shown.timeline.events.map((event: JsonObject) => event['event_id']).slice(-3);
      assert.deepEqual(
        ids,
        events.map(({ eventId }) => eventId),
      );
    });
  });
}
