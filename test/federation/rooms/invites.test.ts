import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type BuiltEvent, completeEvent, signEvent } from '../../../src/protocol/events/build.ts';
import { contentHash, eventIdOf } from '../../../src/protocol/events/hashes.ts';
import type { Pdu } from '../../../src/protocol/events/pdu.ts';
import { readEvent } from '../../../src/protocol/events/read.ts';
import { verifyEventSignatures } from '../../../src/protocol/events/verify.ts';
import type { RoomId, UserId } from '../../../src/protocol/ids/types.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { rulesOf, type ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import { host, join, own, setState, versions } from './guests.ts';

const enc = encodeURIComponent;
const bob = `@bob:${own}` as UserId;

interface Scene {
  readonly universe: Universe;
  readonly server: ScriptedServer;
  readonly token: string;
}

async function scene(work: (scene: Scene) => Promise<void>): Promise<void> {
  await using universe = await Universe.open([own]);
  const server = universe.script('b.test');
  const token = await universe.world(own).register('bob');
  await work({ universe, server, token });
}

const inviteOf = (room: ScriptedRoom, user = bob): BuiltEvent =>
  room.build({ type: 'm.room.member', stateKey: user, content: { membership: 'invite', displayname: 'Bob' } });

/** The room as whole events. */
const stateOf = (room: ScriptedRoom): JsonObject[] =>
  [...room.entries.values()]
    .map(({ pdu }) => pdu as unknown as JsonObject)
    .filter(({ type }) => type === 'm.room.create' || type === 'm.room.join_rules');

function send({ server }: Scene, room: ScriptedRoom, event: BuiltEvent, more: JsonObject = {}) {
  const content = {
    room_version: room.version,
    event: event.pdu as unknown as JsonObject,
    invite_room_state: stateOf(room),
    ...more,
  };
  const uri = `/_matrix/federation/v2/invite/${enc(room.roomId)}/${enc(event.eventId)}`;
  return server.request(own, 'PUT', uri, content);
}

async function invitedRooms({ universe, token }: Scene) {
  const { rooms } = await universe.world(own).ok('GET', '/_matrix/client/v3/sync', token);
  return (rooms?.invite ?? {}) as Record<string, { invite_state: { events: JsonObject[] } }>;
}

