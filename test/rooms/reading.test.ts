import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RoomEventFilter } from '../../src/protocol/filters/event-filter.ts';
import type { EventId, RoomId } from '../../src/protocol/ids/types.ts';
import { pageToken, syncToken } from '../../src/streams/tokens.ts';
import type { Requester } from '../../src/users/login/requester.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { page, walk } from './paging.ts';
import { defaults, openRoomWorld, type RoomWorld } from './room-world.ts';

async function talk(world: RoomWorld, messages: number) {
  const [alice, bob] = [world.person('alice', { displayname: 'Alice' }), world.person('bob')];
  const roomId = await world.rooms.creation.createRoom(alice, { ...defaults, preset: 'public_chat', name: 'Pub' });
  await world.rooms.membership.join(bob, roomId);
  const ids: EventId[] = [];
  for (let at = 0; at < messages; at++) {
    const content: JsonObject = at % 3 === 0 ? { body: `${at}`, url: 'mxc://x/y' } : { body: `${at}` };
    ids.push(await world.rooms.sending.send(at % 2 ? bob : alice, roomId, { type: 'm.room.message', content }));
  }
  return { alice, bob, roomId, ids };
}

const idsOf = (events: readonly JsonObject[]): unknown[] => events.map(({ event_id }) => event_id);
const now = (world: RoomWorld): string => syncToken(world.store.streams.epoch, world.store.streams.now());

function members(world: RoomWorld, reader: Requester, roomId: RoomId, selection = {}): string[] {
  const { chunk } = JSON.parse([...world.rooms.reading.members(reader, roomId, selection)].join('')) as {
    chunk: { state_key: string; content: { membership: string } }[];
  };
  return chunk.map(({ state_key, content }) => `${state_key.slice(1, 4)} ${content.membership}`);
}

describe('messages', () => {
  it('pages through the whole history in either direction, each event once', async () => {
    await using world = openRoomWorld();
    const { alice, roomId } = await talk(world, 20);
    const all = world.observed.map(({ eventId }) => eventId);
    assert.deepEqual(idsOf(walk(world, alice, roomId, 'f')), all);
    assert.deepEqual(idsOf(walk(world, alice, roomId, 'b')), all.toReversed());
    assert.deepEqual(idsOf(walk(world, alice, roomId, 'b', { from: now(world) })), all.toReversed());
  });

  it('gives tokens that serve the other direction too', async () => {
    await using world = openRoomWorld();
    const { alice, roomId, ids } = await talk(world, 10);
    const newest = page(world, alice, roomId, 'b', { limit: 4 });
    assert.deepEqual(idsOf(newest.chunk), ids.slice(-4).toReversed());
    const forth = page(world, alice, roomId, 'f', { from: newest.end, limit: 100 });
    assert.deepEqual(idsOf(forth.chunk), ids.slice(-4));
    assert.equal(forth.start, newest.end);
    assert.equal(forth.end, undefined);
    const back = page(world, alice, roomId, 'b', { from: newest.end, limit: 2 });
    assert.deepEqual(idsOf(back.chunk), ids.slice(-6, -4).toReversed());
  });

  it('stops at `to`, in either direction', async () => {
    await using world = openRoomWorld();
    const { alice, roomId, ids } = await talk(world, 4);
    const token = now(world);
    const later: EventId[] = [];
    for (const body of ['a', 'b', 'c']) {
      later.push(await world.rooms.sending.send(alice, roomId, { type: 'm.room.message', content: { body } }));
    }
    assert.deepEqual(idsOf(page(world, alice, roomId, 'b', { to: token, limit: 100 }).chunk), later.toReversed());
    const middle = page(world, alice, roomId, 'b', { from: token, limit: 2 });
    const between = page(world, alice, roomId, 'f', { from: middle.end, to: token, limit: 100 });
    assert.deepEqual(idsOf(between.chunk), ids.slice(-2));
  });

  it('applies the filter, and goes on past what it keeps back', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId, ids } = await talk(world, 12);
    const filtered = (filter: JsonObject): unknown[] => idsOf(walk(world, alice, roomId, 'f', { filter }));
    assert.deepEqual(
      filtered({ types: ['m.room.message'], senders: [bob.userId] }),
      ids.filter((_, at) => at % 2 === 1),
    );
    assert.deepEqual(
      filtered({ contains_url: true }),
      ids.filter((_, at) => at % 3 === 0),
    );
    assert.deepEqual(filtered({ not_types: ['m.room.*', 'm.x'], types: ['*'] }), []);
    assert.equal(page(world, alice, roomId, 'b', { filter: { limit: 2 }, limit: 9 }).chunk.length, 2);
  });

  it('adds the member events of the senders with lazy loading, and no state without', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId } = await talk(world, 3);
    assert.equal(page(world, alice, roomId, 'b').state, undefined);
    const lazy = page(world, alice, roomId, 'b', { limit: 2, filter: { lazy_load_members: true } });
    assert.deepEqual(lazy.state?.map(({ state_key }) => state_key).sort(), [alice.userId, bob.userId]);
    const one = page(world, alice, roomId, 'b', { limit: 1, filter: { lazy_load_members: true } });
    assert.deepEqual(
      one.state?.map(({ state_key }) => state_key),
      [alice.userId],
    );
  });

  it('answers 400 M_INVALID_PARAM for tokens that are none, of another epoch or another room', async () => {
    await using world = openRoomWorld();
    const { alice, roomId } = await talk(world, 1);
    const other = await world.rooms.creation.createRoom(alice, defaults);
    const foreign = page(world, alice, other, 'b', { limit: 1 }).end;
    const { epoch } = world.store.streams;
    for (const from of ['rubbish', pageToken(epoch + 1, 1, 1), pageToken(epoch, 99, 1), foreign]) {
      assert.throws(() => page(world, alice, roomId, 'b', { from }), { errcode: 'M_INVALID_PARAM' }, from);
    }
  });

  it('is closed to strangers and to who has forgotten the room', async () => {
    await using world = openRoomWorld();
    const { bob, roomId } = await talk(world, 1);
    const refused = { status: 403, errcode: 'M_FORBIDDEN' };
    assert.throws(() => page(world, world.person('carol'), roomId, 'b'), refused);
    await world.rooms.membership.leave(bob, roomId);
    assert.ok(page(world, bob, roomId, 'b').chunk.length > 0);
    await world.rooms.membership.forget(bob, roomId);
    assert.throws(() => page(world, bob, roomId, 'b'), refused);
  });
});

