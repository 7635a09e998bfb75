import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { pointBefore } from '../../../src/store/events/event-row.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { Universe } from '../../support/servers/universe.ts';
import { SharedRoom } from './shared-room.ts';

const text = (body: string) => ({ type: 'm.room.message', content: { body, msgtype: 'm.text' } });

async function shared(universe: Universe): Promise<SharedRoom> {
  return SharedRoom.open(universe.world('a.test'), universe.script('b.test'), '11');
}

const shownIds = async (room: SharedRoom, since: string): Promise<EventId[]> => {
  const { room: shown } = await room.sync(since);
  return (shown?.timeline.events ?? []).map((event: JsonObject) => event['event_id']);
};

describe('an event that was rejected', () => {
  /** As after a verdict that somebody's wrong word on the state has brought about. */
  const reject = (room: SharedRoom, id: EventId) => {
    const { db, stores, services } = room.world.hs;
    const { interning, events } = stores;
    db.write<void>(() => {
      const row = events.row(interning.event(id)) ?? assert.fail();
      const before = pointBefore(row) ?? assert.fail();
      services.rooms.removal.takeOut(room.known, row, { outcome: 'rejected', before });
    });
  };

  it('is judged anew when it is met again', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const event = room.scripted.add(text('wronged'));
    await room.send(event);
    reject(room, event.eventId);
    const { next } = await room.sync();
    await room.send(event);
    assert.equal(room.stored(event.eventId), 'accepted');
    assert.deepEqual(room.ends(), [event.eventId]);
    assert.deepEqual(await shownIds(room, next), [event.eventId]);
  });

  it('does not become an end of the room if others cite it', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const event = room.scripted.add(text('wronged'));
    const child = room.scripted.add(text('child'));
    await room.send(event, child);
    reject(room, event.eventId);
    await room.send(event);
    assert.deepEqual([room.stored(event.eventId), room.stored(child.eventId)], ['accepted', 'accepted']);
    assert.deepEqual(room.ends(), [child.eventId]);
  });
});

describe('a redaction', () => {
  it('that comes before its target redacts it when it comes', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const fork = room.scripted.ends;
    const target = room.scripted.build({ ...text('to be gone'), prevEvents: fork });
    const redaction = room.scripted.build({
      type: 'm.room.redaction',
      content: { redacts: target.eventId },
      prevEvents: fork,
    });
    await room.send(redaction);
    const { next } = await room.sync();
    await room.send(target);
    const { room: shown } = await room.sync(next);
    const event = shown.timeline.events.find((each: JsonObject) => each['event_id'] === target.eventId);
    assert.deepEqual(event.content, {});
    assert.equal(event.unsigned.redacted_because.event_id, redaction.eventId);
  });

  it('of somebody without the power to is kept, and changes nothing', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const bob = room.scripted.server.user('bob');
    await room.send(
      room.scripted.add({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join' } }),
    );
    const ours = room.local('m.room.message', { body: 'ours' });
    const redaction = room.scripted.add({ type: 'm.room.redaction', sender: bob, content: { redacts: ours } });
    await room.send(redaction);
    assert.equal(room.stored(redaction.eventId), 'accepted');
    const { events, interning } = room.world.hs.stores;
    assert.deepEqual(events.bare(interning.event(ours))['content'], { body: 'ours' });
  });
});

describe('an event that came redacted', () => {
  it('is shown in full when a full copy comes before its place is known', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const bob = room.scripted.server.user('bob');
    const prev = room.scripted.ends;
    const content = { membership: 'join', displayname: 'Bob' };
    const join = room.scripted.add({ type: 'm.room.member', sender: bob, stateKey: bob, content });
    const { server, roomId } = room.scripted;
    const stripped = { ...join.pdu, content: { membership: 'join' } } as JsonObject;
    server.on('GET', `/_matrix/federation/v1/event_auth/${roomId}/{}`, () => ({ auth_chain: [stripped] }));
    const cited = ['m.room.create', 'm.room.power_levels'].map((type) => room.scripted.current(type));
    const authEvents = [...cited, join.eventId].filter((id) => id !== undefined);
    await room.send(room.scripted.build({ ...text('x'), sender: bob, prevEvents: prev, authEvents }));
    const { events, interning } = room.world.hs.stores;
    const nid = interning.findEvent(join.eventId) ?? assert.fail();
    assert.deepEqual(events.bare(nid)['content'], { membership: 'join' });
    await room.send(join);
    assert.deepEqual(events.bare(nid)['content'], content);
  });
});

describe('what is sent about a room that nobody here is in', () => {
  const invited = async (universe: Universe) => {
    const world = universe.world('a.test');
    const room = await SharedRoom.open(world, universe.script('b.test'), '11');
    const token = await world.register('dora');
    const { creator, rules, roomId } = room.scripted;
    const dora = '@dora:a.test';
    const invite = room.scripted.add({ type: 'm.room.member', stateKey: dora, content: { membership: 'invite' } });
    room.local('m.room.member', { membership: 'leave' }, room.alice);
    const { status } = await room.scripted.server.request(
      'a.test',
      'PUT',
      `/_matrix/federation/v2/invite/${encodeURIComponent(roomId)}/${encodeURIComponent(invite.eventId)}`,
      {
        room_version: rules.version,
        event: invite.pdu as JsonObject,
        invite_room_state: [room.scripted.pdu(room.scripted.current('m.room.create') ?? assert.fail()) as JsonObject],
      },
    );
    assert.equal(status, 200);
    const rooms = async () => (await world.ok('GET', '/_matrix/client/v3/sync?timeout=0', token)).rooms ?? {};
    assert.ok((await rooms()).invite?.[roomId]);
    const unread = () => {
      const { interning, pushCounts } = world.hs.stores;
      const [user, nid] = [interning.findUser(dora), interning.findRoom(roomId)];
      return pushCounts.unread(user ?? assert.fail(), nid ?? assert.fail());
    };
    assert.equal(unread()[0]?.notify, 1);
    return { room, dora, creator, rooms, roomId, unread, world, token };
  };

  it('ends an invite if it comes from a server that was seen in it', async () => {
    await using universe = await Universe.open(['a.test']);
    const { room, dora, rooms, roomId, unread } = await invited(universe);
    const revoked = room.scripted.add({ type: 'm.room.member', stateKey: dora, content: { membership: 'leave' } });
    assert.deepEqual(await room.send(revoked), { [revoked.eventId]: {} });
    assert.equal((await rooms()).invite?.[roomId], undefined);
    assert.deepEqual(unread(), []);
  });

  it('is unread no more when the invite is declined', async () => {
    await using universe = await Universe.open(['a.test']);
    const { roomId, unread, world, token } = await invited(universe);
    await world.ok('POST', `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/leave`, token, {});
    assert.deepEqual(unread(), []);
  });

  it('does not if it comes from anybody else, or is something else', async () => {
    await using universe = await Universe.open(['a.test']);
    const { room, dora, rooms, roomId } = await invited(universe);
    const evil = universe.script('evil.test');
    const sender = evil.user('mallory');
    const member = { type: 'm.room.member', stateKey: dora, sender, content: { membership: 'leave' } };
    const { pdu } = room.scripted.build({ ...text('x') });
    const forged = evil.event(
      { ...member, roomId, prevEvents: pdu.prev_events, authEvents: pdu.auth_events, depth: 50, originServerTs: 5 },
      '11',
    );
    await evil.send('a.test', [forged.pdu]);
    await room.send(room.scripted.add(text('hello')));
    assert.ok((await rooms()).invite?.[roomId]);
  });
});
