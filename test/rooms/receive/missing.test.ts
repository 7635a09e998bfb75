import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pointBefore } from '../../../src/store/events/event-row.ts';
import type { EventNid } from '../../../src/store/nids.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { Universe } from '../../support/servers/universe.ts';
import { SharedRoom } from './shared-room.ts';

const text = (body: string) => ({ type: 'm.room.message', content: { body, msgtype: 'm.text' } });
const v1 = '/_matrix/federation/v1';
const minute = 60_000;

async function shared(universe: Universe, version = '10'): Promise<SharedRoom> {
  return SharedRoom.open(universe.world('a.test'), universe.script('b.test'), version);
}

const shownIds = (room: JsonObject): string[] =>
  ((room['timeline'] as JsonObject)['events'] as JsonObject[]).map((event) => event['event_id'] as string);

describe('an event whose prev_events are missing', () => {
  for (const version of ['1', '10', '12']) {
    it(`brings what lies between with it, room version ${version}`, async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await shared(universe, version);
      const { next } = await room.sync();
      const events = Array.from({ length: 30 }, (_, n) => room.scripted.add(text(`${n}`)));
      const last = events.at(-1);
      assert.ok(last);
      assert.deepEqual(await room.send(last), { [last.eventId]: {} });
      assert.deepEqual(
        events.map(({ eventId }) => room.stored(eventId)),
        events.map(() => 'accepted'),
      );
      assert.deepEqual(room.ends(), [last.eventId]);
      const { room: shown } = await room.sync(next);
      assert.deepEqual(
        shownIds(shown),
        events.slice(-shownIds(shown).length).map(({ eventId }) => eventId),
      );
      const asked = universe.calls.filter(({ from, uri }) => from === 'a.test' && uri.includes('get_missing_events'));
      assert.equal(asked.length, 1);
    });

    it(`leaves a gap where too much is missing, with the state after it, room version ${version}`, async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await shared(universe, version);
      const { next } = await room.sync();
      const bob = room.scripted.server.user('bob');
      room.scripted.add({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join' } });
      const name = room.scripted.add({ type: 'm.room.name', stateKey: '', content: { name: 'new' } });
      for (let n = 0; n < 300; n++) room.scripted.add(text(`${n}`));
      const last = room.scripted.add({ ...text('here'), sender: bob });
      assert.deepEqual(await room.send(last), { [last.eventId]: {} });
      assert.equal(room.stored(last.eventId), 'accepted');
      assert.equal(room.state().get('m.room.name|'), name.eventId);
      assert.equal(room.state().get(`m.room.member|${bob}`), room.scripted.current('m.room.member', bob));
      const { room: shown } = await room.sync(next);
      assert.equal(shown.timeline.limited, true);
      assert.equal(shownIds(shown).at(-1), last.eventId);
      const { extremities, interning } = room.world.hs.stores;
      const [missing] = extremities.backward(room.known.nid);
      assert.ok(missing && room.stored(interning.eventId(missing.parent)) === 'outlier');
    });
  }

  it('is taken out again without a hole: what is missing before it is missing before what is left, or before nothing', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    for (let n = 0; n < 300; n++) room.scripted.add(text(`${n}`));
    await room.send(room.scripted.add(text('here')));
    const { db, stores, services } = room.world.hs;
    const { events, extremities, timeline } = stores;
    const takeOut = (nid: EventNid) =>
      db.write<void>(() => {
        const row = events.row(nid) ?? assert.fail();
        const before = pointBefore(row) ?? assert.fail();
        services.rooms.removal.takeOut(room.known, row, { outcome: 'rejected', before });
      });
    const [gap] = extremities.backward(room.known.nid);
    const { segment } = timeline.end(room.known.nid) ?? assert.fail();
    const [first, second, ...others] = timeline.page(segment, 0, 'f', 1000).events.map(({ event }) => event);
    assert.ok(gap && first && second);
    assert.equal(gap.child, first);
    takeOut(first);
    assert.deepEqual(extremities.backward(room.known.nid), [{ ...gap, child: second }]);
    for (const event of [second, ...others].reverse()) takeOut(event);
    assert.deepEqual(extremities.backward(room.known.nid), []);
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room.scripted.roomId)}/messages?dir=b&limit=1`;
    const { chunk } = await room.world.ok('GET', path, room.token);
    assert.equal(chunk.length, 1);
  });

  it('waits where nobody can tell the state, and is taken when it can be told', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const { server, roomId } = room.scripted;
    const lost = room.scripted.add(text('lost'));
    const event = room.scripted.add(text('waits'));
    const child = room.scripted.add(text('waits, too'));
    let isMute = true;
    const mute = () => ({ status: 500, headers: {}, body: '{}' });
    server.on('POST', `${v1}/get_missing_events/${roomId}`, () =>
      isMute ? mute() : { events: [lost.pdu as JsonObject] },
    );
    server.on('GET', `${v1}/state_ids/${roomId}`, mute);
    assert.deepEqual(await room.send(event, child), { [event.eventId]: {}, [child.eventId]: {} });
    assert.equal(room.stored(event.eventId), 'deferred');
    assert.equal(room.stored(child.eventId), 'deferred');
    isMute = false;
    universe.clock.advance(2 * minute);
    await universe.until(() => room.stored(child.eventId) === 'accepted');
    assert.deepEqual(
      [lost, event, child].map(({ eventId }) => room.stored(eventId)),
      ['accepted', 'accepted', 'accepted'],
    );
    assert.deepEqual(room.ends(), [child.eventId]);
  });

  it('is taken as soon as what it lacked comes by itself', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const { server, roomId } = room.scripted;
    const lost = room.scripted.add(text('lost'));
    const event = room.scripted.add(text('waits'));
    const mute = () => ({ status: 500, headers: {}, body: '{}' });
    server.on('POST', `${v1}/get_missing_events/${roomId}`, mute);
    server.on('GET', `${v1}/state_ids/${roomId}`, mute);
    await room.send(event);
    assert.equal(room.stored(event.eventId), 'deferred');
    await room.send(lost);
    assert.deepEqual([room.stored(lost.eventId), room.stored(event.eventId)], ['accepted', 'accepted']);
  });

  it('is not lost if the server stops while it is being completed', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const { server, roomId } = room.scripted;
    room.scripted.add(text('lost'));
    const event = room.scripted.add(text('waits'));
    let isSilent = true;
    server.on('POST', `${v1}/get_missing_events/${roomId}`, () =>
      isSilent ? new Promise<JsonObject>(() => undefined) : { events: [] },
    );
    const sent = room.send(event).catch(() => undefined);
    await universe.until(() => universe.calls.some(({ uri }) => uri.includes('get_missing_events')));
    await universe.stop('a.test');
    isSilent = false;
    await universe.start('a.test');
    assert.equal(room.stored(event.eventId), 'deferred');
    universe.clock.advance(2 * minute);
    await universe.until(() => room.stored(event.eventId) === 'accepted');
    await sent;
  });

  it('is given up after some hours', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const { server, roomId } = room.scripted;
    room.scripted.add(text('lost'));
    const event = room.scripted.add(text('waits'));
    const mute = () => ({ status: 404, headers: {}, body: '{}' });
    server.on('POST', `${v1}/get_missing_events/${roomId}`, mute);
    server.on('GET', `${v1}/state_ids/${roomId}`, mute);
    await room.send(event);
    const { deferredPdus, interning } = room.world.hs.stores;
    const tries = () => deferredPdus.find(interning.findEvent(event.eventId) ?? assert.fail())?.tries;
    for (let before = tries(); before !== undefined; before = tries()) {
      assert.ok(before < 20);
      universe.clock.advance(61 * minute);
      await universe.until(() => tries() !== before);
    }
    assert.equal(room.stored(event.eventId), 'unknown');
  });
});

describe('an event whose auth events are missing', () => {
  it('brings them with it', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const bob = room.scripted.server.user('bob');
    const prev = room.scripted.ends;
    const join = room.scripted.add({
      type: 'm.room.member',
      sender: bob,
      stateKey: bob,
      content: { membership: 'join' },
    });
    // A fork of its own: cites bob's join as auth event only.
    const event = room.scripted.build({
      ...text('hello'),
      sender: bob,
      prevEvents: prev,
      authEvents: [
        room.scripted.current('m.room.create'),
        room.scripted.current('m.room.power_levels'),
        join.eventId,
      ].filter((id) => id !== undefined),
    });
    await room.send(event);
    assert.equal(room.stored(join.eventId), 'outlier');
    // The state before it does not have him.
    assert.equal(room.stored(event.eventId), 'rejected');
    await room.send(join);
    assert.equal(room.stored(join.eventId), 'accepted');
  });

  it('is deferred, not rejected, while they cannot be had', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const bob = room.scripted.server.user('bob');
    const { server, roomId } = room.scripted;
    const join = room.scripted.add({
      type: 'm.room.member',
      sender: bob,
      stateKey: bob,
      content: { membership: 'join' },
    });
    const event = room.scripted.add({ ...text('hello'), sender: bob });
    const mute = () => ({ status: 404, headers: {}, body: '{}' });
    server.on('GET', `${v1}/event_auth/${roomId}/{}`, mute);
    server.on('GET', `${v1}/event/{}`, mute);
    server.on('POST', `${v1}/get_missing_events/${roomId}`, mute);
    await room.send(event);
    assert.equal(room.stored(event.eventId), 'deferred');
    await room.send(join);
    assert.deepEqual([room.stored(join.eventId), room.stored(event.eventId)], ['accepted', 'accepted']);
  });
});
