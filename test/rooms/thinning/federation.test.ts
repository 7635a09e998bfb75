import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { checkConsistency } from '../../../src/store/check.ts';
import { eventFlags } from '../../../src/store/events/flags.ts';
import { endsOf, flagsOf, stateOf } from '../../support/federation/room-comparison.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import type { World } from '../../support/servers/world.ts';
import { Account, day, enc, pass, thin } from './old-room.ts';

const here = 'a.test';
const there = 'b.test';

function talk(room: ScriptedRoom, count: number, what: string, ts?: number): EventId[] {
  return Array.from({ length: count }, (_, n) => {
    const content = { msgtype: 'm.text', body: `${what} ${n}` };
    return room.add({ type: 'm.room.message', content, ...(ts === undefined ? {} : { ts: ts + n }) }).eventId;
  });
}

/** A room elsewhere of which our user has heard an old part, which is gone, and a new one. */
async function thinned() {
  const universe = await Universe.open([here]);
  const world = universe.world(here);
  const server = universe.script(there);
  server.on('PUT', '/_matrix/federation/v1/send/{}', () => ({ pdus: {} }));
  const room = ScriptedRoom.create(server, '11').serve();
  const alice = await Account.of(world, 'alice');
  await alice.ok('POST', `/join/${enc(room.roomId)}?via=${there}`, {});
  const send = async (ids: readonly EventId[]) => {
    for (let at = 0; at < ids.length; at += 20) {
      const pdus = ids.slice(at, at + 20).map((id) => room.pdu(id));
      assert.equal((await server.send(here, pdus)).status, 200);
    }
  };
  const named = room.add({ type: 'm.room.name', stateKey: '', content: { name: 'old' } }).eventId;
  const old = [named, ...talk(room, 30, 'old')];
  await send(old);
  pass(world, 100);
  const kept = talk(room, 25, 'new');
  await send(kept);
  await thin(world, room.roomId, 50);
  return { universe, world, server, room, alice, send, old, kept, named };
}

const asked = (universe: Universe, path: string) =>
  universe.calls.filter(({ from, uri }) => from === here && uri.includes(path)).length;

function isClean(world: World): void {
  assert.deepEqual(checkConsistency(world.hs.db, world.name), []);
}

