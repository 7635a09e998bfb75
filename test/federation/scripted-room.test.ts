import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readEvent } from '../../src/protocol/events/read.ts';
import { supportedRoomVersions } from '../../src/protocol/room-versions.ts';
import { Network } from '../support/federation/network.ts';
import { ScriptedRoom } from '../support/federation/scripted-room.ts';
import { ScriptedServer } from '../support/federation/scripted-server.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

describe('a scripted room', () => {
  for (const version of supportedRoomVersions) {
    it(`has events in the form of room version ${version}, and tells its state`, async () => {
      const network = new Network();
      const server = new ScriptedServer('s.test', network, new FakeClock());
      const room = ScriptedRoom.create(server, version).serve();
      const message = room.add({ type: 'm.room.message', content: { body: 'hello' } });
      for (const { pdu, eventId } of room.entries.values()) {
        const read = readEvent(pdu, room.rules);
        assert.ok(read.ok);
        assert.equal(read.event.eventId, eventId);
        assert.ok(read.event.contentHashMatches);
      }
      const other = new ScriptedServer('t.test', network, new FakeClock());
      const uri = `/_matrix/federation/v1/state_ids/${room.roomId}?event_id=${encodeURIComponent(message.eventId)}`;
      const { status, json } = await other.request('s.test', 'GET', uri);
      assert.equal(status, 200);
      assert.equal(json.pdu_ids.length, 5);
    });
  }
});
