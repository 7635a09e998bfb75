import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pdu } from '../../../src/protocol/events/pdu.ts';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import type { World } from '../../support/servers/world.ts';
import { arrive, bodies, enter, eventOf, messages, openEntered, talk, walk } from './entered-room.ts';

const setVisibility = (room: ScriptedRoom, visibility: string) =>
  room.add({ type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: visibility } });

const path = (room: ScriptedRoom, rest: string) =>
  `/_matrix/client/v3/rooms/${encodeURIComponent(room.roomId)}/${rest}`;

async function leave(world: World, token: string, room: ScriptedRoom): Promise<void> {
  await world.ok('POST', path(room, 'leave'), token, {});
  const { interning, extremities, events } = world.hs.stores;
  const nid = interning.findRoom(room.roomId);
  for (const end of nid === undefined ? [] : extremities.forward(nid)) room.take(events.pdu(end) as Pdu);
}

describe('who may see history that came from elsewhere', () => {
  for (const [visibility, seen] of [
    ['shared', '3 2 1'],
    ['world_readable', '3 2 1'],
    ['invited', ''],
    ['joined', ''],
  ] as const) {
    it(`${visibility}: a user who joined later sees "${seen}"`, async () => {
      await using entered = await openEntered();
      const { world, server } = entered;
      const token = await world.register('alice');
      const room = ScriptedRoom.create(server, '12').serve();
      setVisibility(room, visibility);
      talk(room, 3);
      enter(world, room, 'alice');
      assert.equal(bodies(await walk(world, token, room)), seen);
    });
  }

  it('is asked of others where the visibility changed in between', async () => {
    for (const [before, seen] of [
      ['joined', '4 3'],
      ['shared', '4 3 2 1'],
    ] as const) {
      // biome-ignore format: pairs
      await using entered = await openEntered();
      const { world, server, universe } = entered;
      const token = await world.register('alice');
      const room = ScriptedRoom.create(server, '12').serve();
      setVisibility(room, before);
      talk(room, 70, 100);
      talk(room, 2);
      setVisibility(room, 'shared');
      talk(room, 2, 3);
      enter(world, room, 'alice');
      assert.equal(bodies((await messages(world, token, room, '&limit=7')).chunk).slice(0, 7), seen.slice(0, 7));
      const probes = universe.calls.filter(({ uri }) => uri.includes('/state_ids/')).length;
      assert.ok(probes <= 2, `${probes} states were asked for`);
    }
  });

  it('nothing but what the user could see is told where nobody knows the visibility', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    server.on('GET', `/_matrix/federation/v1/state_ids/${room.roomId}`, () => ({ pdu_ids: [], auth_chain_ids: 1 }));
    talk(room, 90, 100);
    setVisibility(room, 'shared');
    talk(room, 2);
    enter(world, room, 'alice');
    assert.equal(bodies((await messages(world, token, room, '&limit=5')).chunk), '2 1');
  });

  it('a user who left sees what came before, not what came after', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const [alice] = [await world.register('alice'), await world.register('bob')];
    const room = ScriptedRoom.create(server, '12').serve();
    talk(room, 3);
    enter(world, room, 'alice');
    await leave(world, alice, room);
    assert.equal(bodies(await walk(world, alice, room)), '3 2 1');
    // The room goes on without us, and another user of ours enters.
    talk(room, 3, 10);
    enter(world, room, 'bob');
    talk(room, 1, 20);
    const bob = (await world.call('POST', '/_matrix/client/v3/login', { body: { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'bob' }, password: 'password of bob' } })).json.access_token as string; // biome-ignore format: long
    assert.equal(bodies(await walk(world, bob, room)), '12 11 10 3 2 1');
    assert.equal(bodies(await walk(world, alice, room)), '3 2 1');
  });

  it('a user who was kicked while the server was away may read up to there', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const [alice, bob] = [await world.register('alice'), await world.register('bob')];
    const room = ScriptedRoom.create(server, '12').serve();
    enter(world, room, 'alice');
    const join = eventOf(world, room, '@bob:a.test' as never, { type: 'm.room.member', stateKey: '@bob:a.test', content: { membership: 'join' } }); // biome-ignore format: long
    arrive(world, room, room.take(join.pdu));
    for (const id of talk(room, 2)) arrive(world, room, id);
    talk(room, 2, 3);
    room.add({ type: 'm.room.member', stateKey: '@bob:a.test', content: { membership: 'leave' } });
    const [last] = talk(room, 1, 5);
    arrive(world, room, last as EventId);
    assert.equal(bodies(await walk(world, alice, room)), '5 4 3 2 1');
    assert.match(bodies(await walk(world, bob, room)), /2 1$/);
    assert.doesNotMatch(bodies(await walk(world, bob, room)), /5/);
  });

  it('lazily loaded members come with it', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    talk(room, 30);
    enter(world, room, 'alice');
    const filter = encodeURIComponent(JSON.stringify({ lazy_load_members: true }));
    const first = await messages(world, token, room, `&limit=5&filter=${filter}`);
    const page = await world.ok('GET', path(room, `messages?dir=b&from=${first.end}&filter=${filter}`), token);
    assert.deepEqual(page.state.map(({ state_key }: { state_key: string }) => state_key), [room.creator]); // biome-ignore format: short
  });
});

