import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Presence } from '../../src/ephemeral/presence.ts';
import { PresenceEdus } from '../../src/ephemeral/presence-edus.ts';
import { ReceiptEdus } from '../../src/ephemeral/receipt-edus.ts';
import { Typing } from '../../src/ephemeral/typing.ts';
import { sendTyping } from '../../src/ephemeral/typing-edus.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { asUserId } from '../../src/protocol/ids/user-id.ts';
import { mainThread, type ReceiptRow, unthreaded } from '../../src/store/ephemeral/receipts.ts';
import type { EventNid } from '../../src/store/nids.ts';
import { streamStart } from '../../src/store/sync/positions.ts';
import type { Requester } from '../../src/users/login/requester.ts';
import { millis } from '../../src/util/brand.ts';
import { OutboxRig } from '../support/federation/outbox-rig.ts';
import type { TestStore } from '../support/store.ts';

const serverName = asServerName('localhost');
const receipts = ({ stores, clock }: TestStore) => [new ReceiptEdus({ ...stores, clock, serverName })];

function read(rig: OutboxRig, room: ReturnType<OutboxRig['room']>, user: string, receipt: Partial<ReceiptRow>): void {
  const { stores, streams, db } = rig.store;
  db.write<void>(() => {
    stores.receipts.put(room.nid, {
      user: stores.interning.user(user),
      kind: 1,
      thread: unthreaded,
      event: 0 as EventNid,
      ts: 1000,
      pos: streams.next(),
      ...receipt,
    });
    streams.touchRoom(room.nid);
  });
}

describe('read receipts', () => {
  it('go to the servers in the room, with their thread, one EDU for each thread of a user', async () => {
    await using rig = OutboxRig.open(receipts);
    const room = rig.room('room', ['a.test', 'b.test']);
    rig.room('other', ['c.test']);
    const [root, last] = room.say('root', 'last');
    assert.ok(root && last);
    await rig.settle();
    rig.store.db.write<void>(() => {
      read(rig, room, '@us:localhost', { event: last.nid });
      read(rig, room, '@we:localhost', { event: root.nid, thread: mainThread });
      read(rig, room, '@us:localhost', { event: last.nid, thread: root.nid });
    });
    await rig.settle();
    const roomId = '!room:localhost';
    const receipt = (eventId: string, data: object) => ({ data: { ts: 1000, ...data }, event_ids: [eventId] });
    for (const name of ['a.test', 'b.test']) {
      const edus = rig.taken.filter(({ to }) => to === name).flatMap((sent) => sent.edus);
      assert.deepEqual(edus, [
        {
          edu_type: 'm.receipt',
          content: {
            [roomId]: {
              'm.read': {
                '@us:localhost': receipt(last.id, {}),
                '@we:localhost': receipt(root.id, { thread_id: 'main' }),
              },
            },
          },
        },
        {
          edu_type: 'm.receipt',
          content: { [roomId]: { 'm.read': { '@us:localhost': receipt(last.id, { thread_id: root.id }) } } },
        },
      ]);
    }
    assert.deepEqual(rig.heard('c.test'), []);
  });

  it('that are private go nowhere, and those of other servers are not passed on', async () => {
    await using rig = OutboxRig.open(receipts);
    const room = rig.room('room', ['a.test', 'b.test']);
    const [event] = room.say('1');
    assert.ok(event);
    await rig.settle();
    read(rig, room, '@us:localhost', { event: event.nid, kind: 2 });
    read(rig, room, '@them:b.test', { event: event.nid });
    await rig.settle();
    assert.deepEqual(
      rig.taken.flatMap(({ edus }) => edus),
      [],
    );
  });

  it('of the time when a server was away come as their latest only', async () => {
    await using rig = OutboxRig.open(receipts);
    const room = rig.room('room', ['a.test']);
    const events = room.say('1', '2', '3');
    await rig.settle();
    rig.answers.set('a.test', 'fails');
    for (const { nid } of events) {
      read(rig, room, '@us:localhost', { event: nid });
      await rig.settle();
    }
    rig.cameBack('a.test');
    await rig.settle();
    const edus = rig.taken.flatMap((sent) => sent.edus);
    assert.deepEqual(
      edus.map(({ content }) => content),
      [
        {
          '!room:localhost': {
            'm.read': { '@us:localhost': { data: { ts: 1000 }, event_ids: [events[2]?.id] } },
          },
        },
      ],
    );
  });
});

