import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RoomId } from '../../src/protocol/ids/types.ts';
import type { Requester } from '../../src/users/login/requester.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { defaults, openRoomWorld, type RoomWorld } from './room-world.ts';

type Act = (world: RoomWorld, actor: Requester, roomId: RoomId, target: string) => Promise<unknown>;

const acts: Readonly<Record<string, Act>> = {
  invite: ({ rooms }, actor, roomId, target) => rooms.membership.invite(actor, roomId, target),
  kick: ({ rooms }, actor, roomId, target) => rooms.membership.kick(actor, roomId, target, { reason: 'why' }),
  ban: ({ rooms }, actor, roomId, target) => rooms.membership.ban(actor, roomId, target),
  unban: ({ rooms }, actor, roomId, target) => rooms.membership.unban(actor, roomId, target),
};

/** Alice made the room; mod has 50; bob and member have 0; bob's state is the table's. */
async function stage(world: RoomWorld, bobs: string): Promise<RoomId> {
  const { creation, membership } = world.rooms;
  const [alice, bob, mod, member] = ['alice', 'bob', 'mod', 'member'].map((name) => world.person(name)) as [
    Requester,
    Requester,
    Requester,
    Requester,
  ];
  const roomId = await creation.createRoom(alice, {
    ...defaults,
    version: '11',
    preset: 'public_chat',
    powerLevelOverride: { users: { [alice.userId]: 100, [mod.userId]: 50, '@peer:localhost': 50 }, invite: 50 },
  });
  for (const user of [mod, member, world.person('peer')]) await membership.join(user, roomId);
  if (bobs === 'join' || bobs === 'left') await membership.join(bob, roomId);
  if (bobs === 'left') await membership.leave(bob, roomId);
  if (bobs === 'invite') await membership.invite(alice, roomId, bob.userId);
  if (bobs === 'ban') await membership.ban(alice, roomId, bob.userId);
  return roomId;
}

const table: [act: string, actor: string, target: string, bobs: string, outcome: string][] = [
  ['invite', 'mod', 'bob', 'none', 'invite'],
  ['invite', 'mod', 'bob', 'left', 'invite'],
  ['invite', 'member', 'bob', 'none', '403 M_FORBIDDEN'],
  ['invite', 'mod', 'bob', 'join', '403 M_FORBIDDEN'],
  ['invite', 'mod', 'bob', 'ban', '403 M_FORBIDDEN'],
  ['invite', 'stranger', 'bob', 'none', '403 M_FORBIDDEN'],
  ['kick', 'mod', 'bob', 'join', 'leave'],
  ['kick', 'mod', 'bob', 'invite', 'leave'],
  ['kick', 'member', 'bob', 'join', '403 M_FORBIDDEN'],
  ['kick', 'mod', 'peer', 'none', '403 M_FORBIDDEN'],
  ['kick', 'mod', 'alice', 'none', '403 M_FORBIDDEN'],
  ['kick', 'mod', 'bob', 'left', '403 M_FORBIDDEN'],
  ['kick', 'mod', 'bob', 'none', '403 M_FORBIDDEN'],
  ['kick', 'mod', 'bob', 'ban', '403 M_FORBIDDEN'],
  ['kick', 'stranger', 'bob', 'join', '403 M_FORBIDDEN'],
  ['ban', 'mod', 'bob', 'join', 'ban'],
  ['ban', 'mod', 'bob', 'none', 'ban'],
  ['ban', 'mod', 'bob', 'invite', 'ban'],
  ['ban', 'member', 'bob', 'join', '403 M_FORBIDDEN'],
  ['ban', 'mod', 'peer', 'none', '403 M_FORBIDDEN'],
  ['ban', 'stranger', 'bob', 'join', '403 M_FORBIDDEN'],
  ['unban', 'mod', 'bob', 'ban', 'leave'],
  ['unban', 'member', 'bob', 'ban', '403 M_FORBIDDEN'],
  ['unban', 'mod', 'bob', 'join', '403 M_BAD_STATE'],
  ['unban', 'mod', 'bob', 'none', '403 M_BAD_STATE'],
  ['unban', 'stranger', 'bob', 'ban', '403 M_FORBIDDEN'],
];