describe('single events that are not here', () => {
  it('GET /event and /context fetch them, in their place if they are near', async () => {
    await using entered = await openEntered();
    const { world, server } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    const said = talk(room, 60);
    enter(world, room, 'alice');
    const wanted = said[20] as EventId;
    assert.equal((await world.ok('GET', path(room, `event/${wanted}`), token)).content.body, '21');
    const around = await world.ok('GET', path(room, `context/${wanted}?limit=4`), token);
    assert.equal(bodies(around.events_before), '20 19');
    assert.equal(bodies(around.events_after), '22 23');
  });

  it('GET /event fetches one that is far away, if the requester may see it', async () => {
    for (const visibility of ['shared', 'joined']) {
      await using entered = await openEntered();
      const { world, server } = entered;
      const token = await world.register('alice');
      const room = ScriptedRoom.create(server, '12').serve();
      setVisibility(room, visibility);
      const [wanted] = talk(room, 1);
      room.add({ type: 'm.room.topic', stateKey: '', content: {}, depth: 90_000 });
      enter(world, room, 'alice');
      const { status, json } = await world.call('GET', path(room, `event/${wanted}`), { token });
      if (visibility === 'shared') assert.equal(json.content.body, '1');
      else assert.equal(status, 404);
    }
  });

  it('strangers make nobody ask', async () => {
    await using entered = await openEntered();
    const { world, server, universe } = entered;
    const [, mallory] = [await world.register('alice'), await world.register('mallory')];
    const room = ScriptedRoom.create(server, '12').serve();
    const said = talk(room, 20);
    enter(world, room, 'alice');
    const calls = universe.calls.length;
    for (const rest of [`event/${said[3]}`, `context/${said[3]}`, 'event/$none']) {
      assert.equal((await world.call('GET', path(room, rest), { token: mallory })).status, 404);
    }
    assert.equal((await world.call('GET', path(room, 'messages?dir=b'), { token: mallory })).status, 403);
    assert.equal(universe.calls.length, calls);
  });
});

describe('GET /timestamp_to_event', () => {
  const at = (world: World, token: string, room: ScriptedRoom, ts: number, dir: string) =>
    world.call('GET', `/_matrix/client/v1/rooms/${encodeURIComponent(room.roomId)}/timestamp_to_event?ts=${ts}&dir=${dir}`, { token }); // biome-ignore format: long

  it('asks others where the time lies beyond what is known, and checks what they say', async () => {
    await using entered = await openEntered();
    const { world, server, universe } = entered;
    const token = await world.register('alice');
    const room = ScriptedRoom.create(server, '12').serve();
    const start = Date.UTC(2026, 10, 19);
    const said = Array.from({ length: 40 }, (_, index) => {
      const draft = { type: 'm.room.message', content: { body: `${index}` }, ts: start + index * 1000 };
      return room.add(draft).eventId;
    });
    const other = ScriptedRoom.create(universe.script('d.test'), '12');
    const [foreign] = talk(other, 1);
    let answer: EventId = said[10] as EventId;
    server.on('GET', `/_matrix/federation/v1/timestamp_to_event/${room.roomId}`, () => ({
      event_id: answer,
      origin_server_ts: 1,
    }));
    enter(world, room, 'alice');
    answer = foreign as EventId;
    assert.notEqual((await at(world, token, room, start + 9500, 'f')).json.event_id, foreign);
    answer = said[10] as EventId;
    const { json } = await at(world, token, room, start + 9500, 'f');
    assert.deepEqual(json, { event_id: said[10], origin_server_ts: start + 10_000 });
    const before = universe.calls.length;
    assert.equal((await at(world, token, room, start + 20_500, 'b')).json.event_id, said[20]);
    assert.equal(universe.calls.length, before, 'what is here is not asked for');
    const around = await world.ok('GET', path(room, `context/${said[10]}?limit=2`), token);
    assert.equal(bodies(around.events_before), '9');
  });
});
