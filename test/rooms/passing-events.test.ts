import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventFields } from '../../src/protocol/filters/event-fields.ts';
import type { EventAudience } from '../../src/rooms/read/client-events.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { defaults, openRoomWorld, type RoomWorld } from './room-world.ts';

/** A room with state that was replaced, redacted and left out, and with contents that are easily written otherwise. */
async function live(world: RoomWorld, version: string) {
  const [alice, bob] = [world.person('alice', { displayname: 'Alice "Zoë" 👍️' }), world.person('bob')];
  const roomId = await world.rooms.creation.createRoom(alice, {
    ...defaults,
    version,
    preset: 'public_chat',
    name: 'A',
  });
  await world.rooms.membership.join(bob, roomId);
  const say = (type: string, content: JsonObject, stateKey?: string) =>
    world.rooms.sending.send(alice, roomId, { type, content, ...(stateKey === undefined ? {} : { stateKey }) });
  await say('m.room.name', { name: 'B' }, '');
  const topic = await say('m.room.topic', { topic: 'Not for everybody' }, '');
  await say('org.example.numbers', { 10: 1, 9: [2 ** 53 - 1, -1], a: { '': null }, __proto: true }, 'kéy "1"');
  await say('m.room.redaction', { redacts: topic, reason: 'a state of that type' }, 'odd');
  await say('m.room.message', { body: 'Hello' });
  await world.rooms.sending.redact(alice, roomId, topic, { reason: 'no' });
  await world.rooms.membership.leave(bob, roomId);
  return { alice, bob, roomId };
}

describe('an event that is gone through once', () => {
  for (const version of ['1', '10', '11', '12']) {
    it(`is shown as any other, to whomever, packed or not, in room version ${version}`, async () => {
      await using world = openRoomWorld();
      const { alice, bob, roomId } = await live(world, version);
      const { events, bodyPacker, interning } = world.store.stores;
      const room = interning.findRoom(roomId) ?? assert.fail();
      const nids = world.observed.map(({ eventId }) => interning.findEvent(eventId) ?? assert.fail());
      const audiences = [alice, bob].flatMap(({ user, device }): EventAudience[] => {
        const plain = { view: world.rooms.visibility.view(room, user), device, withRoomId: true };
        return [
          plain,
          { ...plain, withRoomId: false },
          { ...plain, format: 'federation' },
          { ...plain, hidden: new Set([alice.user]) },
          { ...plain, fields: EventFields.of(['content', 'unsigned.prev_content']) },
        ];
      });
      for (const isPacked of [false, true]) {
        if (isPacked) while (bodyPacker.packSome(100) > 0);
        let plain = 0;
        for (const [index, audience] of audiences.entries()) {
          for (const event of events.passing(nids)) {
            const row = events.row(event.row.nid) ?? assert.fail();
            const text = world.rooms.clientEvents.passing(event, audience);
            assert.deepEqual(JSON.parse(text), JSON.parse(world.rooms.clientEvents.text(row, audience)), `${index}`);
            if (event.contentText !== undefined) plain++;
          }
        }
        // Most of what is packed is shown without being parsed.
        assert.equal(plain > (nids.length * audiences.length) / 2, isPacked);
      }
    });
  }

  it('is shown redacted if that was done after its page was read', async () => {
    await using world = openRoomWorld();
    const { alice, roomId } = await live(world, '11');
    const { events, interning, bodyPacker } = world.store.stores;
    const id = await world.rooms.sending.send(alice, roomId, {
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'x' },
    });
    while (bodyPacker.packSome(100) > 0);
    const [event] = events.passing([interning.findEvent(id) ?? assert.fail()]);
    assert.ok(event !== undefined);
    await world.rooms.sending.redact(alice, roomId, id, {});
    const view = world.rooms.visibility.view(event.row.room, alice.user);
    for (const format of ['client', 'federation'] as const) {
      const audience = { view, device: alice.device, withRoomId: true, format };
      const shown = JSON.parse(world.rooms.clientEvents.passing(event, audience)) as JsonObject;
      assert.deepEqual(shown['content'], {});
      assert.ok('redacted_because' in (shown['unsigned'] as JsonObject));
    }
  });

  it('is let through by a filter as any other', async () => {
    await using world = openRoomWorld();
    await live(world, '11');
    const { events, interning } = world.store.stores;
    const nids = world.observed.map(({ eventId }) => interning.findEvent(eventId) ?? assert.fail());
    while (world.store.stores.bodyPacker.packSome(100) > 0);
    for (const event of events.passing(nids)) {
      const { type, sender, content } = world.rooms.clientEvents.filterable(event.row);
      assert.deepEqual([event.type, event.sender, event.content], [type, sender, content]);
    }
  });
});
