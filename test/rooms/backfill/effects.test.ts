import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { arrive, bodies, enter, openEntered, talk, walk } from './entered-room.ts';

const path = (room: ScriptedRoom, rest: string, version = 'v3') =>
  `/_matrix/client/${version}/rooms/${encodeURIComponent(room.roomId)}/${rest}`;

describe('what follows from events that came by backfill', () => {
  it('reactions, edits and threads are told of with what they relate to', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    const [target] = talk(room, 1);
    const relate = (rel_type: string, content: object, type = 'm.room.message') =>
      room.add({ type, content: { ...content, 'm.relates_to': { rel_type, event_id: target as string, ...('key' in content ? { key: 'x' } : {}) } } }); // biome-ignore format: long
    relate('m.replace', { body: '* new', 'm.new_content': { body: 'new', msgtype: 'm.text' }, msgtype: 'm.text' });
    relate('m.thread', { body: 'in the thread', msgtype: 'm.text' });
    const last = relate('m.thread', { body: 'also', msgtype: 'm.text' });
    const reaction = relate('m.annotation', { key: 'x' }, 'm.reaction');
    enter(world, room, 'alice');
    await walk(world, token, room);
    const event = await world.ok('GET', path(room, `event/${target}`), token);
    const relations = event.unsigned['m.relations'];
    assert.equal(relations['m.replace'].content['m.new_content'].body, 'new');
    assert.equal(relations['m.thread'].count, 2);
    assert.equal(relations['m.thread'].latest_event.event_id, last.eventId);
    const { chunk } = await world.ok('GET', path(room, `relations/${target}/m.annotation`, 'v1'), token);
    assert.deepEqual(chunk.map(({ event_id }: { event_id: string }) => event_id), [reaction.eventId]); // biome-ignore format: short
    const threads = await world.ok('GET', path(room, 'threads', 'v1'), token);
    assert.deepEqual(threads.chunk.map(({ event_id }: { event_id: string }) => event_id), [target]); // biome-ignore format: short
  });

  it('nobody is notified, and /sync does not tell of them', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    room.add({ type: 'm.room.message', content: { msgtype: 'm.text', body: 'alice @room', 'm.mentions': { user_ids: ['@alice:a.test'] } } }); // biome-ignore format: long
    talk(room, 20);
    enter(world, room, 'alice');
    const before = await world.ok('GET', '/_matrix/client/v3/sync', token);
    await walk(world, token, room);
    const now = await world.ok('GET', `/_matrix/client/v3/sync?since=${before.next_batch}`, token);
    assert.equal(now.rooms?.join?.[room.roomId], undefined);
    const { unread_notifications: unread } = before.rooms.join[room.roomId];
    assert.deepEqual(unread, { notification_count: 0, highlight_count: 0 });
    assert.deepEqual((await world.ok('GET', '/_matrix/client/v3/notifications', token)).notifications, []);
  });

  for (const version of ['1', '6', '12']) {
    it(`redactions count, whichever of the two comes first (room version ${version})`, async () => {
      await using entered = await openEntered();
      const { world, server } = entered;
      const token = await world.register('alice');
      const room = ScriptedRoom.create(server, version).serve();
      const said = talk(room, 6);
      const redact = (target: EventId | undefined) =>
        room.add({ type: 'm.room.redaction', redacts: target as EventId, content: {} }).eventId;
      redact(said[1]);
      talk(room, 1, 7);
      enter(world, room, 'alice');
      // This one arrives before the event that it redacts.
      arrive(world, room, redact(said[3]));
      assert.equal(bodies(await walk(world, token, room)), '7 6 5 3 1');
    });
  }

  it('they are found by search, and no longer once redacted', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    const say = (body: string) => room.add({ type: 'm.room.message', content: { msgtype: 'm.text', body } }).eventId;
    const kept = say('a heron in the garden');
    const gone = say('another heron');
    enter(world, room, 'alice');
    await walk(world, token, room);
    const search = async () => {
      const answer = await world.ok('POST', '/_matrix/client/v3/search', token, {
        search_categories: { room_events: { search_term: 'heron' } },
      });
      return answer.search_categories.room_events.results.map(({ result }: { result: { event_id: string } }) => result.event_id); // biome-ignore format: long
    };
    assert.deepEqual(new Set(await search()), new Set([kept, gone]));
    arrive(world, room, room.add({ type: 'm.room.redaction', redacts: gone, content: {} }).eventId);
    assert.deepEqual(await search(), [kept]);
  });
});
