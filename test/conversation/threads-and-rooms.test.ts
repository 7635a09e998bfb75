import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  Direction,
  EventTimeline,
  EventType,
  JoinRule,
  type MatrixClient,
  MatrixError,
  MsgType,
  Preset,
  RelationType,
  ThreadFilterType,
} from 'matrix-js-sdk';
import {
  muteSdk,
  registerWithSdk,
  type SdkAccount,
  startSdk,
  until,
  untilEvent,
  untilRoom,
} from '../support/clients/sdk-client.ts';
import { ServerProcess } from '../support/servers/server-process.ts';

/** The steps build on each other: one story, told in order. */
describe('two people with matrix-js-sdk', () => {
  let server: ServerProcess;
  let bobAccount: SdkAccount;
  let alice: MatrixClient;
  let bob: MatrixClient;
  let room: string;
  let root: string;

  let unmute = (): void => {};
  before(async () => {
    unmute = muteSdk();
    server = await ServerProcess.start();
    const aliceAccount = await registerWithSdk(server.url, 'alice', 'alice has a password');
    bobAccount = await registerWithSdk(server.url, 'bob', 'bob has a password too');
    alice = await startSdk(server.url, aliceAccount, { threadSupport: true });
    bob = await startSdk(server.url, bobAccount, { threadSupport: true });
    room = (await alice.createRoom({ preset: Preset.PublicChat, name: 'Club' })).room_id;
    await bob.joinRoom(room);
    await untilRoom(bob, room, 'join');
    await untilRoom(alice, room, 'join');
  });
  after(async () => {
    unmute();
    alice?.stopClient();
    bob?.stopClient();
    await server?.remove();
  });

  it('talk in a thread, which both clients know as one', async () => {
    root = (await alice.sendTextMessage(room, 'Who brings what?')).event_id;
    await untilEvent(bob, room, root);
    // The SDK asks the server for a thread that is new to it, and counts wrong what comes while it asks.
    const ofLength = (length: number) =>
      until(alice, `the thread with ${length} messages`, () => {
        const found = alice.getRoom(room)?.getThread(root);
        return found?.initialEventsFetched === true && found.length === length && found;
      });
    await bob.sendMessage(room, root, { msgtype: MsgType.Text, body: 'Bread' });
    await ofLength(1);
    await bob.sendMessage(room, root, { msgtype: MsgType.Text, body: 'Cheese' });
    const thread = await ofLength(2);
    assert.equal(thread.replyToEvent?.getContent()['body'], 'Cheese');
    assert.equal(thread.hasCurrentUserParticipated, true);
    const unread = () => alice.getRoom(room)?.getThreadUnreadNotificationCount(root);
    await until(alice, 'unread messages of the thread', () => unread() === 2);
    await alice.sendReadReceipt(thread.replyToEvent);
    await until(alice, 'the thread read', () => unread() === 0);
  });

  it('find the thread in the list of threads', async () => {
    const list = await bob.createThreadListMessagesRequest(room, null, 10, Direction.Backward, ThreadFilterType.My);
    assert.deepEqual(
      list.chunk.map((event) => event.event_id),
      [root],
    );
  });

  it('a client that comes later gets the thread by its aggregation, and all of it by its relations', async () => {
    for (let i = 0; i < 25; i++) await alice.sendTextMessage(room, `much else ${i}`);
    const device = await registerWithSdk(server.url, 'carol', 'carol has a password');
    const carol = await startSdk(server.url, device, { threadSupport: true });
    try {
      await carol.joinRoom(room);
      await untilRoom(carol, room, 'join');
      const event = await carol.fetchRoomEvent(room, root);
      const bundled = event.unsigned?.['m.relations']?.[RelationType.Thread];
      assert.equal(bundled?.count, 2);
      assert.equal(bundled?.current_user_participated, false);
      const { events } = await carol.relations(room, root, RelationType.Thread, null, { dir: Direction.Forward });
      assert.deepEqual(
        events.map((each) => each.getContent()['body']),
        ['Bread', 'Cheese'],
      );
    } finally {
      carol.stopClient();
    }
  });

  it('edit what they said: the newest edit is told with the event', async () => {
    const typo = (await alice.sendTextMessage(room, 'Teh wine')).event_id;
    for (const body of ['The wien', 'The wine']) {
      await alice.sendMessage(room, {
        msgtype: MsgType.Text,
        body: `* ${body}`,
        'm.new_content': { msgtype: MsgType.Text, body },
        'm.relates_to': { rel_type: RelationType.Replace, event_id: typo },
      });
    }
    await until(bob, 'the edit', () => bob.getRoom(room)?.findEventById(typo)?.getContent()['body'] === 'The wine');
    const raw = await bob.fetchRoomEvent(room, typo);
    assert.equal(raw.content?.['body'], 'Teh wine');
    const { originalEvent, events } = await bob.relations(room, typo, RelationType.Replace, EventType.RoomMessage);
    assert.equal(originalEvent?.getContent()['body'], 'The wine');
    assert.equal(events.length, 2);
  });

  it('react once each, and again after taking it back', async () => {
    const reaction = { 'm.relates_to': { rel_type: RelationType.Annotation, event_id: root, key: '👍' } } as const;
    const first = (await bob.sendEvent(room, EventType.Reaction, reaction)).event_id;
    await untilEvent(alice, room, first);
    await assert.rejects(
      bob.sendEvent(room, EventType.Reaction, reaction),
      (error) => error instanceof MatrixError && error.errcode === 'M_DUPLICATE_ANNOTATION',
    );
    await bob.redactEvent(room, first);
    const second = (await bob.sendEvent(room, EventType.Reaction, reaction)).event_id;
    await untilEvent(alice, room, second);
    const other = await bob.sendEvent(room, EventType.Reaction, {
      'm.relates_to': { ...reaction['m.relates_to'], key: '🎉' },
    });
    await untilEvent(alice, room, other.event_id);
    const { events } = await alice.relations(room, root, RelationType.Annotation, EventType.Reaction);
    assert.equal(events.length, 2);
  });

  it('jump to the moment at which something was said', async () => {
    const event = await alice.fetchRoomEvent(room, root);
    const found = await alice.timestampToEvent(room, event.origin_server_ts as number, Direction.Forward);
    assert.equal(found.event_id, root);
  });

  it('one knocks at a door, the other opens it', async () => {
    const closed = await alice.createRoom({
      name: 'Back room',
      initial_state: [{ type: EventType.RoomJoinRules, state_key: '', content: { join_rule: JoinRule.Knock } }],
    });
    await bob.knockRoom(closed.room_id, { reason: 'It is me' });
    const knocked = await untilRoom(bob, closed.room_id, 'knock');
    assert.equal(knocked.name, 'Back room');
    await until(
      alice,
      'the knock',
      () => alice.getRoom(closed.room_id)?.getMember(bobAccount.userId)?.membership === 'knock',
    );
    await alice.invite(closed.room_id, bobAccount.userId);
    await untilRoom(bob, closed.room_id, 'invite');
    await bob.joinRoom(closed.room_id);
    await untilRoom(bob, closed.room_id, 'join');
  });

  it('move to an upgraded room, and find the old one behind it', async () => {
    const old = await alice.createRoom({ preset: Preset.PublicChat, room_version: '10', name: 'Old house' });
    await bob.joinRoom(old.room_id);
    await untilRoom(bob, old.room_id, 'join');
    const { replacement_room: replacement } = await alice.upgradeRoom(old.room_id, '12');
    await until(
      bob,
      'the tombstone',
      () =>
        bob
          .getRoom(old.room_id)
          ?.getLiveTimeline()
          .getState(EventTimeline.FORWARDS)
          ?.getStateEvents(EventType.RoomTombstone, '')
          ?.getContent()['replacement_room'] === replacement,
    );
    await bob.joinRoom(replacement);
    const joined = await untilRoom(bob, replacement, 'join');
    assert.equal(joined.name, 'Old house');
    assert.equal(joined.getVersion(), '12');
    assert.equal(joined.findPredecessor()?.roomId, old.room_id);
    assert.deepEqual(
      bob.getVisibleRooms().filter(({ roomId }) => roomId === old.room_id),
      [],
    );
  });
});
