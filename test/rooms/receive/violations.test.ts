import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BuiltEvent } from '../../../src/protocol/events/build.ts';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import { signJson } from '../../../src/protocol/signing/json.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import { SharedRoom, type Stored } from './shared-room.ts';

const text = (body: string) => ({ type: 'm.room.message', content: { body, msgtype: 'm.text' } });
const v1 = '/_matrix/federation/v1';

/** The auth events of the room as it is, without some and with others. */
const auth = (room: SharedRoom, without: readonly string[], ...more: readonly (EventId | undefined)[]): EventId[] => {
  const { scripted } = room;
  const usual = [
    ['m.room.create', ''],
    ['m.room.power_levels', ''],
    ['m.room.member', scripted.creator],
  ]
    .filter(([type = '']) => !without.includes(type) && (type !== 'm.room.create' || scripted.rules.createInAuthEvents))
    .map(([type = '', key]) => scripted.current(type, key));
  return [...usual, ...more].filter((id) => id !== undefined);
};

interface Violation {
  readonly what: string;
  readonly stored: Stored;
  readonly error?: RegExp;
  readonly make: (room: SharedRoom) => BuiltEvent;
}

const violations: readonly Violation[] = [
  {
    what: 'sender is not in the room',
    stored: 'rejected',
    error: /not in the room/,
    make: ({ scripted }) => scripted.build({ ...text('x'), sender: scripted.server.user('stranger') }),
  },
  {
    what: 'auth_events hold something that is not needed',
    stored: 'rejected',
    error: /not needed/,
    make: (room) =>
      room.scripted.build({
        ...text('x'),
        authEvents: auth(room, [], room.scripted.current('m.room.history_visibility')),
      }),
  },
  {
    what: 'auth_events hold two events of one key',
    stored: 'rejected',
    error: /two events/,
    make: (room) => {
      const levels = room.scripted.current('m.room.power_levels');
      return room.scripted.build({ ...text('x'), authEvents: auth(room, [], levels) });
    },
  },
  {
    what: 'auth_events lack the membership of the sender',
    stored: 'rejected',
    error: /not in the room/,
    make: (room) => room.scripted.build({ ...text('x'), authEvents: auth(room, ['m.room.member']) }),
  },
  {
    what: 'it has no prev_events',
    stored: 'rejected',
    error: /prev_events/,
    make: ({ scripted }) =>
      scripted.build({ ...text('x'), prevEvents: [], authEvents: auth({ scripted } as SharedRoom, []) }),
  },
  {
    what: 'too little power for the state',
    stored: 'rejected',
    error: /power/,
    make: ({ scripted }) => {
      const bob = scripted.server.user('bob');
      return scripted.build({ type: 'm.room.topic', stateKey: '', content: { topic: 'x' }, sender: bob });
    },
  },
  {
    what: 'a second create event',
    stored: 'rejected',
    make: ({ scripted }) => {
      const created = scripted.pdu(scripted.current('m.room.create') ?? assert.fail());
      const content = { ...created.content, again: true };
      return scripted.build({ type: 'm.room.create', stateKey: '', content, prevEvents: [] });
    },
  },
];

for (const version of ['1', '6', '11', '12']) {
  describe(`an event that violates one check, room version ${version}`, () => {
    for (const { what, stored, error, make } of violations) {
      // The room of a create event of version 12 is another by definition.
      if (version === '12' && what === 'a second create event') continue;
      it(`is ${stored}: ${what}`, async () => {
        await using universe = await Universe.open(['a.test']);
        const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), version);
        const bob = room.scripted.server.user('bob');
        const join = { type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join' } };
        await room.send(room.scripted.add(join));
        const ends = room.ends();
        const before = room.state();
        const event = make(room);
        const answer = await room.send(event);
        assert.equal(room.stored(event.eventId), stored);
        assert.match(answer[event.eventId]?.error ?? '', error ?? /./);
        assert.deepEqual(room.ends(), ends);
        assert.deepEqual(room.state(), before);
        // What is built upon it is judged by itself.
        room.scripted.take(event.pdu);
        const child = room.scripted.build({
          ...text('child'),
          prevEvents: [event.eventId, ...ends],
          authEvents: auth(room, []),
        });
        await room.send(child);
        assert.equal(
          room.stored(child.eventId),
          event.pdu.prev_events.length === 0 ? room.stored(child.eventId) : 'accepted',
        );
      });
    }

    it('is rejected if one of its auth events was', async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), version);
      const bob = room.scripted.server.user('bob');
      const { creator } = room.scripted;
      const invite = room.scripted.add({
        type: 'm.room.member',
        sender: bob,
        stateKey: bob,
        content: { membership: 'invite' },
      });
      const join = room.scripted.build({
        type: 'm.room.member',
        sender: bob,
        stateKey: bob,
        content: { membership: 'join' },
        prevEvents: room.ends(),
        authEvents: [
          ...auth(room, ['m.room.member']),
          ...[room.scripted.current('m.room.join_rules'), invite.eventId].filter((id) => id !== undefined),
        ],
      });
      await room.send(invite);
      assert.equal(room.stored(invite.eventId), 'rejected');
      const answer = await room.send(join);
      assert.equal(room.stored(join.eventId), 'rejected');
      assert.match(answer[join.eventId]?.error ?? '', /rejected/);
      assert.ok(creator);
    });

    it('is soft-failed by the current state, and has no part in the room', async () => {
      await using universe = await Universe.open(['a.test']);
      const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), version);
      const bob = room.scripted.server.user('bob');
      const member = (membership: string, sender = bob) => ({
        type: 'm.room.member',
        sender,
        stateKey: bob,
        content: { membership },
      });
      await room.send(room.scripted.add(member('join')));
      const fork = room.scripted.ends;
      const evading = room.scripted.build({ ...text('I was never banned'), sender: bob, prevEvents: fork });
      const renamed = room.scripted.build({
        ...member('join'),
        content: { membership: 'join', displayname: 'x' },
        prevEvents: fork,
      });
      await room.send(room.scripted.add(member('ban', room.scripted.creator)));
      const { next } = await room.sync();
      const ends = room.ends();
      assert.deepEqual(await room.send(evading, renamed), { [evading.eventId]: {}, [renamed.eventId]: {} });
      assert.deepEqual([room.stored(evading.eventId), room.stored(renamed.eventId)], ['soft-failed', 'soft-failed']);
      assert.deepEqual(room.ends(), ends);
      assert.equal((await room.sync(next)).room, undefined);
    });
  });
}

