import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openFilter } from '../../../src/protocol/filters/filter.ts';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { checkConsistency } from '../../../src/store/check.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Account, enc, pass, thin } from './old-room.ts';

const here = 'a.test';
const there = 'b.test';

async function joined() {
  const universe = await Universe.open([here]);
  const world = universe.world(here);
  const server = universe.script(there);
  server.on('PUT', '/_matrix/federation/v1/send/{}', () => ({ pdus: {} }));
  const room = ScriptedRoom.create(server, '11').serve();
  const talk = (count: number, what: string) =>
    Array.from({ length: count }, (_, n) => {
      const content = { msgtype: 'm.text', body: `${what}${n}` };
      return room.add({ type: 'm.room.message', content }).eventId;
    });
  const send = async (ids: readonly EventId[]) => {
    const { status } = await server.send(here, ids.map((id) => room.pdu(id))); // biome-ignore format: short
    assert.equal(status, 200);
  };
  talk(40, 'before');
  const alice = await Account.of(world, 'alice');
  const path = `/rooms/${enc(room.roomId)}`;
  await alice.ok('POST', `/join/${enc(room.roomId)}?via=${there}`, {});
  const bodies = async (): Promise<string> => {
    const ids = await alice.all(room.roomId);
    const shown = await Promise.all(ids.map((id) => alice.ok('GET', `${path}/event/${enc(id)}`)));
    return shown
      .map(({ content }) => content.body as string | undefined)
      .filter((body) => body !== undefined)
      .reverse()
      .join(' ');
  };
  return { universe, world, server, room, talk, send, alice, path, bodies };
}

