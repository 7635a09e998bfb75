import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { checkConsistency } from '../../../src/store/check.ts';
import { eventFlags } from '../../../src/store/events/flags.ts';
import { flagsOf } from '../../support/federation/room-comparison.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import { World } from '../../support/servers/world.ts';
import { Account, day, enc, pass, thin } from './old-room.ts';

const here = 'a.test';
const there = 'b.test';

/** A room of another server, which may say about the age of its events whatever it likes. */
async function remote(settings: Record<string, unknown> = {}) {
  const universe = await Universe.open([here], settings);
  const world = universe.world(here);
  const server = universe.script(there);
  server.on('PUT', '/_matrix/federation/v1/send/{}', () => ({ pdus: {} }));
  // The room has been there for long, and is of a version in which dates are not held against the keys.
  universe.clock.set(universe.clock.now() + 1000 * day);
  const room = ScriptedRoom.create(server, '4').serve();
  const now = () => universe.clock.now();
  const say = (body: string, ts: number = now()) =>
    room.add({ type: 'm.room.message', content: { msgtype: 'm.text', body }, ts }).eventId;
  const alice = await Account.of(world, 'alice');
  const join = () => alice.ok('POST', `/join/${enc(room.roomId)}?via=${there}`, {});
  const send = async (...ids: EventId[]) => {
    assert.equal((await server.send(here, ids.map((id) => room.pdu(id)))).status, 200); // biome-ignore format: short
  };
  const shown = async (): Promise<string> => {
    const { chunk } = await alice.ok('GET', `/rooms/${enc(room.roomId)}/messages?dir=b&limit=500`);
    return (chunk as { content: { body?: string } }[])
      .map(({ content }) => content.body)
      .filter((body) => body !== undefined)
      .reverse()
      .join(' ');
  };
  return { universe, world, server, room, say, alice, join, send, shown, now };
}

describe('how old a message is', () => {
  it('counts from when it came, whatever its date says', async () => {
    const { universe, world, room, say, join, send, shown, now } = await remote();
    await using _ = universe;
    await join();
    await send(say('a'), say('of-1970', 1), say('of-2100', Date.UTC(2100, 0)), say('b'));
    pass(world, 20);
    await send(say('c'), say('also-of-1970', 1), say('also-of-2100', Date.UTC(2100, 0)), say('d', now()));
    assert.equal((await thin(world, room.roomId, 30)).events, 0, 'nothing is old yet');
    await thin(world, room.roomId, 10);
    assert.equal(await shown(), 'c also-of-1970 also-of-2100 d');
  });

  it('is what a stretch that was fetched later says, as far as it is possible', async () => {
    const { universe, world, room, say, join, send, shown, now } = await remote();
    await using _ = universe;
    const long = now() - 200 * day;
    say('a', long);
    say('impossible', Date.UTC(2100, 0));
    say('b', long + day);
    say('c', now() - 20 * day);
    say('of-1970', 1);
    say('d', now() - 19 * day);
    await join();
    await send(say('e'));
    world.hs.services.rooms.thinning.mark();
    assert.equal(await shown(), 'a impossible b c of-1970 d e');
    await thin(world, room.roomId, 50);
    assert.equal(await shown(), 'c of-1970 d e', 'one with too early a date takes nothing with it');
    pass(world, 30.5);
    await send(say('f'));
    await thin(world, room.roomId, 50);
    assert.equal(await shown(), 'd e f');
    await thin(world, room.roomId, 30);
    assert.equal(await shown(), 'f', 'what came before a live event is older than that');
  });

  it('is not known to a board that does not know the time', async () => {
    await using world = await World.open({ purge: { history_max_age: '10d' } });
    const { thinning } = world.hs.services.rooms;
    const alice = await Account.of(world, 'alice');
    const { room_id: room } = await alice.ok('POST', '/createRoom', {});
    for (let i = 0; i < 5; i++) await alice.say(room, `${i}`);
    pass(world, 100);
    await alice.say(room, 'new');
    const right = world.clock.now();
    world.clock.set(right - 500 * day);
    world.clock.advance(60 * 60_000);
    assert.equal(world.hs.admin.clock.isRight, false);
    const before = await alice.all(room);
    assert.equal(thinning.slice(), false);
    assert.equal(await thinning.thin(room, 0 as never), undefined);
    assert.deepEqual(await alice.all(room), before);
    world.clock.set(right + day);
    world.clock.advance(60 * 60_000);
    assert.equal(world.hs.admin.clock.isRight, true);
    while (thinning.slice());
    assert.equal((await alice.all(room)).length, 1);
  });
});

