import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runOperation } from '../../../src/admin/operations.ts';
import type { Reply } from '../../../src/api/http/types.ts';
import { MatrixError } from '../../../src/protocol/errors.ts';
import type { UserId } from '../../../src/protocol/ids/types.ts';
import type { RoomNid } from '../../../src/store/nids.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import { Universe } from '../../support/servers/universe.ts';
import type { World } from '../../support/servers/world.ts';
import { Guest, isUnknown } from '../joining/joining-world.ts';

const complexity = '/_matrix/federation/unstable/rooms/{}/complexity';
const hierarchy = '/_matrix/federation/v1/hierarchy/{}';

async function stage(limits: Record<string, unknown>, told?: JsonObject, joinRule = 'public') {
  const universe = await Universe.open(['a.test'], {
    limits: { room: limits },
    well_known: { support_page: 'https://a.test/help' },
  });
  const server = universe.script('b.test');
  const room = ScriptedRoom.create(server, '11', { joinRule }).serve();
  if (told !== undefined) server.on('GET', complexity, () => told);
  const world = universe.world('a.test');
  const alice = await Guest.register(world, 'alice');
  const ask = (name: Parameters<typeof runOperation>[1], input: unknown) => runOperation(world.hs.admin, name, input);
  const began = universe.clock.now();
  return {
    universe,
    server,
    room,
    world,
    alice,
    ask,
    began,
    [Symbol.asyncDispose]: () => universe[Symbol.asyncDispose](),
  };
}

/** Lets so many people into a scripted room, besides its creator. */
function fill(room: ScriptedRoom, people: number): void {
  for (let i = 0; i < people; i++) {
    const user = room.server.user(`u${i}`);
    room.add({ type: 'm.room.member', sender: user, stateKey: user, content: { membership: 'join' } });
  }
}

const verbatim = (body: string): Reply => ({ status: 200, headers: { 'Content-Type': 'application/json' }, body });

const large = { v1: 164, hearth: { members: 82_000, servers: 900, state_events: 82_000 } };