describe('PUT /v2/invite/{roomId}/{eventId}', () => {
  for (const version of versions) {
    it(`answers the event with our signature and shows it to the user (room version ${version})`, () =>
      scene(async (here) => {
        const room = ScriptedRoom.create(here.server, version);
        const event = inviteOf(room);
        const { status, json } = await send(here, room, event);
        assert.equal(status, 200, JSON.stringify(json));
        const { signatures, ...rest } = json.event;
        const { signatures: theirs, ...sent } = event.pdu;
        assert.deepEqual(rest, sent);
        assert.deepEqual(signatures[here.server.name], theirs[here.server.name]);
        const rules = rulesOf(version);
        const keys = here.universe.world(own).hs.services.federation.keyRing;
        const read = readEvent(json.event, rules);
        assert.ok(read.ok);
        assert.equal(read.event.eventId, event.eventId);
        // As if our signature were the one that is needed.
        const ours = { ...json.event, sender: bob, event_id: event.eventId.replace('b.test', own) } as Pdu;
        assert.equal(Object.keys(signatures).length, 2);
        const keyId = Object.keys(signatures[own])[0] as Parameters<typeof keys.key>[1];
        const key = keys.key(own as Parameters<typeof keys.key>[0], keyId, event.pdu.origin_server_ts as never, true);
        assert.ok(key);
        assert.equal(verifyEventSignatures(ours, rules, () => key, read.event.signedText).valid, true);

        const invites = await invitedRooms(here);
        const events = invites[room.roomId]?.invite_state.events ?? [];
        assert.deepEqual(
          events.map(({ type }) => type),
          ['m.room.create', 'm.room.join_rules', 'm.room.member'],
        );
        for (const stripped of events) {
          assert.deepEqual(Object.keys(stripped).sort(), ['content', 'sender', 'state_key', 'type']);
        }
        // Once more, as after a lost answer.
        assert.equal((await send(here, room, event)).status, 200);
      }));
  }

  it('notifies the user, once', () =>
    scene(async (here) => {
      const room = ScriptedRoom.create(here.server, '12');
      const event = inviteOf(room);
      for (let n = 0; n < 2; n++) await send(here, room, event);
      const { interning, pushCounts } = here.universe.world(own).hs.stores;
      const [user, nid] = [interning.findUser(bob), interning.findRoom(room.roomId)];
      assert.ok(user && nid);
      assert.deepEqual(
        [...pushCounts.unread(user, nid)].map(({ notify }) => notify),
        [1],
      );
    }));

  it('wakes a waiting /sync', () =>
    scene(async (here) => {
      const world = here.universe.world(own);
      const { next_batch: since } = await world.ok('GET', '/_matrix/client/v3/sync', here.token);
      const waiting = world.ok('GET', `/_matrix/client/v3/sync?since=${since}&timeout=30000`, here.token);
      const room = ScriptedRoom.create(here.server, '12');
      await send(here, room, inviteOf(room));
      assert.ok(room.roomId in (await waiting).rooms.invite);
    }));

  it('refuses what is no invite of one of our users by one of theirs', () =>
    scene(async (here) => {
      const room = ScriptedRoom.create(here.server, '12');
      const evil = here.universe.script('evil.test');
      const member = (content: JsonObject, stateKey: string = bob) =>
        room.build({ type: 'm.room.member', stateKey, content });
      const foreign = ScriptedRoom.create(evil, '12');
      const table: [what: string, event: BuiltEvent, errcode: string, status: number][] = [
        ['no member event', room.build({ type: 'm.room.topic', stateKey: bob, content: {} }), 'M_INVALID_PARAM', 400],
        ['another membership', member({ membership: 'ban' }), 'M_INVALID_PARAM', 400],
        ['a user of theirs', member({ membership: 'invite' }, '@x:b.test'), 'M_INVALID_PARAM', 400],
        ['no user', member({ membership: 'invite' }, 'x'), 'M_INVALID_PARAM', 400],
        ['nobody of this name', member({ membership: 'invite' }, `@nobody:${own}`), 'M_FORBIDDEN', 403],
        ['a sender of another server', inviteOf(foreign), 'M_INVALID_PARAM', 400],
      ];
      for (const [what, event, errcode, status] of table) {
        const answer = await send(here, room, event);
        assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], what);
      }
      const event = inviteOf(room);
      const wrong = { ...event.pdu, signatures: { 'b.test': { 'ed25519:s1': 'A'.repeat(86) } } };
      const bad = await send(here, room, event, { event: wrong as unknown as JsonObject });
      assert.deepEqual([bad.status, bad.json.errcode], [400, 'M_INVALID_PARAM']);
      const elsewhere = await here.server.request(
        own,
        'PUT',
        `/_matrix/federation/v2/invite/${enc(room.roomId)}/${enc('$other')}`,
        { room_version: '12', event: event.pdu as unknown as JsonObject, invite_room_state: stateOf(room) },
      );
      assert.equal(elsewhere.json.errcode, 'M_INVALID_PARAM');
      assert.deepEqual(await invitedRooms(here), {});
    }));

  it('names the room version if it is none of ours, and wants one', () =>
    scene(async (here) => {
      const room = ScriptedRoom.create(here.server, '11');
      const answer = await send(here, room, inviteOf(room), { room_version: 'x' });
      assert.equal(answer.status, 400);
      assert.equal(answer.json.errcode, 'M_INCOMPATIBLE_ROOM_VERSION');
      assert.equal(answer.json.room_version, 'x');
      const uri = `/_matrix/federation/v2/invite/${enc(room.roomId)}/x`;
      assert.equal((await here.server.request(own, 'PUT', uri, { event: {} })).json.errcode, 'M_MISSING_PARAM');
      assert.equal(
        (await here.server.request(own, 'PUT', uri, { room_version: '11' })).json.errcode,
        'M_MISSING_PARAM',
      );
    }));

  it('is refused for who wants no invites', () =>
    scene(async (here) => {
      const path = `/_matrix/client/v3/user/${enc(bob)}/account_data/m.invite_permission_config`;
      await here.universe.world(own).ok('PUT', path, here.token, { default_action: 'block' });
      const room = ScriptedRoom.create(here.server, '12');
      const answer = await send(here, room, inviteOf(room));
      assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_INVITE_BLOCKED']);
    }));

  it('is not shown to who ignores the sender', () =>
    scene(async (here) => {
      const room = ScriptedRoom.create(here.server, '12');
      const path = `/_matrix/client/v3/user/${enc(bob)}/account_data/m.ignored_user_list`;
      await here.universe.world(own).ok('PUT', path, here.token, { ignored_users: { [room.creator]: {} } });
      assert.equal((await send(here, room, inviteOf(room))).status, 200);
      assert.deepEqual(await invitedRooms(here), {});
    }));

  it('wants the state of the room as good events from room version 12 on', () =>
    scene(async (here) => {
      const room = ScriptedRoom.create(here.server, '12');
      const other = ScriptedRoom.create(here.server, '11');
      const [create, rules] = stateOf(room) as [JsonObject, JsonObject];
      const stripped = { type: 'm.room.name', state_key: '', sender: room.creator, content: { name: 'x' } };
      const unsigned = { ...rules, signatures: {} };
      const table: [what: string, state: unknown][] = [
        ['no create event', [rules]],
        ['nothing', []],
        ['no list', {}],
        ['stripped state', [create, stripped]],
        ['an event without signatures', [create, unsigned]],
        ['an event of another room', [create, stateOf(other)[1]]],
        ['too many', Array.from({ length: 65 }, () => create)],
      ];
      for (const [what, state] of table) {
        const answer = await send(here, room, inviteOf(room), { invite_room_state: state as JsonObject[] });
        assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_INVALID_PARAM'], what);
      }
      // Before, servers sent stripped state; what is none is not shown.
      const old = [stripped, { type: 'm.room.topic' }] as JsonObject[];
      const answer = await send(here, other, inviteOf(other), { invite_room_state: old });
      assert.equal(answer.status, 200, JSON.stringify(answer.json));
      const shown = (await invitedRooms(here))[other.roomId]?.invite_state.events.map(({ type }) => type);
      assert.deepEqual(shown, ['m.room.name', 'm.room.member']);
    }));
});