describe('other servers and a room whose old history was deleted here', () => {
  it('are not asked for what was deleted, however somebody reads', async () => {
    const { universe, alice, room, kept, old, world } = await thinned();
    await using _ = universe;
    const before = universe.calls.length;
    assert.deepEqual(await alice.all(room.roomId), kept.toReversed());
    const path = `/rooms/${enc(room.roomId)}`;
    assert.equal((await alice.ok('GET', `${path}/messages?dir=b&limit=100`)).end, undefined);
    await alice.ok('GET', `${path}/context/${enc(kept[0] as string)}?limit=50`);
    const early = await alice.ok('GET', `/_matrix/client/v1${path}/timestamp_to_event?ts=0&dir=f`);
    assert.equal(early.event_id, kept[0]);
    assert.equal(universe.calls.length, before, 'nobody is asked');
    const late = await alice.call('GET', `/_matrix/client/v1${path}/timestamp_to_event?ts=0&dir=b`);
    assert.equal(late.status, 404);
    // A link to a deleted event is looked for once, and what comes is not kept.
    for (let i = 0; i < 3; i++) {
      const answer = await alice.call('GET', `${path}/event/${enc(old[3] as string)}`);
      assert.deepEqual([answer.status, answer.json.errcode], [404, 'M_NOT_FOUND']);
      assert.equal((await alice.call('GET', `${path}/context/${enc(old[3] as string)}`)).status, 404);
    }
    assert.equal(asked(universe, '/event/'), 1);
    assert.equal(asked(universe, '/backfill/'), 0);
    assert.equal(flagsOf(world, old[3] as string), undefined);
    isClean(world);
  });

  it('get what is left, and the specified errors for what is not', async () => {
    const { universe, server, room, kept, old, named, world } = await thinned();
    await using _ = universe;
    const v1 = '/_matrix/federation/v1';
    const [first, last] = [kept[0], kept.at(-1)] as [EventId, EventId];
    const get = (path: string) => server.request(here, 'GET', v1 + path);
    const idsOf = (pdus: { origin_server_ts: number; content: { body?: string } }[]) =>
      pdus.map(({ content }) => content.body);
    const back = await get(`/backfill/${enc(room.roomId)}?v=${enc(last)}&limit=100`);
    assert.equal(back.json.pdus.length, kept.length);
    assert.ok(idsOf(back.json.pdus).every((body) => body?.startsWith('new')));
    const gone = old[5] as EventId;
    assert.deepEqual((await get(`/backfill/${enc(room.roomId)}?v=${enc(gone)}&limit=10`)).json.pdus, []);
    assert.deepEqual((await get(`/backfill/${enc(room.roomId)}?v=${enc(named)}&limit=10`)).json.pdus, []);
    const missing = await server.request(here, 'POST', `${v1}/get_missing_events/${enc(room.roomId)}`, {
      earliest_events: [gone],
      latest_events: [last],
      limit: 50,
    });
    assert.equal(missing.json.events.length, 20);
    assert.ok(idsOf(missing.json.events).every((body) => body?.startsWith('new')));
    const cases: [path: string, status: number][] = [
      [`/event/${enc(gone)}`, 404],
      [`/event/${enc(named)}`, 200],
      [`/event/${enc(first)}`, 200],
      [`/state_ids/${enc(room.roomId)}?event_id=${enc(gone)}`, 404],
      [`/state/${enc(room.roomId)}?event_id=${enc(gone)}`, 404],
      [`/state_ids/${enc(room.roomId)}?event_id=${enc(named)}`, 200],
      [`/state_ids/${enc(room.roomId)}?event_id=${enc(first)}`, 200],
      [`/event_auth/${enc(room.roomId)}/${enc(gone)}`, 404],
      [`/event_auth/${enc(room.roomId)}/${enc(named)}`, 200],
      [`/timestamp_to_event/${enc(room.roomId)}?ts=0&dir=b`, 404],
      [`/timestamp_to_event/${enc(room.roomId)}?ts=0&dir=f`, 200],
    ];
    for (const [path, status] of cases) {
      const answer = await get(path);
      assert.equal(answer.status, status, `${path}: ${JSON.stringify(answer.json)}`);
      if (status === 404) assert.equal(answer.json.errcode, 'M_NOT_FOUND');
    }
    isClean(world);
  });

  it('may send again what was deleted: it is no news, and ends nothing', async () => {
    const { universe, room, alice, old, kept, send, world, named } = await thinned();
    await using _ = universe;
    const [ends, state] = [endsOf(world, room.roomId), stateOf(world, room.roomId)];
    await send([named, ...old.slice(10, 20)]);
    assert.equal(flagsOf(world, named), 0, 'it is known');
    for (const id of old.slice(10, 20)) assert.equal(flagsOf(world, id), eventFlags.SOFT_FAILED);
    assert.deepEqual(endsOf(world, room.roomId), ends);
    assert.deepEqual(stateOf(world, room.roomId), state);
    assert.deepEqual(await alice.all(room.roomId), kept.toReversed());
    isClean(world);
    const [next] = talk(room, 1, 'next') as [EventId];
    await send([next]);
    assert.deepEqual(await alice.all(room.roomId), [next, ...kept.toReversed()]);
  });

  it('may tell late what they said long ago; what follows it is taken as usual', async () => {
    const { universe, room, alice, old, kept, send, world, named } = await thinned();
    await using _ = universe;
    const late = room.add({
      type: 'm.room.message',
      content: { body: 'long ago' },
      prevEvents: [old[7] as EventId],
    }).eventId;
    await send([late]);
    assert.equal(flagsOf(world, late), eventFlags.SOFT_FAILED);
    const renamed = room.add({
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'of long ago' },
      prevEvents: [late],
    }).eventId;
    await send([renamed]);
    assert.equal(stateOf(world, room.roomId)['m.room.topic|'], undefined);
    // Once the others go on from it, it counts in the state.
    const both = talk(room, 2, 'both');
    await send(both);
    assert.equal(stateOf(world, room.roomId)['m.room.topic|'], renamed);
    assert.equal(stateOf(world, room.roomId)['m.room.name|'], named);
    assert.deepEqual(await alice.all(room.roomId), [...both.toReversed(), ...kept.toReversed()]);
    assert.equal(asked(universe, '/backfill/'), 0);
    isClean(world);
  });

  it('may cite what was deleted beside what is here', async () => {
    const { universe, room, alice, old, kept, send, world } = await thinned();
    await using _ = universe;
    const prevEvents = [old[4], kept.at(-1)] as EventId[];
    const event = room.add({ type: 'm.room.message', content: { body: 'cites both' }, prevEvents }).eventId;
    await send([event]);
    assert.equal(flagsOf(world, event), 0);
    const shown = await alice.all(room.roomId);
    assert.deepEqual(shown, [event, ...kept.toReversed()], 'and nothing of the past comes with it');
    assert.ok(asked(universe, '/state_ids/') <= 1);
    isClean(world);
    await alice.say(room.roomId, 'goes on');
    isClean(world);
  });

  it('redact and react to what is gone without harm', async () => {
    const { universe, room, old, send, world, alice } = await thinned();
    await using _ = universe;
    const redacts = old[3] as EventId;
    const redaction = room.add({ type: 'm.room.redaction', content: { redacts } }).eventId;
    const relates = { rel_type: 'm.annotation', event_id: redacts, key: '+' };
    const reaction = room.add({ type: 'm.reaction', content: { 'm.relates_to': relates } }).eventId;
    await send([redaction, reaction]);
    assert.equal((await alice.all(room.roomId))[0], reaction);
    isClean(world);
    pass(world, 100);
    await send(talk(room, 3, 'newest'));
    await thin(world, room.roomId, 50);
    const left = world.hs.db.prepare('SELECT count(*) FROM pending_redaction').pluck().get();
    assert.equal(left, 0, 'what waited for its target is gone with it');
  });

  it('get what they have not been told yet, however old it is', async () => {
    const { universe, room, world, alice, server } = await thinned();
    await using _ = universe;
    await universe.until(() => endsOf(world, room.roomId).length === 1);
    universe.cut(here, there);
    const unsent = await alice.say(room.roomId, 'not heard yet');
    await universe.until(() => asked(universe, '/send/') > 0);
    pass(world, 100);
    for (let i = 0; i < 3; i++) await alice.say(room.roomId, `newer ${i}`);
    await thin(world, room.roomId, 50);
    assert.ok(!(await alice.all(room.roomId)).includes(unsent));
    const told: string[] = [];
    server.on('PUT', '/_matrix/federation/v1/send/{}', ({ body }) => {
      told.push(...(body.pdus as { content: { body: string } }[]).map(({ content }) => content.body));
      return { pdus: {} };
    });
    universe.heal(here, there);
    universe.clock.advance(day);
    await universe.until(() => told.includes('newer 2'), 'the others are told');
    assert.ok(told.includes('not heard yet'), told.join());
    // Then it can go.
    pass(world, 100);
    await alice.say(room.roomId, 'newest');
    await universe.until(() => told.includes('newest'));
    await thin(world, room.roomId, 50);
    assert.equal(flagsOf(world, unsent), undefined);
    assert.equal(world.hs.db.prepare('SELECT count(*) FROM kept_message').pluck().get(), 0);
  });

  it('may have lied about the depth of what is newest: what follows an end of the room is taken all the same', async () => {
    const { universe, room, world, kept, send, alice, server } = await thinned();
    await using _ = universe;
    const deep = room.build({
      type: 'm.room.message',
      content: { body: 'deep' },
      prevEvents: [kept.at(-2) as EventId],
      depth: 1_000_000_000,
    });
    assert.equal((await server.send(here, [deep.pdu])).status, 200);
    pass(world, 100);
    await thin(world, room.roomId, 50);
    assert.deepEqual(await alice.all(room.roomId), [deep.eventId]);
    const [next] = talk(room, 1, 'next') as [EventId];
    await send([next]);
    assert.equal(flagsOf(world, next), 0);
    assert.deepEqual(await alice.all(room.roomId), [next, deep.eventId]);
    isClean(world);
  });

  it('leave an end behind that nobody cites: it is not shown any more, but cited', async () => {
    const { universe, room, world, alice, old, kept, send } = await thinned();
    await using _ = universe;
    // A branch of its own that only this server has heard of.
    const branch = room.add({
      type: 'm.room.message',
      content: { body: 'a branch' },
      prevEvents: [kept[20] as EventId],
    }).eventId;
    await send([branch]);
    assert.equal(endsOf(world, room.roomId).length, 2);
    pass(world, 100);
    const main = talk(room, 1, 'x')[0] as EventId;
    const only = room.build({ type: 'm.room.message', content: { body: 'on' }, prevEvents: [kept.at(-1) as EventId] });
    room.take(only.pdu);
    await send([only.eventId]);
    await thin(world, room.roomId, 50);
    assert.ok(endsOf(world, room.roomId).includes(branch));
    assert.deepEqual(await alice.all(room.roomId), [only.eventId]);
    assert.ok(main && old);
    const said = await alice.say(room.roomId, 'joins them');
    assert.deepEqual(endsOf(world, room.roomId), [said]);
    isClean(world);
    pass(world, 100);
    await alice.say(room.roomId, 'newest');
    await thin(world, room.roomId, 50);
    assert.equal(flagsOf(world, branch), undefined, 'now it is needed no more');
  });
});
