import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '../../../src/util/json.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Guest } from './joining-world.ts';

describe('a join that has failed', () => {
  for (const version of ['6', '11', '12']) {
    it(`can be repeated: nothing is remembered of events that went with it (room version ${version})`, async () => {
      await using universe = await Universe.open(['a.test']);
      const server = universe.script('s.test');
      const room = ScriptedRoom.create(server, version).serve();
      const alice = await Guest.register(universe.world('a.test'), 'alice');
      /** The create event comes last: in room version 12 nothing cites it. */
      const answer = (without: string) =>
        server.on('PUT', '/_matrix/federation/v2/send_join/{}/{}', ({ body }) => {
          const id = room.take(body);
          const before = [...(room.entries.get(id)?.before.values() ?? [])].map((entry) => room.pdu(entry)).reverse();
          const state = before.filter(({ type }) => type !== without);
          const chain = [...room.entries.values()].map(({ pdu }) => pdu).filter(({ type }) => type !== without);
          return { origin: server.name, event: body, state, auth_chain: chain.reverse() } as unknown as JsonObject;
        });
      // The state has all but what would let anybody in: its events are stored before that is noticed.
      answer('m.room.join_rules');
      assert.equal((await alice.join(room.roomId, ['s.test'])).status, 502);
      answer('nothing');
      const again = await alice.join(room.roomId, ['s.test']);
      assert.equal(again.status, 200, JSON.stringify(again.json));
    });
  }
});