describe('membership of others', () => {
  for (const [act, actor, target, bobs, outcome] of table) {
    it(`${act} of ${target} (bob: ${bobs}) by ${actor}: ${outcome}`, async () => {
      await using world = openRoomWorld();
      const roomId = await stage(world, bobs);
      const before = world.observed.length;
      const done = acts[act]?.(world, world.person(actor), roomId, world.person(target).userId);
      const [status, errcode] = outcome.split(' ');
      if (errcode !== undefined) {
        await assert.rejects(done as Promise<unknown>, { status: Number(status), errcode });
        assert.equal(world.observed.length, before);
      } else {
        await done;
        assert.equal(world.observed.at(-1)?.pdu.content['membership'], outcome);
      }
    });
  }

  it('answers 400 M_INVALID_PARAM for what is no user ID and refuses users of other servers', async () => {
    await using world = openRoomWorld();
    const roomId = await stage(world, 'none');
    for (const act of Object.values(acts)) {
      const done = act(world, world.person('alice'), roomId, 'bob');
      await assert.rejects(done, { status: 400, errcode: 'M_INVALID_PARAM' });
    }
    const alice = world.person('alice');
    const { membership } = world.rooms;
    await assert.rejects(membership.invite(alice, roomId, '@bob:elsewhere.test'), { errcode: 'M_FORBIDDEN' });
    await assert.rejects(membership.invite(alice, roomId, '@nobody:localhost'), { errcode: 'M_NOT_FOUND' });
    world.blocking.add(world.person('bob').userId);
    await assert.rejects(membership.invite(alice, roomId, '@bob:localhost'), { errcode: 'M_INVITE_BLOCKED' });
    const state = { type: 'm.room.member', stateKey: '@bob:localhost', content: { membership: 'invite' } };
    await assert.rejects(world.rooms.sending.sendState(alice, roomId, state), { errcode: 'M_INVITE_BLOCKED' });
  });

  it('does not invite twice', async () => {
    await using world = openRoomWorld();
    const roomId = await stage(world, 'invite');
    const before = world.observed.length;
    await world.rooms.membership.invite(world.person('alice'), roomId, '@bob:localhost');
    assert.equal(world.observed.length, before);
  });
});

