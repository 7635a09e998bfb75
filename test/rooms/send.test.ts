import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId, RoomId } from '../../src/protocol/ids/types.ts';
import { roomVersionRules, supportedRoomVersions } from '../../src/protocol/room-versions.ts';
import { eventFlags } from '../../src/store/events/flags.ts';
import type { EventNid } from '../../src/store/nids.ts';
import type { Requester } from '../../src/users/login/requester.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { defaults, openRoomWorld, type RoomWorld } from './room-world.ts';

const text = (body: string): { type: string; content: JsonObject } => ({ type: 'm.room.message', content: { body } });

interface Place {
  readonly alice: Requester;
  readonly bob: Requester;
  readonly roomId: RoomId;
}

async function twoInARoom(world: RoomWorld, version = '12'): Promise<Place> {
  const [alice, bob] = [world.person('alice'), world.person('bob')];
  const roomId = await world.rooms.creation.createRoom(alice, { ...defaults, version, preset: 'public_chat' });
  await world.rooms.membership.join(bob, roomId);
  return { alice, bob, roomId };
}

function shown(world: RoomWorld, reader: Requester, roomId: string, eventId: EventId): JsonObject {
  return JSON.parse(world.rooms.reading.event(reader, roomId, eventId)) as JsonObject;
}

describe('sending: transaction IDs', () => {
  it('answers the first event to a repeated request of the same device and path', async () => {
    await using world = openRoomWorld();
    const { alice, roomId } = await twoInARoom(world);
    const { sending } = world.rooms;
    const before = world.observed.length;
    const first = await sending.send(alice, roomId, text('a'), { txnId: '1' });
    assert.equal(await sending.send(alice, roomId, text('b'), { txnId: '1' }), first);
    const both = await Promise.all(['2', '2'].map((txnId) => sending.send(alice, roomId, text('c'), { txnId })));
    assert.equal(both[0], both[1]);
    assert.equal(world.observed.length, before + 2);
  });

  it('tells apart devices, rooms, event types, and sending from redacting', async () => {
    await using world = openRoomWorld();
    const { alice, roomId } = await twoInARoom(world);
    const { sending, creation } = world.rooms;
    const other = await creation.createRoom(alice, defaults);
    const phone = world.person('alice', { device: 2 });
    const ids = [
      await sending.send(alice, roomId, text('a'), { txnId: '1' }),
      await sending.send(phone, roomId, text('a'), { txnId: '1' }),
      await sending.send(alice, other, text('a'), { txnId: '1' }),
      await sending.send(alice, roomId, { type: 'x', content: {} }, { txnId: '1' }),
    ];
    ids.push(await sending.redact(alice, roomId, ids[0] as EventId, {}, { txnId: '1' }));
    assert.equal(new Set(ids).size, 5);
    assert.equal(await sending.redact(alice, roomId, ids[0] as EventId, {}, { txnId: '1' }), ids[4]);
  });

  it('shows the transaction ID to the sending device only', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId } = await twoInARoom(world);
    const id = await world.rooms.sending.send(alice, roomId, text('a'), { txnId: 'a.b' });
    const seen = (reader: Requester): unknown =>
      (shown(world, reader, roomId, id)['unsigned'] as JsonObject)['transaction_id'];
    assert.equal(seen(alice), 'a.b');
    assert.equal(seen(world.person('alice', { device: 2 })), undefined);
    assert.equal(seen(bob), undefined);
  });
});

