import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MatrixError } from '../../src/protocol/errors.ts';
import { asRoomAlias } from '../../src/protocol/ids/room-id.ts';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import { supportedRoomVersions } from '../../src/protocol/room-versions.ts';
import type { CreateRoomOptions } from '../../src/rooms/create/options.ts';
import { wellKnown } from '../../src/store/interning/well-known.ts';
import type { JsonObject } from '../../src/util/json.ts';
import { defaults, openRoomWorld, type RoomWorld } from './room-world.ts';
import { verifyEventSignature } from './verify.ts';

type Create = Partial<CreateRoomOptions>;

async function refused(world: RoomWorld, options: Create): Promise<MatrixError> {
  const { events } = world.store.stores;
  const error = await world.rooms.creation
    .createRoom(world.person('alice'), { ...defaults, ...options })
    .then(() => undefined)
    .catch((cause: unknown) => cause);
  assert.ok(error instanceof MatrixError, 'createRoom was not refused');
  assert.equal(events.row(1 as never), undefined, 'something was left behind');
  return error;
}

describe('createRoom', () => {
  for (const version of supportedRoomVersions) {
    it(`makes a room of version ${version} whose events stand by themselves`, async () => {
      await using world = openRoomWorld();
      const alice = world.person('alice', { displayname: 'Alice' });
      const bob = world.person('bob');
      const roomId = await world.rooms.creation.createRoom(alice, {
        ...defaults,
        version,
        visibility: 'public',
        preset: 'trusted_private_chat',
        aliasName: 'pub',
        name: 'Pub',
        topic: 'Beer',
        invite: [bob.userId],
        isDirect: true,
        creationContent: { 'm.federate': false, type: 'm.space' },
        initialState: [{ type: 'm.room.encryption', stateKey: '', content: { algorithm: 'x' } }],
      });
      const { interning, roomState, aliases } = world.store.stores;
      const room = interning.findRoom(roomId);
      assert.ok(room);
      assert.deepEqual(
        world.observed.map(({ pdu }) => `${pdu.type} ${pdu.state_key}`),
        [
          'm.room.create ',
          `m.room.member ${alice.userId}`,
          'm.room.power_levels ',
          'm.room.canonical_alias ',
          'm.room.join_rules ',
          'm.room.history_visibility ',
          'm.room.guest_access ',
          'm.room.encryption ',
          'm.room.name ',
          'm.room.topic ',
          `m.room.member ${bob.userId}`,
        ],
      );
      for (const event of world.observed) verifyEventSignature(event);
      const info = roomState.info(room);
      assert.deepEqual(
        { joined: info?.joined, invited: info?.invited, states: info?.states, published: info?.published },
        { joined: 1, invited: 1, states: 11, published: true },
      );
      assert.equal(aliases.find(asRoomAlias('#pub:localhost'))?.room, room);
      const create = world.observed[0];
      if (version === '12') assert.equal(roomId, `!${create?.eventId.slice(1)}`);
      else assert.match(roomId, /^![A-Za-z]{18}:localhost$/);
      const member = world.observed[1]?.pdu.content as JsonObject;
      assert.deepEqual(member, { membership: 'join', displayname: 'Alice' });
      // The room goes on from here.
      await world.rooms.sending.send(alice, roomId, { type: 'm.room.message', content: { body: 'hi' } });
      assert.equal(roomState.current(room, wellKnown.stateKeys.create), create?.row.nid);
      assert.deepEqual(world.store.stores.extremities.forward(room), [world.observed.at(-1)?.row.nid]);
    });
  }

  const table: [situation: string, Create, status: number, errcode: string][] = [
    ['an unknown version', { version: '99' }, 400, 'M_UNSUPPORTED_ROOM_VERSION'],
    ['an alias name with a colon', { aliasName: 'a:b' }, 400, 'M_INVALID_PARAM'],
    ['an empty alias name', { aliasName: '' }, 400, 'M_INVALID_PARAM'],
    [
      'additional creators that are no user IDs',
      { creationContent: { additional_creators: ['bob'] } },
      400,
      'M_INVALID_PARAM',
    ],
    [
      'a creator among the users of the power levels',
      { powerLevelOverride: { users: { '@alice:localhost': 100 } } },
      400,
      'M_INVALID_ROOM_STATE',
    ],
    [
      'a level so low that the name cannot be set',
      { version: '11', name: 'x', powerLevelOverride: { users: { '@alice:localhost': 0 } } },
      400,
      'M_INVALID_ROOM_STATE',
    ],
    [
      'a second create event',
      { initialState: [{ type: 'm.room.create', stateKey: '', content: {} }] },
      400,
      'M_INVALID_ROOM_STATE',
    ],
    [
      'a canonical alias that leads nowhere',
      { initialState: [{ type: 'm.room.canonical_alias', stateKey: '', content: { alias: '#x:localhost' } }] },
      400,
      'M_BAD_ALIAS',
    ],
    ['power levels that are no integers', { powerLevelOverride: { ban: '50' } }, 400, 'M_BAD_JSON'],
    ['a name beyond the size of an event', { name: 'x'.repeat(66_000) }, 413, 'M_TOO_LARGE'],
    ['an invite to another server', { invite: [asUserId('@bob:elsewhere.test')] }, 403, 'M_FORBIDDEN'],
    [
      'an invite to another server among the state',
      {
        initialState: [{ type: 'm.room.member', stateKey: '@bob:elsewhere.test', content: { membership: 'invite' } }],
      },
      403,
      'M_FORBIDDEN',
    ],
    ['an invite to nobody', { invite: [asUserId('@nobody:localhost')] }, 404, 'M_NOT_FOUND'],
    ['an invite to somebody who blocks them', { invite: [asUserId('@bob:localhost')] }, 403, 'M_INVITE_BLOCKED'],
  ];
  for (const [situation, options, status, errcode] of table) {
    it(`answers ${status} ${errcode} to ${situation}, and leaves nothing behind`, async () => {
      await using world = openRoomWorld();
      world.blocking.add(world.person('bob').userId);
      const error = await refused(world, options);
      assert.deepEqual([error.status, error.errcode], [status, errcode], error.message);
    });
  }

  it('answers 400 M_ROOM_IN_USE if the alias is taken', async () => {
    await using world = openRoomWorld();
    const alice = world.person('alice');
    await world.rooms.creation.createRoom(alice, { ...defaults, aliasName: 'pub' });
    const again = world.rooms.creation.createRoom(alice, { ...defaults, aliasName: 'pub' });
    await assert.rejects(again, { status: 400, errcode: 'M_ROOM_IN_USE' });
    assert.equal(world.rooms.membership.joinedRooms(alice).length, 1);
  });
});