describe('own membership', () => {
  it('joins by ID or alias, stays in on a second join, and lists the room', async () => {
    await using world = openRoomWorld();
    const { creation, membership } = world.rooms;
    const roomId = await creation.createRoom(world.person('alice'), {
      ...defaults,
      preset: 'public_chat',
      aliasName: 'pub',
    });
    const bob = world.person('bob');
    assert.equal(await membership.join(bob, '#pub:localhost', { reason: 'why' }), roomId);
    assert.deepEqual(world.observed.at(-1)?.pdu.content, { membership: 'join', reason: 'why' });
    const before = world.observed.length;
    assert.equal(await membership.join(bob, roomId), roomId);
    assert.equal(world.observed.length, before);
    assert.deepEqual(membership.joinedRooms(bob), [roomId]);
  });

  it('refuses joins that cannot be', async () => {
    await using world = openRoomWorld();
    const { creation, membership } = world.rooms;
    const alice = world.person('alice');
    const secret = await creation.createRoom(alice, defaults);
    const open = await creation.createRoom(alice, { ...defaults, preset: 'public_chat' });
    const bob = world.person('bob');
    await assert.rejects(membership.join(bob, secret), { status: 403, errcode: 'M_FORBIDDEN' });
    await assert.rejects(membership.join(bob, '!nothing:localhost'), { status: 404, errcode: 'M_NOT_FOUND' });
    await assert.rejects(membership.join(bob, '#nothing:localhost'), { status: 404, errcode: 'M_NOT_FOUND' });
    await assert.rejects(membership.join(bob, '#nothing:elsewhere.test'), { status: 502, errcode: 'M_UNKNOWN' });
    await assert.rejects(membership.join(bob, 'rubbish'), { status: 400, errcode: 'M_INVALID_PARAM' });
    await assert.rejects(membership.join(bob, '#rubbish'), { status: 400, errcode: 'M_INVALID_PARAM' });
    await membership.ban(alice, open, bob.userId);
    await assert.rejects(membership.join(bob, open), { status: 403, errcode: 'M_FORBIDDEN' });
  });

  it('lets guests in only where guests may join', async () => {
    await using world = openRoomWorld();
    const { creation, membership, sending } = world.rooms;
    const alice = world.person('alice');
    const guest = world.person('guest', { guest: true });
    const roomId = await creation.createRoom(alice, { ...defaults, preset: 'public_chat' });
    await assert.rejects(membership.join(guest, roomId), { status: 403, errcode: 'M_GUEST_ACCESS_FORBIDDEN' });
    await sending.sendState(alice, roomId, {
      type: 'm.room.guest_access',
      stateKey: '',
      content: { guest_access: 'can_join' },
    });
    await membership.join(guest, roomId);
  });

  it('rejects invites, leaves, and forgets only what was left', async () => {
    await using world = openRoomWorld();
    const { creation, membership, reading } = world.rooms;
    const alice = world.person('alice');
    const [bob, carol] = [world.person('bob'), world.person('carol')];
    const roomId = await creation.createRoom(alice, { ...defaults, invite: [bob.userId, carol.userId] });
    await membership.leave(bob, roomId);
    assert.equal(world.observed.at(-1)?.pdu.content['membership'], 'leave');
    await membership.join(carol, roomId);
    await assert.rejects(membership.forget(carol, roomId), { status: 400, errcode: 'M_UNKNOWN' });
    await membership.leave(carol, roomId);
    const before = world.observed.length;
    await membership.leave(carol, roomId);
    assert.equal(world.observed.length, before);
    assert.ok([...reading.state(carol, roomId)].join('').length > 2);
    await membership.forget(carol, roomId);
    await membership.forget(carol, roomId);
    assert.throws(() => reading.state(carol, roomId), { status: 403, errcode: 'M_FORBIDDEN' });
    const dave = world.person('dave');
    await assert.rejects(membership.leave(dave, roomId), { status: 403, errcode: 'M_FORBIDDEN' });
    await assert.rejects(membership.leave(dave, '!nothing:localhost'), { status: 404, errcode: 'M_NOT_FOUND' });
    await assert.rejects(membership.forget(dave, roomId), { status: 404, errcode: 'M_NOT_FOUND' });
    await membership.ban(alice, roomId, dave.userId);
    await assert.rejects(membership.leave(dave, roomId), { status: 403, errcode: 'M_FORBIDDEN' });
  });

  it('knocks where the join rules allow it', async () => {
    await using world = openRoomWorld();
    const { creation, membership } = world.rooms;
    const alice = world.person('alice');
    const rule = { type: 'm.room.join_rules', stateKey: '', content: { join_rule: 'knock' } };
    const roomId = await creation.createRoom(alice, { ...defaults, initialState: [rule] });
    const closed = await creation.createRoom(alice, defaults);
    const bob = world.person('bob');
    await membership.knock(bob, roomId, { reason: 'please' });
    assert.deepEqual(world.observed.at(-1)?.pdu.content, { membership: 'knock', reason: 'please' });
    await membership.invite(alice, roomId, bob.userId);
    await membership.join(bob, roomId);
    await assert.rejects(membership.knock(bob, closed), { status: 403, errcode: 'M_FORBIDDEN' });
  });
});

describe('restricted joins', () => {
  for (const [version, rule] of [
    ['8', 'restricted'],
    ['10', 'knock_restricted'],
    ['12', 'restricted'],
  ] as const) {
    it(`lets in whoever is in one of the rooms named (version ${version}, ${rule})`, async () => {
      await using world = openRoomWorld();
      const { creation, membership } = world.rooms;
      const [alice, bob, carol] = [world.person('alice'), world.person('bob'), world.person('carol')];
      const space = await creation.createRoom(alice, { ...defaults, preset: 'public_chat' });
      await membership.join(bob, space);
      const content: JsonObject = {
        join_rule: rule,
        allow: [{ type: 'x' }, { type: 'm.room_membership', room_id: space }],
      };
      const roomId = await creation.createRoom(alice, {
        ...defaults,
        version,
        initialState: [{ type: 'm.room.join_rules', stateKey: '', content }],
      });
      await membership.join(bob, roomId);
      assert.equal(world.observed.at(-1)?.pdu.content['join_authorised_via_users_server'], alice.userId);
      await assert.rejects(membership.join(carol, roomId), { status: 403, errcode: 'M_FORBIDDEN' });
      await membership.invite(alice, roomId, carol.userId);
      await membership.join(carol, roomId);
      assert.equal(world.observed.at(-1)?.pdu.content['join_authorised_via_users_server'], undefined);
    });
  }
});