describe('limits before a join', () => {
  it('refuse a room that is too large with a sentence and machine-readable fields', async () => {
    await using stood = await stage({ max_members: 50_000 }, large);
    const { universe, room, alice, world } = stood;
    const { status, json } = await alice.join(room.roomId, ['b.test']);
    assert.equal(status, 403);
    assert.equal(json.errcode, 'M_RESOURCE_LIMIT_EXCEEDED');
    assert.match(
      json.error,
      /^This room is too large for this server: it has 82,000 members, and at most 50,000 are allowed here\. It would cost 82,000 members on 900 servers, 82,000 state events, about 62 MB on disk, .* The admin of the server can make an exception\.$/,
    );
    assert.equal(json.admin_contact, 'https://a.test/help');
    assert.deepEqual([json.limit, json.allowed, json.value], ['max_members', 50_000, 82_000]);
    assert.deepEqual(json.estimate.members, { value: 82_000, sure: 'told' });
    assert.deepEqual(Object.keys(json.estimate), [
      'members',
      'servers',
      'state_events',
      'disk_mb',
      'join_minutes',
      'messages_per_day',
    ]);
    assert.ok(!universe.calls.some(({ uri }) => uri.includes('make_join')), 'nobody was asked to let anybody in');
    isUnknown(world, room.roomId);
  });

  it('hold for /rooms/{roomId}/join and for an invite that is accepted', async () => {
    await using stood = await stage({ max_members: 50_000 }, large);
    const { room, alice } = stood;
    const invite = room.add({ type: 'm.room.member', stateKey: alice.userId, content: { membership: 'invite' } });
    const content = { room_version: '11', event: invite.pdu as JsonObject, invite_room_state: [] };
    await stood.server.request(
      'a.test',
      'PUT',
      `/_matrix/federation/v2/invite/${room.roomId}/${invite.eventId}`,
      content,
    );
    const path = `/rooms/${encodeURIComponent(room.roomId)}/join`;
    const { status, json } = await alice.call('POST', path, {});
    assert.deepEqual([status, json.errcode], [403, 'M_RESOURCE_LIMIT_EXCEEDED']);
  });

  it('hold for an alias, for a restricted room, and for a knock that is accepted', async () => {
    for (const joinRule of ['public', 'restricted', 'knock']) {
      await using stood = await stage({ max_members: 50_000 }, large, joinRule);
      const { universe, server, room, alice, world } = stood;
      server.on('GET', '/_matrix/federation/v1/query/directory', () => ({ room_id: room.roomId, servers: ['b.test'] }));
      if (joinRule === 'knock') {
        assert.equal((await alice.knock(room.roomId, ['b.test'])).status, 200);
        const content = { membership: 'invite' };
        const invite = room.add({ type: 'm.room.member', stateKey: alice.userId, content });
        const path = `/_matrix/federation/v2/invite/${room.roomId}/${invite.eventId}`;
        const told = { room_version: '11', event: invite.pdu as JsonObject, invite_room_state: [] };
        assert.equal((await server.request('a.test', 'PUT', path, told)).status, 200);
      }
      for (const name of ['#large:b.test', room.roomId]) {
        const { status, json } = await alice.join(name, ['b.test']);
        assert.deepEqual(
          [status, json.errcode, json.limit],
          [403, 'M_RESOURCE_LIMIT_EXCEEDED', 'max_members'],
          joinRule,
        );
      }
      assert.ok(!universe.calls.some(({ uri }) => uri.includes('make_join')));
      if (joinRule !== 'knock') isUnknown(world, room.roomId);
    }
  });

  it('are held against the field’s form of the answer, and against a summary', async () => {
    for (const [limits, told] of [
      [{ max_state_events: 1000 }, { v1: 2.5 }],
      [{ max_members: 1000 }, undefined],
    ] as const) {
      await using stood = await stage(limits, told);
      const { server, room, alice } = stood;
      server.on('GET', hierarchy, () => ({ room: { room_id: room.roomId, num_joined_members: 4000 }, children: [] }));
      assert.equal((await alice.join(room.roomId, ['b.test'])).json.errcode, 'M_RESOURCE_LIMIT_EXCEEDED');
    }
  });

  it('let a room in of which nobody tells how large it is', async () => {
    await using stood = await stage({ max_members: 5 });
    assert.equal((await stood.alice.join(stood.room.roomId, ['b.test'])).status, 200);
  });

  it('believe nobody who tells nonsense', async () => {
    for (const told of [
      { v1: -1 },
      { v1: 'large' },
      { v1: 1e300 },
      { hearth: 7 },
      { hearth: { members: 1e300, servers: [], state_events: -5 } },
    ]) {
      await using stood = await stage({ max_members: 5 }, told);
      assert.equal((await stood.alice.join(stood.room.roomId, ['b.test'])).status, 200);
    }
  });

  /** What a server may say to seem small, or to keep the join waiting. */
  const lies: [what: string, told: () => JsonObject | Reply | Promise<Reply>][] = [
    ['that the room is empty', () => ({ v1: 0, hearth: { members: 0, servers: 0, state_events: 0 } })],
    ['numbers as texts', () => ({ v1: '0.01', hearth: { members: '1', servers: '1', state_events: '1' } })],
    ['numbers below nothing', () => ({ v1: -0.01, hearth: { members: -1, servers: -1e308, state_events: -1 } })],
    ['numbers beyond all numbers', () => verbatim('{"v1":1e999,"hearth":{"members":1e308,"state_events":1e999}}')],
    ['what is no number', () => verbatim('{"v1":NaN,"hearth":{"members":Infinity}}')],
    ['no JSON', () => verbatim('<html>')],
    ['ten megabytes', () => verbatim(`{"v1":0.01,"x":"${'x'.repeat(10_000_000)}"}`)],
    ['nothing, ever', () => new Promise<never>(() => {})],
  ];
  for (const [what, told] of lies) {
    it(`do not depend on whoever tells ${what}: more than is allowed is not taken in`, async () => {
      await using stood = await stage({ max_members: 10 });
      const { universe, server, room, alice, world } = stood;
      fill(room, 30);
      server.on('GET', complexity, told);
      let status: number | undefined;
      const joined = alice.join(room.roomId, ['b.test']).then((answer) => {
        ({ status } = answer);
        assert.deepEqual([status, answer.json.errcode], [403, 'M_RESOURCE_LIMIT_EXCEEDED'], answer.json.error);
      });
      await universe.until(() => {
        // Who never answers is waited for a few seconds.
        if (!universe.calls.some(({ uri }) => uri.includes('make_join'))) universe.clock.advance(100);
        return status !== undefined;
      });
      await joined;
      assert.ok(universe.clock.now() - stood.began <= 30_000, 'and nobody waits for long');
      isUnknown(world, room.roomId);
      const left = room.current('m.room.member', alice.userId);
      assert.ok(left === undefined || room.pdu(left).content['membership'] === 'leave');
    });
  }

  it('do not hold for a room or a user that the admin has made an exception for', async () => {
    await using stood = await stage({ max_members: 50_000 }, large);
    const { room, alice, ask } = stood;
    await ask('room/exempt-user', { user: 'alice' });
    assert.deepEqual(await ask('room/exemptions', {}), { rooms: [], users: [alice.userId] });
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
    await alice.leave(room.roomId);
    await ask('room/exempt-user', { user: 'alice', exempt: false });
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 403);
    await ask('room/exempt', { room: room.roomId });
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
    assert.deepEqual(await ask('room/exemptions', {}), { rooms: [room.roomId], users: [] });
  });
});