describe('sending: what cannot be sent', () => {
  const table: [string, { type: string; content: JsonObject; stateKey?: string }, number, string][] = [
    ['a float', { type: 'x', content: { a: 1.5 } }, 400, 'M_BAD_JSON'],
    ['an integer beyond 2^53 - 1', { type: 'x', content: { a: 2 ** 53 } }, 400, 'M_BAD_JSON'],
    ['a lone surrogate', { type: 'x', content: { a: '\ud800' } }, 400, 'M_BAD_JSON'],
    ['no type', { type: '', content: {} }, 400, 'M_BAD_JSON'],
    ['a type over 255 bytes', { type: 'x'.repeat(256), content: {} }, 413, 'M_TOO_LARGE'],
    ['a state key over 255 bytes', { type: 'x', stateKey: 'é'.repeat(128), content: {} }, 413, 'M_TOO_LARGE'],
    ['more than 65,536 bytes', { type: 'x', content: { a: 'x'.repeat(65_536) } }, 413, 'M_TOO_LARGE'],
    ['a level as a string', { type: 'm.room.power_levels', stateKey: '', content: { ban: '1' } }, 400, 'M_BAD_JSON'],
    [
      'levels that are no object',
      { type: 'm.room.power_levels', stateKey: '', content: { users: 1 } },
      400,
      'M_BAD_JSON',
    ],
    [
      'a membership that is no string',
      { type: 'm.room.member', stateKey: '@alice:localhost', content: {} },
      400,
      'M_BAD_JSON',
    ],
    ['another create event', { type: 'm.room.create', stateKey: '', content: {} }, 403, 'M_FORBIDDEN'],
    ["another user's state key", { type: 'x', stateKey: '@bob:localhost', content: {} }, 403, 'M_FORBIDDEN'],
    ['a redaction of nothing known', { type: 'm.room.redaction', content: { redacts: '$x' } }, 404, 'M_NOT_FOUND'],
    ['a redaction of no event ID', { type: 'm.room.redaction', content: { redacts: 7 } }, 404, 'M_NOT_FOUND'],
    [
      'a canonical alias that is none',
      { type: 'm.room.canonical_alias', stateKey: '', content: { alias: 'x' } },
      400,
      'M_INVALID_PARAM',
    ],
    [
      'a canonical alias of no room',
      { type: 'm.room.canonical_alias', stateKey: '', content: { alt_aliases: ['#x:localhost'] } },
      400,
      'M_BAD_ALIAS',
    ],
  ];
  for (const version of ['1', '5', '12']) {
    it(`is refused in room version ${version} and changes nothing`, async () => {
      await using world = openRoomWorld();
      const { alice, roomId } = await twoInARoom(world, version);
      const before = world.observed.length;
      for (const [situation, draft, status, errcode] of table) {
        const { stateKey } = draft;
        const sent =
          stateKey === undefined
            ? world.rooms.sending.send(alice, roomId, draft)
            : world.rooms.sending.sendState(alice, roomId, { ...draft, stateKey });
        await assert.rejects(sent, { status, errcode }, situation);
      }
      assert.equal(world.observed.length, before);
    });
  }

  it('answers 403 M_FORBIDDEN outside of a room, whether it exists or not', async () => {
    await using world = openRoomWorld();
    const { roomId } = await twoInARoom(world);
    const carol = world.person('carol');
    for (const room of [roomId, '!nothing:localhost', 'rubbish']) {
      await assert.rejects(world.rooms.sending.send(carol, room, text('a')), { status: 403, errcode: 'M_FORBIDDEN' });
    }
  });
});

describe('sending state', () => {
  it('does not send again what the same user has set', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId } = await twoInARoom(world);
    const { sending } = world.rooms;
    const levels = { users: { [bob.userId]: 50 } };
    await sending.sendState(alice, roomId, { type: 'm.room.power_levels', stateKey: '', content: levels });
    const draft = { type: 'm.room.name', stateKey: '', content: { name: 'x' } };
    const first = await sending.sendState(alice, roomId, draft);
    assert.equal(await sending.sendState(alice, roomId, draft), first);
    const second = await sending.sendState(bob, roomId, draft);
    assert.notEqual(second, first);
    const event = shown(world, alice, roomId, second);
    const { replaces_state, prev_content, age, membership } = event['unsigned'] as JsonObject;
    assert.deepEqual([replaces_state, prev_content, age, membership], [first, { name: 'x' }, 0, 'join']);
  });

  it('puts the profile into joins and drops a claimed authoriser', async () => {
    await using world = openRoomWorld();
    const { alice, roomId } = await twoInARoom(world);
    world.person('alice', { displayname: 'Alice' });
    const content = { membership: 'join', join_authorised_via_users_server: '@bob:localhost' };
    const id = await world.rooms.sending.sendState(alice, roomId, {
      type: 'm.room.member',
      stateKey: alice.userId,
      content,
    });
    assert.deepEqual(shown(world, alice, roomId, id)['content'], { membership: 'join', displayname: 'Alice' });
  });
});

