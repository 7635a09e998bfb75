import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '../../../src/util/json.ts';
import { Universe } from '../../support/servers/universe.ts';
import { SharedRoom } from './shared-room.ts';

const text = (body: string) => ({ type: 'm.room.message', content: { body, msgtype: 'm.text' } });

async function shared(universe: Universe): Promise<SharedRoom> {
  return SharedRoom.open(universe.world('a.test'), universe.script('b.test'), '11');
}

/** Puts a transaction as it is. */
const put = (room: SharedRoom, txnId: string, content: JsonObject) =>
  room.scripted.server.request('a.test', 'PUT', `/_matrix/federation/v1/send/${txnId}`, content);

const body = (pdus: readonly unknown[], edus: readonly JsonObject[] = []): JsonObject =>
  ({ origin: 'b.test', origin_server_ts: 1, pdus, edus }) as unknown as JsonObject;

describe('PUT /_matrix/federation/v1/send/{txnId}', () => {
  it('answers 400 to more than 50 PDUs or 100 EDUs, and to what is no list', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const wrong: JsonObject[] = [
      body(Array.from({ length: 51 }, () => ({}))),
      body(
        [],
        Array.from({ length: 101 }, () => ({ edu_type: 'x', content: {} })),
      ),
      { pdus: {} },
      { pdus: [], edus: 'none' },
    ];
    for (const [index, content] of wrong.entries()) {
      const { status, json } = await put(room, `w${index}`, content);
      assert.deepEqual([status, json.errcode], [400, 'M_BAD_JSON']);
    }
    assert.equal((await put(room, 'empty', body([]))).status, 200);
    assert.equal((await put(room, 'nothing', {})).status, 200);
  });

  it('answers a transaction that is sent again as before, also after a restart', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const good = room.scripted.add(text('good'));
    const bad = room.scripted.build({ ...text('bad'), sender: room.scripted.server.user('stranger') });
    const content = body([good.pdu, bad.pdu]);
    const [first, meanwhile] = await Promise.all([put(room, 'one', content), put(room, 'one', content)]);
    assert.equal(first.status, 200);
    assert.deepEqual(Object.keys(first.json.pdus).sort(), [good.eventId, bad.eventId].sort());
    assert.deepEqual(first.json.pdus[good.eventId], {});
    assert.equal(typeof first.json.pdus[bad.eventId].error, 'string');
    assert.deepEqual(meanwhile.json, first.json);
    await universe.restart('a.test');
    // Were it taken again, the answer would be another.
    assert.deepEqual((await put(room, 'one', body([]))).json, first.json);
    assert.deepEqual((await put(room, 'two', body([]))).json, { pdus: {} });
  });

  it('takes what is right beside PDUs and EDUs that are not', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const good = room.scripted.add(text('good'));
    const { room_id: _, ...homeless } = good.pdu;
    const pdus = [null, 1, 'x', [], {}, { room_id: 7 }, { room_id: '!nowhere:b.test' }, homeless, good.pdu];
    const edus = [
      null,
      7,
      {},
      { edu_type: 'm.typing' },
      { edu_type: 'm.typing', content: 3 },
      { edu_type: '__proto__', content: {} },
    ];
    const { status, json } = await put(room, 'mixed', body(pdus, edus as unknown as JsonObject[]));
    assert.equal(status, 200);
    assert.deepEqual(json.pdus[good.eventId], {});
    assert.equal(room.stored(good.eventId), 'accepted');
  });

  it('answers 429 to a server that has too many in progress, and not to others', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const { server, roomId } = room.scripted;
    room.scripted.add(text('lost'));
    const event = room.scripted.add(text('waits'));
    const silent = () => new Promise<JsonObject>(() => undefined);
    server.on('POST', `/_matrix/federation/v1/get_missing_events/${roomId}`, silent);
    const waiting = put(room, 'first', body([event.pdu]));
    await universe.until(() => universe.calls.some(({ uri }) => uri.includes('get_missing_events')));
    const queued = [put(room, 'second', body([])), put(room, 'third', body([]))];
    const refused = await put(room, 'fourth', body([]));
    assert.deepEqual([refused.status, refused.json.errcode], [429, 'M_LIMIT_EXCEEDED']);
    assert.equal((await universe.script('c.test').send('a.test', [])).status, 200);
    universe.clock.advance(60_000);
    for (const { status } of await Promise.all([waiting, ...queued])) assert.equal(status, 200);
  });

  it('ignores events of rooms whose ACL keeps the server out, and says so for each', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const acl = { allow: ['*'], deny: ['b.test'], allow_ip_literals: true };
    await room.send(room.scripted.add({ type: 'm.room.server_acl', stateKey: '', content: acl }));
    const event = room.scripted.add(text('kept out'));
    const answer = await room.send(event);
    assert.match(answer[event.eventId]?.error ?? '', /not allowed/);
    assert.equal(room.stored(event.eventId), 'unknown');
  });

  it('ignores rooms that nobody here is in any more', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    room.local('m.room.member', { membership: 'leave' }, room.alice);
    const event = room.scripted.add(text('too late'));
    await room.send(event);
    assert.equal(room.stored(event.eventId), 'unknown');
  });
});

