import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { completeEvent } from '../../src/protocol/events/build.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { rulesOf } from '../support/federation/scripted-server.ts';
import { LargeRoomWorld } from '../support/rooms/large-room-world.ts';

const enc = encodeURIComponent;
const encryption = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } };
const lazily = enc('{"room":{"state":{"lazy_load_members":true}}}');

async function encryptedRoom({ world, alice }: LargeRoomWorld): Promise<string> {
  const options = { preset: 'public_chat', initial_state: [encryption], room_version: '11' };
  return (await world.ok('POST', '/_matrix/client/v3/createRoom', alice, options)).room_id;
}

/** A user of the other server comes into one of our rooms. */
async function joins({ remote }: LargeRoomWorld, user: string, room: string): Promise<void> {
  const make = `/_matrix/federation/v1/make_join/${enc(room)}/${enc(user)}?ver=11`;
  const { json } = await remote.request('a.test', 'GET', make);
  const event = completeEvent(json.event, rulesOf('11'), { serverName: remote.name, key: remote.key });
  const send = `/_matrix/federation/v2/send_join/${enc(room)}/${enc(event.eventId)}?omit_members=true`;
  const { status } = await remote.request('a.test', 'PUT', send, event.pdu as unknown as JsonObject);
  assert.equal(status, 200);
}

/** Alice leaves a large encrypted room; whom she need not follow any more, and what that has asked of the database. */
async function leaves(members: number) {
  await using large = await LargeRoomWorld.open(members);
  const { alice, world, creator } = large;
  await large.does({ type: 'm.room.encryption', sender: creator, stateKey: '', content: encryption.content });
  const rooms = [await encryptedRoom(large), await encryptedRoom(large)];
  for (const index of [3, 4]) await joins(large, large.person(index), rooms[0] ?? '');
  await joins(large, large.person(4), rooms[1] ?? '');
  await large.rest();
  const { next_batch: since } = await large.get(`/sync?timeout=0&filter=${lazily}`);
  await world.ok('POST', `/_matrix/client/v3/rooms/${enc(large.roomId)}/leave`, alice, {});
  await large.rest();
  let asked = 0;
  world.hs.db.timeQueries(() => asked++);
  const { device_lists: lists } = await large.get(`/sync?timeout=0&filter=${lazily}&since=${since}`);
  world.hs.db.timeQueries(undefined);
  // Their names are looked up one by one, as they are written.
  return { left: new Set(lists.left as string[]), asked: asked - lists.left.length, large };
}

describe('leaving a large encrypted room', () => {
  for (const members of [10, 100, 1100]) {
    it(`tells of ${members} members whom one need not follow any more, but for those in other encrypted rooms`, async () => {
      const { left, asked, large } = await leaves(members);
      assert.equal(left.size, members + 2 - 2);
      for (const index of [3, 4]) assert.ok(!left.has(large.person(index)));
      assert.ok(left.has(large.person(5)) && left.has(large.creator) && left.has('@bob:a.test'));
      assert.ok(asked <= 90, `${asked} statements`);
    });
  }
});
