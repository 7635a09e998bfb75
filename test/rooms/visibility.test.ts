import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EventId, RoomId } from '../../src/protocol/ids/types.ts';
import { type HistoryVisibility, historyVisibilityOf, maySee } from '../../src/rooms/read/history-visibility.ts';
import type { Requester } from '../../src/users/login/requester.ts';
import { bodies } from './paging.ts';
import { defaults, openRoomWorld, type RoomWorld } from './room-world.ts';

describe('history visibility: the rules', () => {
  const forms: readonly HistoryVisibility[] = ['world_readable', 'shared', 'invited', 'joined'];
  // For each membership at the event: which forms let the user see it, without and with a join after it.
  const table: [membership: string | undefined, now: string[], joinedLater: string[]][] = [
    ['join', [...forms], [...forms]],
    ['invite', ['world_readable', 'invited'], ['world_readable', 'shared', 'invited']],
    ['knock', ['world_readable'], ['world_readable', 'shared']],
    ['leave', ['world_readable'], ['world_readable', 'shared']],
    ['ban', ['world_readable'], ['world_readable', 'shared']],
    [undefined, ['world_readable'], ['world_readable', 'shared']],
  ];
  for (const [membership, now, later] of table) {
    it(`for a user whose membership was ${membership ?? 'none'}`, () => {
      for (const visibility of forms) {
        assert.equal(maySee({ visibility, membership, joinedLater: false }), now.includes(visibility), visibility);
        assert.equal(maySee({ visibility, membership, joinedLater: true }), later.includes(visibility), visibility);
      }
    });
  }

  it('assumes shared if the value is absent or not understood', () => {
    for (const content of [undefined, {}, { history_visibility: 'x' }, { history_visibility: 1 }]) {
      assert.equal(historyVisibilityOf(content), 'shared');
    }
    assert.equal(historyVisibilityOf({ history_visibility: 'joined' }), 'joined');
  });
});

/** Which of the messages `m0`… a user sees, by /event and by paging alike. */
function seen(world: RoomWorld, reader: Requester, roomId: RoomId, ids: ReadonlyMap<string, EventId>): string {
  const names: string[] = [];
  for (const [name, id] of ids) {
    try {
      world.rooms.reading.event(reader, roomId, id);
      names.push(name);
    } catch (error) {
      assert.equal((error as { errcode: string }).errcode, 'M_NOT_FOUND');
    }
  }
  return names.join(' ');
}

/**
 * Bob's way through a room of one visibility, with a message after each step: nothing, invite, join, leave, again
 * nothing, ban.
 */
async function journey(visibility: string | undefined, version: string) {
  const world = openRoomWorld();
  const { creation, membership, sending } = world.rooms;
  const [alice, bob, carol] = [world.person('alice'), world.person('bob'), world.person('carol')];
  const roomId = await creation.createRoom(alice, {
    ...defaults,
    version,
    initialState:
      visibility === undefined
        ? []
        : [{ type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: visibility } }],
  });
  const ids = new Map<string, EventId>();
  const say = async (): Promise<void> => {
    const name = `m${ids.size}`;
    ids.set(name, await sending.send(alice, roomId, { type: 'm.room.message', content: { body: name } }));
  };
  const during: string[] = [];
  await say();
  for (const step of [
    () => membership.invite(alice, roomId, bob.userId),
    () => membership.join(bob, roomId),
    () => membership.leave(bob, roomId),
    () => membership.ban(alice, roomId, bob.userId),
    () => membership.unban(alice, roomId, bob.userId),
  ]) {
    await step();
    await say();
    during.push(seen(world, bob, roomId, ids));
  }
  return { world, roomId, ids, during, bob, carol, alice };
}

describe('history visibility: a user who is invited, joins, leaves, is banned and unbanned', () => {
  const table: [visibility: string | undefined, invited: string, joined: string, left: string][] = [
    ['world_readable', 'm0 m1', 'm0 m1 m2', 'm0 m1 m2 m3'],
    ['shared', '', 'm0 m1 m2', 'm0 m1 m2'],
    [undefined, '', 'm0 m1 m2', 'm0 m1 m2'],
    ['invited', 'm1', 'm1 m2', 'm1 m2'],
    ['joined', '', 'm2', 'm2'],
  ];
  for (const [visibility, invited, joined, left] of table) {
    it(`${visibility ?? 'no visibility set'}`, async () => {
      const { world, during, roomId, ids, carol } = await journey(visibility, '11');
      await using _ = world;
      const rest = visibility === 'world_readable' ? [`${left} m4`, `${left} m4 m5`] : [left, left];
      assert.deepEqual(during, [invited, joined, left, ...rest]);
      assert.equal(seen(world, carol, roomId, ids), visibility === 'world_readable' ? 'm0 m1 m2 m3 m4 m5' : '');
    });
  }

  it('is the same by /messages in both directions', async () => {
    for (const visibility of ['world_readable', 'shared', 'invited', 'joined']) {
      const { world, roomId, bob, during } = await journey(visibility, '12');
      await using _ = world;
      const expected = (during.at(-1) ?? '').split(' ');
      assert.deepEqual(bodies(world, bob, roomId, 'f'), expected);
      assert.deepEqual(bodies(world, bob, roomId, 'b'), expected.toReversed());
    }
  });

  it('applies what was set when the event was sent', async () => {
    await using world = openRoomWorld();
    const { creation, membership, sending } = world.rooms;
    const [alice, bob, carol] = [world.person('alice'), world.person('bob'), world.person('carol')];
    const set = (value: string) => ({
      type: 'm.room.history_visibility',
      stateKey: '',
      content: { history_visibility: value },
    });
    const roomId = await creation.createRoom(alice, {
      ...defaults,
      preset: 'public_chat',
      initialState: [set('joined')],
    });
    const ids = new Map<string, EventId>();
    const say = async (name: string): Promise<void> => {
      ids.set(name, await sending.send(alice, roomId, { type: 'm.room.message', content: { body: name } }));
    };
    await say('hidden');
    // A change is seen by whoever may see what was before it or what is after it.
    ids.set('opened', await sending.sendState(alice, roomId, set('world_readable')));
    await say('open');
    ids.set('closed', await sending.sendState(alice, roomId, set('joined')));
    await say('closed again');
    await membership.join(bob, roomId);
    assert.equal(seen(world, carol, roomId, ids), 'opened open closed');
    assert.equal(seen(world, bob, roomId, ids), 'opened open closed');
  });

  it("shows a user's own member events that begin or end a membership that may see", async () => {
    const { world, roomId, bob } = await journey('joined', '12');
    await using _ = world;
    const own = world.observed.filter(({ pdu }) => pdu.state_key === bob.userId);
    const ids = new Map(own.map(({ pdu, eventId }, at) => [`${at}:${pdu.content['membership'] as string}`, eventId]));
    assert.equal(seen(world, bob, roomId, ids), '1:join 2:leave');
  });
});