describe('presence', () => {
  it('goes to servers that share a room with the user, as it is now', async () => {
    let presence: Presence | undefined;
    await using rig = OutboxRig.open((store) => {
      const { interning, roomState } = store.stores;
      const { remoteLists } = store.stores;
      presence = new Presence({
        ...store,
        interning,
        roomState,
        remoteLists,
        serverName,
        enabled: true,
        exists: () => true,
      });
      return [new PresenceEdus({ ...store.stores, clock: store.clock, presence, serverName })];
    });
    rig.room('room', ['a.test', 'b.test']);
    const userId = asUserId('@us:localhost');
    const user = rig.store.stores.interning.findUser(userId);
    assert.ok(user && presence);
    presence.set({ user, userId } as Requester, userId, 'online', 'hello');
    presence.set({ user, userId } as Requester, userId, 'unavailable', 'hello');
    await rig.settle();
    const push = [
      {
        user_id: userId,
        presence: 'unavailable',
        last_active_ago: 0,
        currently_active: false,
        status_msg: 'hello',
      },
    ];
    assert.deepEqual(rig.taken.map(({ to }) => to).sort(), ['a.test', 'b.test']);
    for (const { edus } of rig.taken) assert.deepEqual(edus, [{ edu_type: 'm.presence', content: { push } }]);
  });
});

describe('what thousands of servers are told of the same stretch', () => {
  it('is read once, and in the same words', async () => {
    await using rig = OutboxRig.open();
    const { stores, clock } = rig.store;
    const room = rig.room('room', ['a.test', 'b.test']);
    const userId = asUserId('@us:localhost');
    const user = stores.interning.findUser(userId);
    assert.ok(user);
    read(rig, room, userId, { event: room.say('hello')[0]?.nid as EventNid });
    let asked = 0;
    const presence = {
      changed: () => {
        asked++;
        return [{ user, content: { presence: 'online', last_active_ago: clock.now() } }];
      },
    } as unknown as Presence;
    const page = (...span: Parameters<typeof stores.receipts.page>) => {
      asked++;
      return stores.receipts.page(...span);
    };
    const uses = { ...stores, clock, serverName };
    const sources = [
      new PresenceEdus({ ...uses, presence }),
      new ReceiptEdus({ ...uses, receipts: { page } as unknown as typeof stores.receipts }),
    ];
    const to = rig.store.streams.now();
    const told = (server: string) =>
      sources.map((source) => source.read(rig.server(server), streamStart, to, 100).edus);
    const first = told('a.test');
    assert.deepEqual(
      first.map((edus) => edus.length),
      [1, 1],
    );
    clock.advance(1000);
    assert.deepEqual(told('b.test'), first);
    assert.equal(asked, 2);
    // Who is told much later hears what holds then.
    clock.advance(60_000);
    assert.notDeepEqual(told('b.test'), first);
  });
});

describe('typing', () => {
  it('is told of our users when they begin, now and then while they go on, and when they stop', async () => {
    await using rig = OutboxRig.open();
    const room = rig.room('room', ['a.test']);
    const { streams, clock, stores } = rig.store;
    const typing = new Typing(streams, clock);
    const send = (to: typeof room.nid, edu: { edu_type: string; content: Record<string, never> }) =>
      rig.outbox.ephemeral(to, edu);
    sendTyping({ ...stores, typing, clock, serverName, send: send as never });
    const us = stores.interning.findUser('@us:localhost');
    const them = stores.interning.findUser('@them:a.test');
    assert.ok(us && them);
    const told = () => rig.taken.flatMap(({ edus }) => edus.map(({ content }) => content['typing']));
    typing.start(room.nid, them, millis(30_000));
    typing.start(room.nid, us, millis(30_000));
    typing.start(room.nid, us, millis(30_000));
    await rig.settle();
    assert.deepEqual(told(), [true]);
    clock.advance(26_000);
    typing.start(room.nid, us, millis(30_000));
    await rig.settle();
    assert.deepEqual(told(), [true, true]);
    clock.advance(30_000);
    await rig.settle();
    assert.deepEqual(told(), [true, true, false]);
  });
});