describe('history that is deleted while something else goes on with it', () => {
  it('is not put there by what was asked of others before', async () => {
    const { universe, world, room, talk, send, alice, path, bodies } = await joined();
    await using _ = universe;
    await send(talk(10, 'old'));
    pass(world, 100);
    await send(talk(3, 'new'));
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    universe.network.holds = ({ uri }) => (uri.includes('/backfill/') ? held : undefined);
    const reading = alice.ok('GET', `${path}/messages?dir=b&limit=60`);
    await universe.until(() => universe.calls.some(({ uri }) => uri.includes('/backfill/')));
    await thin(world, room.roomId, 50);
    release();
    const { chunk, end } = await reading;
    assert.deepEqual([chunk.length, end], [3, undefined]);
    assert.equal(await bodies(), 'new0 new1 new2');
    assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
  });

  it('takes the stretch away that somebody reads', async () => {
    const { universe, world, room, talk, send, alice, path } = await joined();
    await using _ = universe;
    await send(talk(3, 'old'));
    const from = (await alice.ok('GET', `/sync`)).next_batch as string;
    // Away for a while: what comes then begins a stretch of its own.
    universe.cut(here, there);
    talk(20, 'missed');
    await alice.ok('POST', `${path}/leave`, {});
    universe.heal(here, there);
    await alice.ok('POST', `/join/${enc(room.roomId)}?via=${there}`, {});
    await send(talk(3, 'later'));
    pass(world, 100);
    await send(talk(3, 'new'));
    const segments = () => world.hs.db.prepare('SELECT count(*) FROM segment').pluck().get();
    assert.equal(segments(), 2);
    for (const dir of ['b', 'f']) {
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      universe.network.holds = ({ uri }) => (uri.includes('/backfill/') ? held : undefined);
      const before = universe.calls.length;
      const readings = [1, 2].map(() => alice.call('GET', `${path}/messages?dir=${dir}&limit=60&from=${from}`));
      await Promise.race([
        Promise.all(readings),
        universe.until(() => universe.calls.slice(before).some(({ uri }) => uri.includes('/backfill/'))),
      ]);
      await thin(world, room.roomId, 50);
      release();
      for (const { status, json } of await Promise.all(readings)) {
        assert.equal(status, 200);
        assert.equal(json.chunk.length, dir === 'b' ? 0 : 3);
      }
    }
    assert.equal(segments(), 1);
    assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
  });

  it('does not make an answer fail that is being written', async () => {
    const { universe, world, room, talk, send, alice } = await joined();
    await using _ = universe;
    for (let i = 0; i < 10; i++) await send(talk(40, `old${i}-`));
    pass(world, 100);
    await send(talk(3, 'new'));
    const { messages } = world.hs.services.rooms;
    const { interning } = world.hs.stores;
    const nid = interning.findRoom(room.roomId);
    const user = interning.findUser(alice.userId);
    assert.ok(nid !== undefined && user !== undefined);
    const requester = { user, userId: alice.userId, device: 1 } as never;
    const query = { direction: 'b' as const, limit: 350, filter: openFilter.room.timeline };
    const pieces = messages.messages(requester, room.roomId, query);
    let text = '';
    while (text.length < 5000) text += pieces.next().value ?? assert.fail();
    await thin(world, room.roomId, 50);
    for (const piece of pieces) text += piece;
    const { chunk } = JSON.parse(text) as { chunk: unknown[] };
    assert.ok(chunk.length >= 100 && chunk.length < 350, `${chunk.length} events`);
  });

  it('stays away when the room is left and entered again; what was missed since is fetched', async () => {
    const { universe, world, room, talk, send, alice, path, bodies } = await joined();
    await using _ = universe;
    await send(talk(10, 'old'));
    pass(world, 100);
    await send(talk(3, 'new'));
    await thin(world, room.roomId, 50);
    await alice.ok('POST', `${path}/leave`, {});
    const left = (await alice.all(room.roomId)).length;
    assert.equal(left, 4);
    talk(25, 'missed');
    await alice.ok('POST', `/join/${enc(room.roomId)}?via=${there}`, {});
    await send(talk(2, 'again'));
    const missed = Array.from({ length: 25 }, (_, n) => `missed${n}`).join(' ');
    assert.equal(await bodies(), `new0 new1 new2 ${missed} again0 again1`);
    assert.equal(await bodies(), `new0 new1 new2 ${missed} again0 again1`);
    assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
    // Then that becomes old as well.
    pass(world, 100);
    await send(talk(1, 'newest'));
    await thin(world, room.roomId, 50);
    assert.equal(await bodies(), 'newest0');
  });

  it('waits while members of the room are missing', async () => {
    const { universe, world, room, talk, send, bodies } = await joined();
    await using _ = universe;
    await send(talk(10, 'old'));
    pass(world, 100);
    await send(talk(3, 'new'));
    const { db, stores, services } = world.hs;
    const nid = stores.interning.findRoom(room.roomId) ?? assert.fail();
    const { thinning } = services.rooms;
    assert.ok(thinning.begin(nid, { segment: 1, idx: Number.MIN_SAFE_INTEGER }));
    const partial =
      'INSERT INTO room_partial (room, line, base, event, user, servers, since) SELECT room, line, 1, 1, 1, ?, 0' +
      ' FROM room_info WHERE room = ?';
    db.write<void>(() => void db.prepare<[string, number], never>(partial).run('[]', nid));
    assert.equal(thinning.slice(), false);
    assert.equal(await thinning.thin(room.roomId, 0 as never), undefined);
    db.write<void>(() => void db.prepare<[number], never>('DELETE FROM room_partial WHERE room = ?').run(nid));
    await thin(world, room.roomId, 50);
    assert.equal(await bodies(), 'new0 new1 new2');
  });

  it('goes with its room when that is purged', async () => {
    const { universe, world, room, talk, send, alice, path } = await joined();
    await using _ = universe;
    await send(talk(10, 'old'));
    pass(world, 100);
    await send(talk(3, 'new'));
    await thin(world, room.roomId, 50);
    const nid = world.hs.stores.interning.findRoom(room.roomId) ?? assert.fail();
    await alice.ok('POST', `${path}/leave`, {});
    const { purges, thinning } = world.hs.services.rooms;
    assert.equal(purges.begin(room.roomId), 'begun');
    assert.equal(thinning.begin(nid, { segment: 1, idx: 1 }), false);
    universe.clock.set(universe.clock.now() + 120_000);
    while (purges.slice());
    for (const table of ['history_floor', 'thinning', 'kept_message', 'cited_event', 'event', 'segment']) {
      const count = world.hs.db.prepare<[number], number>(`SELECT count(*) FROM ${table} WHERE room = ?`).pluck();
      assert.equal(count.get(nid), 0, table);
    }
    await alice.ok('POST', `/join/${enc(room.roomId)}?via=${there}`, {});
    assert.ok((await alice.all(room.roomId)).length > 50, 'whoever enters it anew gets its history');
  });
});
