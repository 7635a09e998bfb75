import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { supportedRoomVersions } from '../../../src/protocol/room-versions.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Guest, nothingIsLeft } from './joining-world.ts';

describe('POST /join/{roomIdOrAlias} of a room on another server', () => {
  for (const version of supportedRoomVersions) {
    it(`works in room version ${version}`, async () => {
      await using universe = await Universe.open(['a.test']);
      const room = ScriptedRoom.create(universe.script('b.test'), version).serve();
      room.add({ type: 'm.room.name', stateKey: '', content: { name: 'far away' } });
      room.add({ type: 'm.room.message', content: { body: 'hello', msgtype: 'm.text' } });
      const alice = await Guest.register(universe.world('a.test'), 'alice');
      const before = await alice.sync();

      assert.deepEqual(await alice.join(room.roomId, ['b.test']), { status: 200, json: { room_id: room.roomId } });

      const { rooms } = await alice.sync(before.next_batch);
      const joined = rooms.join[room.roomId];
      const types = joined.state.events.map((event: { type: string }) => event.type);
      for (const type of ['m.room.create', 'm.room.power_levels', 'm.room.name']) assert.ok(types.includes(type), type);
      assert.equal(joined.timeline.limited, true);
      assert.equal(joined.timeline.events.at(-1).state_key, alice.userId);
      assert.equal(joined.summary['m.joined_member_count'], 2);
      assert.ok(room.current('m.room.member', alice.userId));
      nothingIsLeft(universe.world('a.test'));
    });
  }
});