describe('an invite to a room', () => {
  it('that is known, but has nobody of ours in it any more, is kept beside it', () =>
    scene(async (here) => {
      const { universe, server } = here;
      const room = await host(universe, '11');
      const { event: joined, answer } = await join(server, room, server.user('carol'));
      const path = `/_matrix/client/v3/rooms/${enc(room.roomId)}/leave`;
      await universe.world(own).ok('POST', path, room.token, {});
      const event = server.event(
        {
          type: 'm.room.member',
          sender: server.user('carol'),
          stateKey: room.creator,
          roomId: joined.pdu.room_id as RoomId,
          content: { membership: 'invite' },
          prevEvents: [joined.eventId],
          authEvents: [joined.eventId],
          depth: 100,
          originServerTs: universe.clock.now(),
        },
        '11',
      );
      const content = {
        room_version: '11',
        event: event.pdu as unknown as JsonObject,
        invite_room_state: answer.state as JsonObject[],
      };
      const uri = `/_matrix/federation/v2/invite/${enc(room.roomId)}/${enc(event.eventId)}`;
      const { status, json } = await server.request(own, 'PUT', uri, content);
      assert.equal(status, 200, JSON.stringify(json));
      const invites = await invitedRooms({ ...here, token: room.token });
      assert.ok(room.roomId in invites);
    }));

  it('that one of ours is in is only signed: it comes by what happens in the room', () =>
    scene(async ({ universe, server }) => {
      const room = await host(universe, '11');
      const { event: joined } = await join(server, room, server.user('carol'));
      const event = server.event(
        {
          type: 'm.room.member',
          sender: server.user('carol'),
          stateKey: bob,
          roomId: joined.pdu.room_id as RoomId,
          content: { membership: 'invite' },
          prevEvents: [joined.eventId],
          authEvents: [joined.eventId],
          depth: 100,
          originServerTs: universe.clock.now(),
        },
        '11',
      );
      const content = { room_version: '11', event: event.pdu as unknown as JsonObject };
      const uri = `/_matrix/federation/v2/invite/${enc(room.roomId)}/${enc(event.eventId)}`;
      const { status, json } = await server.request(own, 'PUT', uri, content);
      assert.equal(status, 200, JSON.stringify(json));
      assert.ok(json.event.signatures[own]);
      const { interning, events } = universe.world(own).hs.stores;
      const nid = interning.findEvent(event.eventId);
      assert.equal(nid && events.row(nid), undefined);

      const other = await server.request(own, 'PUT', uri, { ...content, room_version: '10' });
      assert.deepEqual([other.status, other.json.errcode], [400, 'M_INVALID_PARAM']);
      await setState(universe, room, 'm.room.server_acl', { allow: ['*'], deny: ['b.test'] });
      const refused = await server.request(own, 'PUT', uri, content);
      assert.deepEqual([refused.status, refused.json.errcode], [403, 'M_FORBIDDEN']);
    }));

  it('is refused when too many wait', () =>
    scene(async (here) => {
      const first = ScriptedRoom.create(here.server, '11');
      assert.equal((await send(here, first, inviteOf(first))).status, 200);
      const { db, stores, streams } = here.universe.world(own).hs;
      const user = stores.interning.findUser(bob);
      const known = stores.interning.findRoom(first.roomId);
      assert.ok(user && known);
      const event = stores.roomState.localMember(user, known)?.event;
      assert.ok(event);
      db.write<void>(() => {
        for (let n = 1; n < 500; n++) {
          const room = stores.interning.room(`!r${n}:b.test`);
          stores.roomState.setLocalMember({ user, room, membership: 2, event, pos: streams.next() }, '[]');
        }
      });
      const room = ScriptedRoom.create(here.server, '12');
      const answer = await send(here, room, inviteOf(room));
      assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_FORBIDDEN']);
      // Another one to the same room takes no more place.
      assert.equal((await send(here, first, inviteOf(first))).status, 200);
    }));

  it('cannot take the ID of another event', () =>
    scene(async (here) => {
      const one = ScriptedRoom.create(here.server, '1');
      const event = inviteOf(one);
      assert.equal((await send(here, one, event)).status, 200);
      const other = ScriptedRoom.create(here.server, '2');
      const rules = rulesOf('2');
      const { server } = here;
      const draft = { ...inviteOf(other).pdu, event_id: event.eventId };
      const twin = completeEvent(draft, rules, { serverName: server.name, key: server.key });
      const answer = await send(here, other, twin);
      assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_INVALID_PARAM']);
    }));
});

