import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PushMessages } from '../../../src/push/push-message.ts';
import type { Pusher } from '../../../src/store/push/pushers.ts';
import { Entered, joins, only } from './partial-world.ts';

const own = 'a.test';
const enc = encodeURIComponent;
const lazily = `&filter=${enc('{"room":{"state":{"lazy_load_members":true}}}')}`;

describe('what is told of a room whose members are not known yet', () => {
  it('are no counts of members in /sync, until they are known', async () => {
    await using entered = await Entered.open();
    const { alice } = entered.stage;
    const first = await alice.sync(undefined, lazily);
    assert.equal(only(first).summary?.['m.joined_member_count'], undefined);
    // Somebody who comes in changes the summary.
    const { y, room } = entered.stage;
    await y.send(own, [joins(room, y, 'newer').pdu]);
    const second = await alice.sync(first.next_batch, lazily);
    assert.equal(only(second).summary?.['m.joined_member_count'], undefined);
    await entered.complete();
    const third = await alice.sync(second.next_batch, lazily);
    assert.equal(only(third).summary['m.joined_member_count'], 22);
    assert.equal(only(await alice.sync(undefined, lazily)).summary['m.joined_member_count'], 22);
  });

  it('is no notification as in a room of two', async () => {
    await using entered = await Entered.open();
    const { y, room, alice } = entered.stage;
    // As far as is known there are two in the room now.
    await y.send(own, [joins(room, y, 'newer').pdu]);
    await entered.says(y, 'newer', 'hello');
    const { notifications } = await alice.ok('GET', '/notifications');
    assert.deepEqual(notifications[0].actions, ['notify']);
  });

  it('is a notification that names whoever speaks by what they cite, and not the room by a few of its members', async () => {
    await using entered = await Entered.open(({ room, y }) => {
      const n0 = y.user('n0');
      const content = { membership: 'join', displayname: 'Nora' };
      room.add({ type: 'm.room.member', sender: n0, stateKey: n0, content, by: y });
    });
    const { y, world, alice } = entered.stage;
    const { stores, services } = world.hs;
    const messages = new PushMessages({ ...stores, ...services.rooms });
    const row = entered.row(await entered.says(y, 'n0', 'hello'));
    const user = stores.interning.user(alice.userId);
    const pusher = { user, appId: 'app', pushkey: 'key', updated: 0, data: '{}' } as unknown as Pusher;
    const written = () => messages.event(pusher, row, { actions: ['notify'] } as never, 1);
    assert.equal(written()['sender_display_name'], 'Nora');
    assert.equal(written()['room_name'], undefined);
    await entered.complete();
    assert.equal(written()['sender_display_name'], 'Nora');
    assert.equal(written()['room_name'], `@creator:x.test, Nora, @m1:x.test and 17 more`);
  });

  it('is no number of members before it is known, if no other server tells', async () => {
    await using entered = await Entered.open();
    const { alice, room } = entered.stage;
    let isAnswered = false;
    const waiting = alice.call('GET', `/room_summary/${enc(room.roomId)}`, undefined, 'v1').finally(() => {
      isAnswered = true;
    });
    for (let turn = 0; turn < 100; turn++) await nextTurn();
    assert.ok(!isAnswered);
    await entered.complete();
    assert.equal((await waiting).json.num_joined_members, 21);
  });

  it('is the number of members that another server tells', async () => {
    await using entered = await Entered.open();
    const { alice, room, x } = entered.stage;
    x.on('GET', '/_matrix/federation/v1/hierarchy/{}', () => ({
      room: { room_id: room.roomId, num_joined_members: 40_000, join_rule: 'public' },
      children: [],
      inaccessible_children: [],
    }));
    const told = await alice.call('GET', `/room_summary/${enc(room.roomId)}`, undefined, 'v1');
    assert.equal(told.json.num_joined_members, 40_000);
    const { rooms } = (await alice.call('GET', `${entered.path('hierarchy')}`, undefined, 'v1')).json;
    assert.equal(rooms[0].num_joined_members, 40_000);
  });

  it('is nothing to other servers that ask how large it is, nor in our directory', async () => {
    await using entered = await Entered.open();
    const { x, room, world } = entered.stage;
    const { db, stores } = world.hs;
    db.write<void>(() => stores.roomState.publish(entered.stage.known.nid, true));
    const answers = async () => {
      const complexity = await x.request(
        own,
        'GET',
        `/_matrix/federation/unstable/rooms/${enc(room.roomId)}/complexity`,
      );
      const hierarchy = await x.request(own, 'GET', `/_matrix/federation/v1/hierarchy/${enc(room.roomId)}`);
      const { chunk } = await entered.stage.alice.ok('GET', '/publicRooms');
      return [complexity.status, hierarchy.status, chunk.length];
    };
    assert.deepEqual(await answers(), [404, 404, 0]);
    await entered.complete();
    assert.deepEqual(await answers(), [200, 200, 1]);
  });

  it('is the whole state, or none: in a context, in a search, in what was before /sync', async () => {
    await using entered = await Entered.open();
    const { alice, y, world } = entered.stage;
    const said = await entered.says(y, 'n3', 'hello');
    const lazy = enc('{"lazy_load_members":true}');
    const shown = await alice.ok('GET', entered.path(`context/${enc(said)}?limit=0&filter=${lazy}`));
    assert.deepEqual(
      shown.state
        .filter(({ type }: { type: string }) => type === 'm.room.member')
        .map((e: { sender: string }) => e.sender),
      [y.user('n3')],
    );
    assert.deepEqual((await alice.ok('GET', '/initialSync')).rooms, []);
    const wish = { search_categories: { room_events: { search_term: 'hello', include_state: true } } };
    const found = async () => (await alice.ok('POST', '/search', wish)).search_categories.room_events;
    assert.deepEqual([(await found()).count, (await found()).state], [1, {}]);
    const before = world.clock.pendingTimers;
    const waiting = alice.ok('GET', entered.path(`context/${enc(said)}?limit=0`));
    while (world.clock.pendingTimers === before) await nextTurn();
    await entered.complete();
    const members = (await waiting).state.filter(({ type }: { type: string }) => type === 'm.room.member');
    assert.equal(members.length, 21);
    assert.equal((await alice.ok('GET', '/initialSync')).rooms.length, 1);
    assert.deepEqual(Object.keys((await found()).state), [entered.stage.room.roomId]);
  });
});