describe('limits that are changed while the server runs', () => {
  it('count for the next join', async () => {
    await using stood = await stage({ max_members: 50_000 }, large);
    const { room, alice, world } = stood;
    const { settings } = world.hs;
    const { inForce } = settings;
    const withMost = (maxMembers: number) =>
      settings.takeOver({ ...inForce, limits: { room: { ...inForce.limits.room, maxMembers } } });
    withMost(80_000);
    const refused = await alice.join(room.roomId, ['b.test']);
    assert.deepEqual([refused.status, refused.json.allowed], [403, 80_000]);
    withMost(90_000);
    assert.equal((await alice.join(room.roomId, ['b.test'])).status, 200);
  });
});

describe('limits while a room comes in', () => {
  const cases: [limit: string, Record<string, unknown>][] = [
    ['max_members', { max_members: 10 }],
    ['max_servers', { max_servers: 1 }],
    ['max_state_events', { max_state_events: 20 }],
  ];
  for (const [limit, limits] of cases) {
    it(`stop at ${limit}, whatever was told before; nothing is kept, and the room is left again`, async () => {
      await using stood = await stage(limits, { v1: 0.01 });
      const { universe, room, alice, world } = stood;
      fill(room, 30);
      const stranger = universe.script('c.test');
      const user = stranger.user('u');
      room.take(stranger.event({ ...memberOf(room, user), content: { membership: 'join' } }, '11').pdu);
      const { status, json } = await alice.join(room.roomId, ['b.test']);
      assert.deepEqual([status, json.errcode, json.limit], [403, 'M_RESOURCE_LIMIT_EXCEEDED', limit], json.error);
      assert.match(json.error, /^The join was stopped, .* Nothing of it was kept\./);
      isUnknown(world, room.roomId);
      const left = room.current('m.room.member', alice.userId);
      assert.equal(left && room.pdu(left).content['membership'], 'leave');
    });
  }

  it('have the room left later, over a restart as well, where it cannot be left at once', async () => {
    await using stood = await stage({ max_members: 10 }, { v1: 0.01 });
    const { universe, server, room, alice, world } = stood;
    fill(room, 30);
    let asked = 0;
    const makeLeave = '/_matrix/federation/v1/make_leave/{}/{}';
    server.on('GET', makeLeave, () => {
      asked++;
      throw new MatrixError(502, 'M_UNKNOWN', 'not now');
    });
    assert.equal((await alice.join(room.roomId, ['b.test'])).json.errcode, 'M_RESOURCE_LIMIT_EXCEEDED');
    const membership = () => {
      const member = room.current('m.room.member', alice.userId);
      return member && room.pdu(member).content['membership'];
    };
    assert.deepEqual([asked, membership()], [1, 'join']);
    await universe.restart('a.test');
    universe.clock.advance(16_000);
    await universe.until(() => asked === 2, 'that it is asked again');
    // It can again what any server can.
    room.serve();
    await universe.until(() => {
      universe.clock.advance(16_000);
      return membership() === 'leave';
    }, 'that the room is left');
    await universe.until(() => !world.hs.stores.pendingJoins.has(roomNid(world, room)));
    isUnknown(universe.world('a.test'), room.roomId);
  });

  it('teach the pace of the board, by which the next room is estimated', async () => {
    await using stood = await stage({}, { v1: 20, hearth: { members: 10_000, servers: 1, state_events: 10_000 } });
    const { room, alice, world, universe, ask } = stood;
    const minutes = async () => {
      const told = (await ask('room/estimate', { room: room.roomId, via: ['b.test'] })) as EstimateAnswer;
      return told.estimate.join_minutes.value;
    };
    const before = await minutes();
    const { rooms } = world.hs.services;
    const nid = world.hs.db.write(() => world.hs.stores.interning.room(room.roomId));
    const guard = rooms.limits.guard(alice.userId as UserId, nid, room.roomId);
    universe.clock.advance(60_000);
    guard.complete(10_000);
    assert.deepEqual(world.hs.stores.roomLimits.samples(), [{ events: 10_000, ms: 60_000 }]);
    assert.ok((await minutes()) > 4 * before);
  });

  it('stop a join that takes too long', async () => {
    await using stood = await stage({ max_join_minutes: 1 });
    const { world, room, alice, universe } = stood;
    const nid = world.hs.db.write(() => world.hs.stores.interning.room(room.roomId));
    const guard = world.hs.services.rooms.limits.guard(alice.userId as UserId, nid, room.roomId);
    guard.check({ stateEvents: 5 });
    universe.clock.advance(61_000);
    assert.throws(() => guard.check({ stateEvents: 6 }), { errcode: 'M_RESOURCE_LIMIT_EXCEEDED' });
  });
});