describe('a clock that is years ahead after a start', () => {
  it('has nothing deleted as long as it may be put right', async () => {
    await using world = await World.open({ purge: { history_max_age: '30d' } });
    const alice = await Account.of(world, 'alice');
    const { room_id: room } = await alice.ok('POST', '/createRoom', {});
    for (let i = 0; i < 5; i++) await alice.say(room, `${i}`);
    pass(world, 3);
    const all = await alice.all(room);
    const { thinning } = world.hs.services.rooms;
    const right = world.clock.now();
    world.clock.set(right + 4000 * day);
    assert.equal(thinning.slice(), false);
    world.clock.set(right + 4000 * day + day / 2);
    assert.equal(thinning.slice(), false);
    world.clock.set(right + day / 2);
    for (let i = 0; i < 100 && thinning.slice(); i++);
    assert.deepEqual(await alice.all(room), all);
    world.clock.advance(2 * 60 * 60_000);
    pass(world, 60);
    for (let i = 0; i < 100 && thinning.slice(); i++);
    assert.equal((await alice.all(room)).length, 1);
  });
});

describe('purge.history_max_age', () => {
  it('deletes what is older in every room, and no more', async () => {
    await using world = await World.open({ purge: { history_max_age: '30d' } });
    const alice = await Account.of(world, 'alice');
    const rooms: string[] = [];
    for (let i = 0; i < 25; i++) {
      const { room_id: room } = await alice.ok('POST', '/createRoom', {});
      rooms.push(room as string);
      await alice.say(room, 'old');
    }
    pass(world, 29);
    const { thinning } = world.hs.services.rooms;
    for (const room of rooms) await alice.say(room, 'newer');
    while (thinning.slice());
    const count = () => world.hs.db.prepare('SELECT count(*) FROM event WHERE type = 40').pluck().get();
    assert.equal(count(), 50);
    world.clock.advance(2 * 60 * 60_000);
    pass(world, 2);
    for (let i = 0; i < 1000 && thinning.slice(); i++);
    assert.equal(count(), 25);
    assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
    for (const room of rooms) assert.equal((await alice.all(room)).length, 1);
  });

  it('deletes what never had a place as well, when it has been known for as long', async () => {
    const { universe, world, say, join, send } = await remote({ purge: { history_max_age: '30d' } });
    await using _ = universe;
    const { thinning } = world.hs.services.rooms;
    await join();
    const old = [say('a'), say('b'), say('c')];
    await send(...old);
    pass(world, 40);
    await send(say('d'));
    while (thinning.slice());
    await send(...old.slice(1));
    const [, again] = old;
    assert.equal(flagsOf(world, again as string), eventFlags.SOFT_FAILED);
    universe.clock.advance(2 * 60 * 60_000);
    pass(world, 40);
    await send(say('e'));
    for (let i = 0; i < 100 && thinning.slice(); i++);
    assert.equal(flagsOf(world, again as string), undefined);
    assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
  });

  it('has nothing fetched that is older, and does not ask again', async () => {
    const { universe, world, say, join, shown, now, room } = await remote({ purge: { history_max_age: '30d' } });
    await using _ = universe;
    for (let i = 0; i < 40; i++) say(`ancient${i}`, now() - 400 * day + i);
    say('dated-wrongly', now() - 500 * day);
    for (let i = 0; i < 5; i++) say(`recent${i}`, now() - 5 * day + i);
    say('of-1970', 1);
    say('last', now() - day);
    await join();
    assert.equal(await shown(), 'recent0 recent1 recent2 recent3 recent4 of-1970 last');
    const calls = universe.calls.length;
    assert.equal(await shown(), 'recent0 recent1 recent2 recent3 recent4 of-1970 last');
    await universe.restart(here);
    await shown();
    assert.equal(universe.calls.slice(calls).filter(({ uri }) => uri.includes('/backfill/')).length, 0);
    assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
    assert.ok(world.hs.stores.historyFloors.of(world.hs.stores.interning.findRoom(room.roomId) ?? assert.fail()));
  });
});
