import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { bodies, enter, ids, messages, openEntered, talk, walk } from './entered-room.ts';

describe('GET /messages into history that is not here', () => {
  for (const version of ['1', '6', '10', '12']) {
    it(`fetches it from another server, in order and once (room version ${version})`, async () => {
      await using entered = await openEntered();
      const { world, server } = entered;
      const token = await world.register('alice');
      const room = ScriptedRoom.create(server, version).serve();
      talk(room, 60);
      enter(world, room, 'alice');
      const all = await walk(world, token, room);
      const expected = [...room.entries.keys()].toReversed();
      assert.deepEqual(ids(all), expected);
      assert.deepEqual(ids(await walk(world, token, room, { limit: 7 })), expected);
      assert.deepEqual(ids(await walk(world, token, room, { dir: 'f' })), expected.toReversed());
    });
  }

  it('fetches 500 events in some requests, and asks nobody when they are here', async () => {
    await using entered = await openEntered();
    const { world, server, universe } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    talk(room, 500);
    enter(world, room, 'alice');
    const all = await walk(world, token, room, { limit: 100 });
    assert.deepEqual(ids(all), [...room.entries.keys()].toReversed());
    const asked = () => universe.calls.filter(({ uri }) => uri.includes('/backfill/')).length;
    const before = asked();
    assert.ok(before <= 12, `${before} requests`);
    assert.deepEqual(ids(await walk(world, token, room, { limit: 100 })), ids(all));
    assert.equal(asked(), before);
  });

  it('lets tokens mean the same place before and after', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    talk(room, 50);
    enter(world, room, 'alice');
    const first = await messages(world, token, room, '&limit=11');
    const second = await messages(world, token, room, `&limit=11&from=${first.end}`);
    await walk(world, token, room);
    assert.deepEqual(await messages(world, token, room, `&limit=11&from=${first.end}`), second);
    const back = await walk(world, token, room, { dir: 'f', from: second.end ?? '' });
    assert.deepEqual(ids(back), [...ids(first.chunk), ...ids(second.chunk)].toReversed());
    assert.equal(bodies(second.chunk), '40 39 38 37 36 35 34 33 32 31 30');
  });

  it('fetches auth events that are neither here nor in the page', async () => {
    await using entered = await openEntered();
    const { world, server, universe } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    const erin = server.user('erin');
    const base = room.ends;
    const member = (membership: string) => ({ type: 'm.room.member', stateKey: erin, content: { membership } });
    const join = room.add({ ...member('join'), sender: erin });
    talk(room, 130);
    room.add({ type: 'm.room.message', sender: erin, content: { body: 'hello' } });
    // On another branch she never was there: nothing of the state that we get leads to her join.
    room.add({ ...member('ban'), prevEvents: base });
    talk(room, 2, 1000);
    enter(world, room, 'alice');
    const first = await messages(world, token, room, '&limit=6');
    assert.match(bodies(first.chunk), /^1001 1000 hello 130/);
    assert.ok(universe.calls.some(({ uri }) => decodeURIComponent(uri).endsWith(`/event/${join.eventId}`)));
    const all = ids(await walk(world, token, room));
    assert.deepEqual(new Set(all), new Set(room.entries.keys()));
    assert.equal(all.length, room.entries.size);
  });

  it('is quick for those who come later to the same place', async () => {
    await using entered = await openEntered();
    const { world, server, universe } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    talk(room, 40);
    enter(world, room, 'alice');
    const pages = await Promise.all([1, 2, 3, 4].map(() => messages(world, token, room, '&limit=20')));
    for (const page of pages) assert.deepEqual(ids(page.chunk), ids(pages[0]?.chunk ?? []));
    assert.equal(pages[0]?.chunk.length, 20);
    assert.equal(universe.calls.filter(({ uri }) => uri.includes('/backfill/')).length, 1);
  });
});