interface EstimateAnswer {
  readonly words: string;
  readonly above: readonly unknown[];
  readonly estimate: { readonly join_minutes: { readonly value: number } };
}

describe('hearth room estimate', () => {
  it('tells what a room would cost, and what speaks against it', async () => {
    await using stood = await stage({ max_servers: 100, max_members: 100_000, max_state_events: 100_000 }, large);
    const told = (await stood.ask('room/estimate', { room: stood.room.roomId, via: ['b.test'] })) as EstimateAnswer;
    assert.match(told.words, /^82,000 members on 900 servers, 82,000 state events, about 62 MB on disk/);
    assert.deepEqual(told.above, [
      { limit: 'max_servers', allowed: 100, value: 900, words: '900 servers, and at most 100 are allowed here' },
    ]);
  });

  it('counts a room that somebody here is in', async () => {
    await using stood = await stage({});
    fill(stood.room, 3);
    await stood.alice.join(stood.room.roomId, ['b.test']);
    const told = (await stood.ask('room/estimate', { room: stood.room.roomId })) as {
      estimate: Record<string, unknown>;
    };
    assert.deepEqual(told.estimate['members'], { value: 5, sure: 'counted' });
  });

  it('is told everything by another Hearth', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const bob = await Guest.register(universe.world('b.test'), 'bob');
    const room = await bob.createRoom({ preset: 'public_chat' });
    for (let i = 0; i < 54; i++) await bob.say(room, `${i}`);
    const { rooms } = universe.world('b.test').hs.services;
    universe.clock.advance(60_000);
    rooms.meter.flush();
    universe.clock.advance(2 * 24 * 60 * 60_000);
    const { estimate } = (await runOperation(universe.world('a.test').hs.admin, 'room/estimate', {
      room,
      via: ['b.test'],
    })) as { estimate: Record<string, { value: number; sure: string }> };
    assert.deepEqual(estimate['members'], { value: 1, sure: 'told' });
    assert.deepEqual(estimate['servers'], { value: 1, sure: 'told' });
    assert.deepEqual(estimate['messages_per_day'], { value: 30, sure: 'told' });
  });

  it('says so if nobody knows the room', async () => {
    await using stood = await stage({});
    await assert.rejects(stood.ask('room/estimate', { room: '!nowhere:b.test', via: ['b.test'] }), {
      code: 'not_found',
    });
    await assert.rejects(stood.ask('room/estimate', { room: 'nowhere' }), { code: 'bad_input' });
  });
});

function memberOf(room: ScriptedRoom, user: string) {
  const { pdu } = room.build({
    type: 'm.room.member',
    sender: user as never,
    stateKey: user,
    content: { membership: 'join' },
  });
  return {
    type: 'm.room.member',
    sender: user as never,
    stateKey: user,
    roomId: room.roomId,
    prevEvents: pdu.prev_events as never,
    authEvents: pdu.auth_events as never,
    depth: pdu.depth,
    originServerTs: pdu.origin_server_ts,
  };
}

function roomNid({ hs }: World, { roomId }: ScriptedRoom): RoomNid {
  return hs.stores.interning.findRoom(roomId) as RoomNid;
}