describe('context', () => {
  it('gives the events around one, the tokens to go on, and the state after the newest', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId, ids } = await talk(world, 9);
    const around = (limit: number, filter: JsonObject = {}): Record<string, unknown> => {
      const query = { limit, filter: new RoomEventFilter(filter, '') };
      return JSON.parse([...world.rooms.messages.context(alice, roomId, ids[4] as string, query)].join(''));
    };
    const found = around(5);
    assert.equal((found['event'] as JsonObject)['event_id'], ids[4]);
    assert.deepEqual(idsOf(found['events_before'] as JsonObject[]), [ids[3], ids[2], ids[1]]);
    assert.deepEqual(idsOf(found['events_after'] as JsonObject[]), [ids[5], ids[6]]);
    assert.deepEqual(idsOf(page(world, alice, roomId, 'b', { from: found['start'] as string, limit: 1 }).chunk), [
      ids[0],
    ]);
    assert.deepEqual(idsOf(page(world, alice, roomId, 'f', { from: found['end'] as string, limit: 1 }).chunk), [
      ids[7],
    ]);
    assert.equal((found['state'] as JsonObject[]).length, 8);
    const none = around(0);
    assert.deepEqual([none['events_before'], none['events_after']], [[], []]);
    const lazy = around(1, { lazy_load_members: true, types: ['m.room.message', 'm.room.member'] });
    assert.deepEqual((lazy['state'] as { state_key: string }[]).map(({ state_key }) => state_key).sort(), [
      alice.userId,
      bob.userId,
    ]);
    const query = { filter: new RoomEventFilter({}, '') };
    for (const id of ['$unknown', 'rubbish']) {
      assert.throws(() => world.rooms.messages.context(alice, roomId, id, query), { errcode: 'M_NOT_FOUND' });
    }
    assert.throws(() => world.rooms.messages.context(world.person('carol'), roomId, ids[4] as string, query), {
      errcode: 'M_NOT_FOUND',
    });
  });
});