describe('EDUs', () => {
  const bobJoins = async (room: SharedRoom) => {
    const bob = room.scripted.server.user('bob');
    const join = { type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join' } };
    await room.send(room.scripted.add(join));
    return bob;
  };
  const ephemeral = async (room: SharedRoom, since: string, type: string) => {
    const { room: shown } = await room.sync(since);
    const events: JsonObject[] = shown?.ephemeral?.events ?? [];
    return events.filter((event) => event['type'] === type).map((event) => event['content']);
  };

  it('m.typing tells who types, of the server that sends it and in the room only', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const bob = await bobJoins(room);
    const { next } = await room.sync();
    const { roomId, server } = room.scripted;
    const edu = (user: string, typing: unknown = true): JsonObject => ({
      edu_type: 'm.typing',
      content: { room_id: roomId, user_id: user, typing } as JsonObject,
    });
    const wrong = [edu(room.alice), edu(server.user('stranger')), edu('bob'), edu(bob, 'yes')];
    await server.send('a.test', [], wrong);
    assert.deepEqual(await ephemeral(room, next, 'm.typing'), []);
    await server.send('a.test', [], [edu(bob)]);
    assert.deepEqual(await ephemeral(room, next, 'm.typing'), [{ user_ids: [bob] }]);
    const { next: later } = await room.sync();
    await server.send('a.test', [], [edu(bob, false)]);
    assert.deepEqual(await ephemeral(room, later, 'm.typing'), [{ user_ids: [] }]);
  });

  it('m.receipt moves receipts forward, by thread', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const bob = await bobJoins(room);
    const { roomId, server } = room.scripted;
    const [one, two] = [room.scripted.add(text('one')), room.scripted.add(text('two'))];
    await room.send(one, two);
    const { next } = await room.sync();
    const edu = (user: string, event: string, data: JsonObject): JsonObject => ({
      edu_type: 'm.receipt',
      content: { [roomId]: { 'm.read': { [user]: { event_ids: [event], data } } } },
    });
    await server.send('a.test', [], [edu(room.alice, two.eventId, { ts: 1 }), edu(bob, '$nowhere', { ts: 1 })]);
    assert.deepEqual(await ephemeral(room, next, 'm.receipt'), []);
    await server.send(
      'a.test',
      [],
      [
        edu(bob, two.eventId, { ts: 5 }),
        edu(bob, one.eventId, { ts: 6 }),
        edu(bob, one.eventId, { ts: 7, thread_id: 'main' }),
      ],
    );
    const shown = await ephemeral(room, next, 'm.receipt');
    assert.deepEqual(Object.assign({}, ...shown), {
      [two.eventId]: { 'm.read': { [bob]: { ts: 5 } } },
      [one.eventId]: { 'm.read': { [bob]: { ts: 7, thread_id: 'main' } } },
    });
  });

  it('m.receipt is looked at up to a bound, whatever rooms it names', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await shared(universe);
    const bob = await bobJoins(room);
    const { next } = await room.sync();
    const { roomId, server } = room.scripted;
    const event = room.scripted.add(text('one'));
    await room.send(event);
    const edu = (others: number): JsonObject => ({
      edu_type: 'm.receipt',
      content: {
        ...Object.fromEntries(Array.from({ length: others }, (_, i) => [`!nowhere${i}:b.test`, {}])),
        [roomId]: { 'm.read': { [bob]: { event_ids: [event.eventId], data: { ts: 1 } } } },
      },
    });
    await server.send('a.test', [], [edu(1000)]);
    assert.deepEqual(await ephemeral(room, next, 'm.receipt'), []);
    await server.send('a.test', [], [edu(100)]);
    assert.equal((await ephemeral(room, next, 'm.receipt')).length, 1);
  });

  it('m.presence tells of users with whom we share a room', async () => {
    await using universe = await Universe.open(['a.test'], { presence: { enabled: true } });
    const room = await shared(universe);
    const bob = await bobJoins(room);
    const { server } = room.scripted;
    const push = (user: string): JsonObject => ({
      edu_type: 'm.presence',
      content: {
        push: [{ user_id: user, presence: 'online', status_msg: 'here', last_active_ago: 10, currently_active: true }],
      },
    });
    await server.send('a.test', [], [push(bob), push(server.user('stranger')), push(room.alice)]);
    const answer = await room.world.ok('GET', `/_matrix/client/v3/presence/${bob}/status`, room.token);
    assert.equal(answer.presence, 'online');
    assert.equal(answer.status_msg, 'here');
    const sync = await room.world.ok('GET', '/_matrix/client/v3/sync?timeout=0', room.token);
    const senders: string[] = (sync.presence?.events ?? []).map((event: JsonObject) => event['sender']);
    assert.ok(senders.includes(bob));
    assert.ok(!senders.includes(server.user('stranger')));
  });
});