describe('an event of an old room version', () => {
  it('may hold numbers that have no canonical form, and comes back with them', () =>
    scene(async (here) => {
      const { server } = here;
      const room = ScriptedRoom.create(server, '5');
      const rules = rulesOf('5');
      const { hashes: _hashes, signatures: _signatures, ...bare } = inviteOf(room).pdu;
      const odd = { ...bare, content: { membership: 'invite', odd: 1.5 } };
      const hashed = { ...odd, hashes: { sha256: contentHash(odd, rules) }, signatures: {} };
      const pdu = signEvent(hashed, rules, { serverName: server.name, key: server.key });
      const event = { pdu, eventId: eventIdOf(pdu, rules), canonical: '' };
      const { status, json } = await send(here, room, event);
      assert.equal(status, 200, JSON.stringify(json));
      assert.equal(json.event.content.odd, 1.5);
      assert.equal(eventIdOf(json.event, rules), event.eventId);
      assert.ok(room.roomId in (await invitedRooms(here)));
    }));
});

describe('PUT /v1/invite/{roomId}/{eventId}', () => {
  it('is the same in a list, for the first room versions', () =>
    scene(async (here) => {
      const room = ScriptedRoom.create(here.server, '1');
      const event = inviteOf(room);
      const uri = `/_matrix/federation/v1/invite/${enc(room.roomId)}/${enc(event.eventId)}`;
      const body = { ...event.pdu, unsigned: { invite_room_state: stateOf(room) } } as unknown as JsonObject;
      const { status, json } = await here.server.request(own, 'PUT', uri, body);
      assert.equal(status, 200, JSON.stringify(json));
      assert.equal(json[0], 200);
      assert.ok(json[1].event.signatures[own]);
      assert.deepEqual(json[1].event.unsigned, body['unsigned']);
      const shown = (await invitedRooms(here))[room.roomId]?.invite_state.events.map(({ type }) => type);
      assert.deepEqual(shown, ['m.room.create', 'm.room.join_rules', 'm.room.member']);
    }));
});