describe('redaction', () => {
  for (const version of supportedRoomVersions) {
    it(`strips the event and says by what in room version ${version}`, async () => {
      await using world = openRoomWorld();
      const { alice, bob, roomId } = await twoInARoom(world, version);
      const { sending } = world.rooms;
      const target = await sending.send(bob, roomId, text('secret'));
      shown(world, alice, roomId, target);
      const redaction = await sending.redact(alice, roomId, target, { reason: 'spam' });
      const event = shown(world, alice, roomId, target);
      assert.deepEqual(event['content'], {});
      const because = (event['unsigned'] as JsonObject)['redacted_because'] as JsonObject;
      assert.equal(because['event_id'], redaction);
      assert.equal(because['redacts'], target);
      assert.deepEqual(because['content'], { reason: 'spam', redacts: target });
      const { interning, events } = world.store.stores;
      const nid = interning.findEvent(redaction) as EventNid;
      const pdu = events.pdu(nid);
      const inContent = roomVersionRules(version)?.redactsIn === 'content';
      assert.equal(pdu['redacts'], inContent ? undefined : target);
      assert.equal((pdu['content'] as JsonObject)['redacts'], inContent ? target : undefined);
      assert.ok((events.row(interning.findEvent(target) as EventNid)?.flags ?? 0) & eventFlags.REDACTED);
    });
  }

  it('may be sent with /send, and strips state content without a new state', async () => {
    await using world = openRoomWorld();
    const { alice, roomId } = await twoInARoom(world, '10');
    const { sending } = world.rooms;
    const first = await sending.sendState(alice, roomId, {
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'a' },
    });
    const second = await sending.sendState(alice, roomId, {
      type: 'm.room.topic',
      stateKey: '',
      content: { topic: 'b' },
    });
    assert.deepEqual((shown(world, alice, roomId, second)['unsigned'] as JsonObject)['prev_content'], { topic: 'a' });
    await sending.send(alice, roomId, { type: 'm.room.redaction', content: { redacts: first } });
    assert.deepEqual((shown(world, alice, roomId, second)['unsigned'] as JsonObject)['prev_content'], {});
    await sending.send(alice, roomId, { type: 'm.room.redaction', content: { redacts: second } });
    const topic = world.rooms.reading.stateEvent(alice, roomId, { type: 'm.room.topic', stateKey: '' }, 'content');
    assert.equal(topic, '{}');
  });

  it('is for the sender, for who has the power, and for server admins', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId } = await twoInARoom(world);
    const { sending, membership } = world.rooms;
    const carol = world.person('carol', { admin: true });
    await membership.join(carol, roomId);
    const ofAlice = await sending.send(alice, roomId, text('a'));
    const ofBob = await sending.send(bob, roomId, text('b'));
    await assert.rejects(sending.redact(bob, roomId, ofAlice, {}), { status: 403, errcode: 'M_FORBIDDEN' });
    await sending.redact(bob, roomId, ofBob, {});
    await sending.redact(carol, roomId, ofAlice, {});
    assert.deepEqual(shown(world, bob, roomId, ofAlice)['content'], {});
  });

  it('takes the power to redact as a state event too', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId } = await twoInARoom(world);
    const { sending } = world.rooms;
    const content = { users: { [bob.userId]: 60 }, state_default: 50, redact: 70 };
    await sending.sendState(alice, roomId, { type: 'm.room.power_levels', stateKey: '', content });
    const redacts = await sending.send(alice, roomId, text('a'));
    const state = { type: 'm.room.redaction', stateKey: '', content: { redacts } };
    await assert.rejects(sending.sendState(bob, roomId, state), { status: 403, errcode: 'M_FORBIDDEN' });
  });

  it('is refused for create events, ACLs and events of other rooms', async () => {
    await using world = openRoomWorld();
    const { alice, roomId } = await twoInARoom(world);
    const { sending, creation } = world.rooms;
    const create = world.observed[0]?.eventId as EventId;
    const acl = await sending.sendState(alice, roomId, {
      type: 'm.room.server_acl',
      stateKey: '',
      content: { allow: ['*'] },
    });
    for (const target of [create, acl]) {
      await assert.rejects(sending.redact(alice, roomId, target, {}), { status: 403, errcode: 'M_FORBIDDEN' });
    }
    const other = await creation.createRoom(alice, defaults);
    const elsewhere = await sending.send(alice, other, text('a'));
    for (const target of [elsewhere, '$unknown', 'rubbish']) {
      await assert.rejects(sending.redact(alice, roomId, target, {}), { status: 404, errcode: 'M_NOT_FOUND' });
    }
  });

  it('of a member leaves the membership as it was', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId } = await twoInARoom(world);
    const joined = world.observed.at(-1)?.eventId as EventId;
    await world.rooms.sending.redact(alice, roomId, joined, {});
    assert.deepEqual(shown(world, alice, roomId, joined)['content'], { membership: 'join' });
    await world.rooms.sending.send(bob, roomId, text('still here'));
  });
});