describe('state and members', () => {
  it('is the state of now for members, and that of the leave for who has left', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId } = await talk(world, 0);
    const name = (reader: Requester): string =>
      world.rooms.reading.stateEvent(reader, roomId, { type: 'm.room.name', stateKey: '' }, 'content');
    await world.rooms.membership.leave(bob, roomId);
    await world.rooms.sending.sendState(alice, roomId, { type: 'm.room.name', stateKey: '', content: { name: 'New' } });
    assert.equal(name(alice), '{"name":"New"}');
    assert.equal(name(bob), '{"name":"Pub"}');
    const state = JSON.parse([...world.rooms.reading.state(bob, roomId)].join('')) as JsonObject[];
    assert.equal(state.length, 8);
    const event = world.rooms.reading.stateEvent(alice, roomId, { type: 'm.room.name', stateKey: '' }, 'event');
    assert.equal((JSON.parse(event) as JsonObject)['room_id'], roomId);
    const { reading } = world.rooms;
    assert.throws(() => name(world.person('carol')), { status: 403, errcode: 'M_FORBIDDEN' });
    for (const [type, stateKey] of [
      ['m.room.name', 'x'],
      ['never.seen', ''],
    ] as const) {
      const missing = { status: 404, errcode: 'M_NOT_FOUND' };
      assert.throws(() => reading.stateEvent(alice, roomId, { type, stateKey }, 'content'), missing);
    }
  });

  it('lists members, now, at a token and by membership', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId } = await talk(world, 0);
    const before = now(world);
    const { membership } = world.rooms;
    const [carol, dave] = [world.person('carol'), world.person('dave')];
    await membership.invite(alice, roomId, carol.userId);
    const boundary = page(world, alice, roomId, 'b', { limit: 0 }).start;
    await membership.join(dave, roomId);
    await membership.leave(bob, roomId);
    assert.deepEqual(members(world, alice, roomId).sort(), ['ali join', 'bob leave', 'car invite', 'dav join']);
    assert.deepEqual(members(world, alice, roomId, { membership: 'join' }).sort(), ['ali join', 'dav join']);
    assert.deepEqual(members(world, alice, roomId, { notMembership: 'join' }).sort(), ['bob leave', 'car invite']);
    assert.deepEqual(members(world, alice, roomId, { membership: 'invite', notMembership: 'join' }).sort(), [
      'bob leave',
      'car invite',
    ]);
    assert.deepEqual(members(world, alice, roomId, { at: before }).sort(), ['ali join', 'bob join']);
    assert.deepEqual(members(world, alice, roomId, { at: boundary }).sort(), ['ali join', 'bob join', 'car invite']);
    // Who has left is not told of later.
    await membership.join(carol, roomId);
    assert.deepEqual(members(world, bob, roomId, { at: now(world) }).sort(), [
      'ali join',
      'bob leave',
      'car invite',
      'dav join',
    ]);
    assert.throws(() => world.rooms.reading.members(alice, roomId, { at: 'x' }), { errcode: 'M_INVALID_PARAM' });
  });

  it('lists joined members with name and picture, for members only', async () => {
    await using world = openRoomWorld();
    const { alice, bob, roomId } = await talk(world, 0);
    const { reading, membership } = world.rooms;
    assert.deepEqual(JSON.parse([...reading.joinedMembers(bob, roomId)].join('')), {
      joined: { [alice.userId]: { display_name: 'Alice' }, [bob.userId]: {} },
    });
    await membership.leave(bob, roomId);
    assert.throws(() => reading.joinedMembers(bob, roomId), { status: 403, errcode: 'M_FORBIDDEN' });
  });

  it('walks rooms with more members than one page holds', async () => {
    await using world = openRoomWorld();
    const { alice, roomId } = await talk(world, 0);
    for (let at = 0; at < 120; at++) await world.rooms.membership.join(world.person(`u${at}`), roomId);
    assert.equal(members(world, alice, roomId).length, 122);
    const text = [...world.rooms.reading.joinedMembers(alice, roomId)].join('');
    assert.equal(Object.keys((JSON.parse(text) as { joined: object }).joined).length, 122);
  });
});