describe('a server that lies', () => {
  const opened = async (universe: Universe) =>
    SharedRoom.open(universe.world('a.test'), universe.script('b.test'), '11');

  it('cannot bring in an event by answering with another, or with wrong signatures', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await opened(universe);
    const evil = universe.script('evil.test');
    const { server, roomId } = room.scripted;
    const lost = room.scripted.add(text('lost'));
    const event = room.scripted.add(text('waits'));
    const { signatures: _, ...bare } = lost.pdu as JsonObject;
    const forged = [
      { ...lost.pdu, content: { body: 'forged' }, depth: 3 },
      signJson(bare, evil.name, evil.key),
      { ...lost.pdu, room_id: '!other:b.test' },
      null,
      {},
    ] as unknown as JsonObject[];
    server.on('POST', `${v1}/get_missing_events/${roomId}`, () => ({ events: forged }));
    server.on('GET', `${v1}/event/{}`, () => ({ pdus: forged }));
    await room.send(event);
    assert.equal(room.stored(lost.eventId), 'unknown');
    assert.equal(room.stored(event.eventId), 'deferred');
  });

  it('does not make us follow endless prev_events', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await opened(universe);
    const { server, roomId } = room.scripted;
    let depth = 1_000_000;
    const next = () => {
      const prevEvents = [`$${Buffer.alloc(32, depth).toString('base64url')}` as EventId];
      return room.scripted.build({ ...text('endless'), prevEvents, authEvents: auth(room, []), depth: depth-- });
    };
    server.on('POST', `${v1}/get_missing_events/${roomId}`, () => ({
      events: Array.from({ length: 500 }, () => next().pdu as JsonObject),
    }));
    server.on('GET', `${v1}/state_ids/${roomId}`, () => ({ pdu_ids: [], auth_chain_ids: [] }));
    const event = next();
    await room.send(event);
    assert.equal(room.stored(event.eventId), 'deferred');
    const asked = universe.calls.filter(({ from, to }) => from === 'a.test' && to === 'b.test');
    assert.ok(asked.length < 300, `${asked.length} questions`);
  });

  it('cannot take over the room by the state that it tells', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await opened(universe);
    const { server, roomId } = room.scripted;
    const mallory = server.user('mallory');
    const before = room.state();
    // A state in which mallory is joined and has all power, by events that nobody allowed.
    const join = room.scripted.build({
      type: 'm.room.member',
      sender: mallory,
      stateKey: mallory,
      content: { membership: 'join' },
    });
    const levels = room.scripted.build({
      type: 'm.room.power_levels',
      stateKey: '',
      sender: mallory,
      content: { users: { [mallory]: 100 } },
      authEvents: [...auth(room, ['m.room.member']), join.eventId],
    });
    const unknown = `$${Buffer.alloc(32, 7).toString('base64url')}` as EventId;
    const parent = room.scripted.build({
      ...text('parent'),
      sender: mallory,
      prevEvents: [unknown],
      authEvents: [...auth(room, ['m.room.member']), join.eventId],
    });
    const topic = room.scripted.build({
      type: 'm.room.topic',
      stateKey: '',
      sender: mallory,
      content: { topic: 'mine' },
      prevEvents: [parent.eventId],
      authEvents: [room.scripted.current('m.room.create'), levels.eventId, join.eventId].filter(
        (id) => id !== undefined,
      ),
    });
    const known = new Map([join, levels, parent].map((event) => [event.eventId as string, event.pdu as JsonObject]));
    server.on('POST', `${v1}/get_missing_events/${roomId}`, () => ({ events: [] }));
    server.on('GET', `${v1}/event/{}`, ({ params }) => ({ pdus: [known.get(params[0] ?? '') ?? {}] }));
    const told = [
      ...[...before].filter(([key]) => key !== 'm.room.power_levels|').map(([, id]) => id),
      levels.eventId,
      join.eventId,
    ];
    server.on('GET', `${v1}/state_ids/${roomId}`, () => ({ pdu_ids: told, auth_chain_ids: [] }));
    await room.send(topic);
    assert.notEqual(room.stored(topic.eventId), 'accepted');
    assert.deepEqual(room.state(), before);
  });

  it('is not read for longer than an answer may be', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await opened(universe);
    const { server, roomId } = room.scripted;
    room.scripted.add(text('lost'));
    const event = room.scripted.add(text('waits'));
    let read = 0;
    const endless = () => ({
      status: 200,
      headers: { 'Content-Type': 'application/json' },
      body: (function* () {
        yield '{"events":[';
        for (; read < 2000; read++) yield Buffer.alloc(65_536, 0x20);
      })(),
    });
    server.on('POST', `${v1}/get_missing_events/${roomId}`, endless);
    server.on('GET', `${v1}/state_ids/${roomId}`, endless);
    await room.send(event);
    assert.equal(room.stored(event.eventId), 'deferred');
    assert.ok(read < 600, `${read} pieces`);
  });

  it('does not hold up what others send to the room', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await opened(universe);
    const { server, roomId } = room.scripted;
    const fork = room.scripted.ends;
    room.scripted.add(text('lost'));
    const event = room.scripted.add(text('waits'));
    const silent = () => new Promise<JsonObject>(() => undefined);
    server.on('POST', `${v1}/get_missing_events/${roomId}`, silent);
    server.on('GET', `${v1}/state_ids/${roomId}`, silent);
    const waiting = room.send(event);
    await universe.until(() => universe.calls.some(({ uri }) => uri.includes('get_missing_events')));
    const other = room.scripted.build({ ...text('meanwhile'), prevEvents: fork });
    await universe.script('c.test').send('a.test', [other.pdu]);
    assert.equal(room.stored(other.eventId), 'accepted');
    universe.clock.advance(60_000);
    await waiting;
    assert.equal(room.stored(event.eventId), 'deferred');
  });

  it('cannot borrow the state of another room by citing its events', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await opened(universe);
    const world = universe.world('a.test');
    const other = await SharedRoom.open(world, universe.script('c.test'), '11', room.token);
    const mallory = room.scripted.server.user('mallory');
    const join = other.scripted.server.event(
      {
        type: 'm.room.member',
        stateKey: mallory,
        sender: mallory,
        content: { membership: 'join' },
        roomId: room.scripted.roomId,
        prevEvents: other.scripted.ends,
        authEvents: [],
        depth: 99,
        originServerTs: 1,
      },
      '11',
    );
    const event = room.scripted.build({ ...text('x'), prevEvents: other.scripted.ends, authEvents: auth(room, []) });
    await room.send(event, join);
    assert.equal(room.stored(event.eventId), 'rejected');
    assert.notEqual(room.stored(join.eventId), 'accepted');
    assert.deepEqual(room.ends().includes(event.eventId), false);
  });

  it('cannot have one event taken for another of the same ID, where senders choose them', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await SharedRoom.open(universe.world('a.test'), universe.script('b.test'), '1');
    const { scripted } = room;
    const rejected = scripted.build({ ...text('x'), sender: scripted.server.user('stranger') });
    const eventId = rejected.eventId;
    await room.send(rejected);
    assert.equal(room.stored(eventId), 'rejected');
    const { pdu } = scripted.build(text('another'));
    const draft = {
      type: 'm.room.message',
      sender: scripted.creator,
      content: { body: 'another' },
      roomId: scripted.roomId,
      eventId,
      prevEvents: pdu.prev_events,
      authEvents: pdu.auth_events,
      depth: pdu.depth,
      originServerTs: 1,
    };
    const answer = await room.send(scripted.server.event(draft, '1'));
    assert.match(answer[eventId]?.error ?? '', /Another event/);
    assert.equal(room.stored(eventId), 'rejected');
  });

  it('cannot put an event of one room into another', async () => {
    await using universe = await Universe.open(['a.test']);
    const room = await opened(universe);
    const other = ScriptedRoom.create(universe.script('c.test'), '11');
    const foreign = other.add(text('elsewhere'));
    const event = room.scripted.build({
      ...text('x'),
      authEvents: auth(room, ['m.room.create'], other.current('m.room.create')),
    });
    await room.send({ ...foreign.pdu, room_id: room.scripted.roomId }, event);
    assert.equal(room.stored(foreign.eventId), 'unknown');
    assert.notEqual(room.stored(event.eventId), 'accepted');
  });
});
