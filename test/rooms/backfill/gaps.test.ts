import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { refIds } from '../../../src/protocol/events/pdu.ts';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { arrive, bodies, enter, ids, openEntered, talk, walk } from './entered-room.ts';

describe('a server that was away', () => {
  it('is limited in /sync, and gets what it missed once and in order from prev_batch', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    talk(room, 5);
    enter(world, room, 'alice');
    const heard = talk(room, 3, 100);
    for (const id of heard) arrive(world, room, id);
    const before = await world.ok('GET', '/_matrix/client/v3/sync', token);
    talk(room, 120, 1000);
    room.add({ type: 'm.room.topic', stateKey: '', content: { topic: 'missed' } });
    talk(room, 30, 2000);
    const [last] = talk(room, 1, 3000);
    arrive(world, room, last as EventId);
    const now = await world.ok('GET', `/_matrix/client/v3/sync?since=${before.next_batch}`, token);
    const { timeline, state } = now.rooms.join[room.roomId];
    assert.equal(timeline.limited, true);
    assert.deepEqual(ids(timeline.events), [last]);
    assert.deepEqual(state.events.map(({ type }: { type: string }) => type), ['m.room.topic']); // biome-ignore format: short
    const missed = await walk(world, token, room, { from: timeline.prev_batch });
    assert.deepEqual(ids(missed), [...room.entries.keys()].toReversed().slice(1));
    assert.deepEqual(ids(await walk(world, token, room)), [...room.entries.keys()].toReversed());
    // The old token is a place in the middle now.
    const since = await walk(world, token, room, { dir: 'f', from: before.next_batch });
    assert.deepEqual(ids(since), [...room.entries.keys()].slice([...room.entries.keys()].indexOf(heard[2] as EventId) + 1)); // biome-ignore format: short
  });

  it('fills gaps also where a client reads on towards the newest events', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    enter(world, room, 'alice');
    for (const start of [100, 200, 300]) {
      talk(room, 70, start);
      const [heard] = talk(room, 1, start + 90);
      arrive(world, room, heard as EventId);
    }
    const all = [...room.entries.keys()];
    assert.deepEqual(ids(await walk(world, token, room, { dir: 'f', limit: 30 })).slice(-214), all.slice(-214));
    assert.deepEqual(ids(await walk(world, token, room, { limit: 30 })), all.toReversed());
  });

  it('passes a gap that nobody can close', async () => {
    await using entered = await openEntered();
    const { world, server, universe } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    enter(world, room, 'alice');
    for (const id of talk(room, 2, 1)) arrive(world, room, id);
    talk(room, 5, 100);
    for (const id of talk(room, 2, 200).slice(-1)) arrive(world, room, id);
    universe.cut('a.test', 'b.test');
    assert.equal(bodies(await walk(world, token, room)), '201 2 1');
    assert.equal(bodies(await walk(world, token, room, { dir: 'f' })), '1 2 201');
    const calls = universe.calls.length;
    await walk(world, token, room);
    assert.equal(universe.calls.length, calls, 'nobody is asked for it at each scroll');
    universe.heal('a.test', 'b.test');
    universe.clock.advance(24 * 3_600_000);
    assert.equal(bodies(await walk(world, token, room)), '201 200 104 103 102 101 100 2 1');
  });

  it('goes on where it was when it enters the room again', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '10').serve();
    talk(room, 10);
    enter(world, room, 'alice');
    const first = room.ends;
    talk(room, 50, 100);
    enter(world, room, 'alice');
    const all = [...room.entries.keys()].toReversed();
    assert.deepEqual(ids(await walk(world, token, room, { limit: 25 })), all);
    assert.ok(first.every((id) => all.includes(id)));
  });
});

describe('a history with branches', () => {
  it('comes in the order of its edges, in pages of any size', async () => {
    const drawn = fc.record({
      parents: fc.array(fc.array(fc.nat(4), { minLength: 1, maxLength: 3 }), { minLength: 10, maxLength: 45 }),
      limit: fc.integer({ min: 1, max: 25 }),
      gaps: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(drawn, async ({ parents, limit, gaps }) => {
        await using entered = await openEntered();
        const { world, server } = entered;
        const token = await world.register('alice');
        const room = ScriptedRoom.create(server, '12').serve();
        const [root] = talk(room, 1, 0);
        const events = [root as EventId];
        for (const [index, back] of parents.entries()) {
          const arrives = index > 5 && gaps.includes(index);
          const cited = back.map((steps) => events.at(-1 - Math.min(steps, events.length - 1)) as EventId);
          const prevEvents = arrives ? room.ends : [...new Set(cited)];
          const { eventId } = room.add({ type: 'm.room.message', content: { body: `${index}` }, prevEvents });
          events.push(eventId);
          if (arrives) arrive(world, room, eventId);
          if (index === 5) events.push(enter(world, room, 'alice'));
        }
        const [last] = talk(room, 1, 999);
        arrive(world, room, last as EventId);
        const order = ids(await walk(world, token, room, { limit }));
        assert.equal(new Set(order).size, order.length, 'each comes once');
        assert.deepEqual(new Set(order), new Set(room.entries.keys()));
        const place = new Map(order.map((id, index) => [id, index]));
        for (const id of order) {
          for (const prev of refIds(room.pdu(id).prev_events)) {
            assert.ok((place.get(prev) as number) > (place.get(id) as number), 'what is cited is older');
          }
        }
        assert.deepEqual(ids(await walk(world, token, room, { limit: 50, dir: 'f' })).toReversed(), order);
      }),
      { seed: 7, numRuns: 12 },
    );
  });
});
