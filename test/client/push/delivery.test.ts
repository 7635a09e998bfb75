import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GatewayStub } from '../../support/stubs/gateway-stub.ts';
import { PushWorld } from './push-world.ts';

describe('POST /_matrix/push/v1/notify', () => {
  it('tells all of an event that notifies, and to which device', async () => {
    await using s = await PushWorld.open({ name: 'Kitchen' });
    await s.setPusher(s.bob, {}, { default_payload: { aps: { 'mutable-content': 1 } }, brand: 'x' });
    const said = await s.say(s.alice, 'hello', { 'm.mentions': { user_ids: [s.bob.userId] } });
    await s.gateway.until(({ taken }) => taken.length === 1);
    assert.deepEqual(s.gateway.taken[0], {
      path: '/_matrix/push/v1/notify',
      notification: {
        event_id: said,
        room_id: s.room,
        type: 'm.room.message',
        sender: s.alice.userId,
        sender_display_name: 'Alice',
        room_name: 'Kitchen',
        prio: 'high',
        content: { msgtype: 'm.text', body: 'hello', 'm.mentions': { user_ids: [s.bob.userId] } },
        counts: { unread: 1 },
        devices: [
          {
            app_id: 'org.example.app',
            pushkey: 'key',
            pushkey_ts: Math.floor(s.world.clock.now() / 1000),
            data: { default_payload: { aps: { 'mutable-content': 1 } }, brand: 'x' },
            tweaks: { sound: 'default', highlight: true },
          },
        ],
      },
    });
  });

  it('tells only the ID of an event where the format is event_id_only', async () => {
    await using s = await PushWorld.open({ name: 'Kitchen' });
    await s.setPusher(s.bob, {}, { format: 'event_id_only' });
    const said = await s.say(s.alice, 'hello');
    await s.gateway.until(({ taken }) => taken.length === 1);
    const pushkey_ts = Math.floor(s.world.clock.now() / 1000);
    assert.deepEqual(s.gateway.taken[0].notification, {
      event_id: said,
      room_id: s.room,
      counts: { unread: 1 },
      prio: 'high',
      devices: [{ app_id: 'org.example.app', pushkey: 'key', pushkey_ts, data: { format: 'event_id_only' } }],
    });
  });

  it('tells a locked account nothing, and rings again for what comes once it is unlocked', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob);
    const { accounts } = s.world.hs.services;
    await accounts.setLocked(s.bob.userId as never, true);
    await s.say(s.alice, 'for nobody who has found a phone');
    await s.quiet();
    await accounts.setLocked(s.bob.userId as never, false);
    const said = await s.say(s.alice, 'welcome back');
    await s.gateway.until(({ taken }) => taken.length === 1);
    await s.quiet();
    assert.deepEqual(
      s.gateway.taken.map(({ notification }) => [notification['event_id'], notification['counts']]),
      [[said, { unread: 2 }]],
    );
  });

  it('is high in priority only for what makes a sound or is meant for the user', async () => {
    await using s = await PushWorld.open();
    await s.world.ok(
      'POST',
      `/_matrix/client/v3/join/${encodeURIComponent(s.room)}`,
      await s.world.register('carol'),
      {},
    );
    await s.setPusher(s.bob);
    await s.say(s.alice, 'between us all');
    await s.gateway.until(({ taken }) => taken.length === 1);
    assert.equal(s.gateway.taken[0].notification.prio, 'low');
    assert.deepEqual(s.gateway.taken[0].notification.devices[0].tweaks, {});
    assert.equal(s.gateway.taken[0].notification.room_name, 'Alice and @carol:localhost');
  });

  it('rings for an invite, and says whom it is about', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob);
    const { room_id } = await s.world.ok('POST', '/_matrix/client/v3/createRoom', s.alice.token, {
      invite: [s.bob.userId],
      room_alias_name: 'new',
    });
    await s.gateway.until(({ taken }) => taken.length === 1);
    const { notification } = s.gateway.taken[0];
    assert.deepEqual(
      [notification.room_id, notification.type, notification.user_is_target, notification.membership],
      [room_id, 'm.room.member', true, 'invite'],
    );
    assert.equal(notification.room_alias, '#new:localhost');
  });

  it('does not ring for own events, for what the rules leave out, and for what was before the pusher', async () => {
    await using s = await PushWorld.open();
    await s.say(s.alice, 'early');
    await s.setPusher(s.bob);
    await s.say(s.bob, 'mine');
    await s.send(s.alice, 'm.room.message', { msgtype: 'm.notice', body: 'quiet' });
    const said = await s.say(s.alice, 'loud');
    await s.gateway.until(({ rang }) => rang.length === 1);
    await s.quiet();
    assert.deepEqual(s.gateway.rang, [said]);
  });

  it('rings every app of a user, each once, in the order of the events', async () => {
    await using s = await PushWorld.open();
    for (const pushkey of ['a', 'b', 'c']) await s.setPusher(s.bob, { pushkey });
    const said: string[] = [];
    for (let i = 0; i < 5; i++) said.push(await s.say(s.alice, `${i}`));
    await s.gateway.until(({ taken }) => taken.length >= 15);
    await s.quiet();
    for (const pushkey of ['a', 'b', 'c']) {
      const heard = s.gateway.taken.filter(({ notification }) => notification.devices[0].pushkey === pushkey);
      assert.deepEqual(
        heard.map(({ notification }) => notification.event_id),
        said,
      );
    }
  });

  it('tells that counts have fallen, also to zero', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob);
    const first = await s.say(s.alice, '1');
    const second = await s.say(s.alice, '2');
    await s.gateway.until(({ taken }) => taken.length === 2);
    await s.quiet();
    await s.read(s.bob, first);
    await s.gateway.until(({ taken }) => taken.length === 3);
    await s.read(s.bob, second);
    await s.gateway.until(({ taken }) => taken.length === 4);
    await s.quiet();
    const [, , one, none] = s.gateway.taken.map(({ notification }) => notification);
    assert.deepEqual([one.counts, none.counts, none.event_id], [{ unread: 1 }, { unread: 0 }, undefined]);
    assert.equal(none.devices[0].pushkey, 'key');
  });

  it('is retried with exponential back-off until the gateway answers; each event rings once', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob);
    s.gateway.answer = { status: 502, body: 'no' };
    const said = [await s.say(s.alice, '1'), await s.say(s.alice, '2')];
    for (const [i, wait] of [1000, 2000, 4000, 8000].entries()) {
      await s.gateway.until(({ requests }) => requests === i + 1);
      await s.quiet();
      s.world.clock.advance(wait - 1);
      await s.quiet();
      assert.equal(s.gateway.requests, i + 1);
      if (i === 3) s.gateway.answer = { status: 200, body: '{}' };
      s.world.clock.advance(1);
    }
    await s.gateway.until(({ taken }) => taken.length === 2);
    await s.quiet();
    assert.deepEqual(s.gateway.rang, said);
  });

  it('is waited for when the server stops: an answer that comes late rings nothing twice', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob);
    s.gateway.isSilent = true;
    const said = [await s.say(s.alice, 'just before the stop')];
    await s.gateway.until(({ requests }) => requests === 1);
    const stopped = s.world.stop();
    const turns = async () => {
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    await turns();
    s.world.clock.advance(9999);
    await turns();
    s.gateway.release();
    await stopped;
    s.gateway.isSilent = false;
    await s.world.start();
    said.push(await s.say(s.alice, 'after the start'));
    await s.gateway.until(({ requests }) => requests === 2);
    await s.quiet();
    assert.deepEqual(s.gateway.rang, said);
  });

  it('does not ring what was read, or taken back, during an outage', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob);
    s.gateway.answer = { status: 500, body: '' };
    const read = await s.say(s.alice, 'read elsewhere');
    await s.gateway.until(({ requests }) => requests === 1);
    await s.quiet();
    await s.read(s.bob, read);
    const gone = await s.say(s.alice, 'taken back');
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(s.room)}/redact/${encodeURIComponent(gone)}/r`;
    await s.world.ok('PUT', path, s.alice.token, {});
    const said = await s.say(s.alice, 'news');
    s.gateway.answer = { status: 200, body: '{}' };
    s.world.clock.advance(1000);
    await s.gateway.until(({ rang }) => rang.length === 1);
    await s.quiet();
    assert.deepEqual(s.gateway.rang, [said]);
  });

  it('takes a 200 that is no JSON for an outage, and a 400 for a notification to be left out', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob);
    s.gateway.answer = { status: 200, body: '<html>log in to the hotel</html>' };
    await s.say(s.alice, 'first');
    await s.gateway.until(({ requests }) => requests === 1);
    await s.quiet();
    s.gateway.answer = { status: 400, body: '{}' };
    s.world.clock.advance(1000);
    await s.gateway.until(({ requests }) => requests === 2);
    await s.quiet();
    s.gateway.answer = { status: 200, body: '{}' };
    const second = await s.say(s.alice, 'second');
    await s.gateway.until(({ requests }) => requests === 3);
    assert.equal(s.gateway.rang.at(-1), second);
  });

  it('ends for a pushkey that the gateway rejects', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob, { pushkey: 'dead' });
    await s.setPusher(s.bob, { pushkey: 'alive' });
    s.gateway.answer = { status: 200, body: '{"rejected":["dead"]}' };
    await s.say(s.alice, '1');
    await s.gateway.until(({ taken }) => taken.length === 2);
    await s.quiet();
    assert.deepEqual(
      (await s.pushers(s.bob)).map(({ pushkey }) => pushkey),
      ['alive'],
    );
  });

  it('one gateway that is down does not hold up another', async () => {
    await using s = await PushWorld.open();
    // Nothing listens on the discard port.
    const url = 'http://127.0.0.1:9/_matrix/push/v1/notify';
    for (let i = 0; i < 20; i++) await s.setPusher(s.bob, { pushkey: `down ${i}` }, { url });
    await s.setPusher(s.bob);
    const said = await s.say(s.alice, 'hello');
    await s.gateway.until(({ taken }) => taken.length === 1);
    await s.quiet();
    assert.deepEqual(s.gateway.rang, [said]);
  });

  it('leaves a gateway alone that does not answer in time: others have their turn', async () => {
    await using s = await PushWorld.open();
    await using silent = await GatewayStub.open();
    silent.isSilent = true;
    for (let i = 0; i < 20; i++) await s.setPusher(s.bob, { pushkey: `silent ${i}` }, { url: silent.url });
    await s.setPusher(s.bob);
    const said = await s.say(s.alice, 'hello');
    await silent.until(({ requests }) => requests === 8);
    s.world.clock.advance(10_000);
    await s.gateway.until(({ rang }) => rang.length === 1);
    await s.quiet();
    assert.deepEqual([s.gateway.rang, silent.requests], [[said], 8]);
  });

  it('does not go to private addresses that the admin has not allowed', async () => {
    await using s = await PushWorld.open();
    await s.setPusher(s.bob, {}, { url: 'https://10.1.2.3/_matrix/push/v1/notify' });
    await s.say(s.alice, 'hello');
    await s.quiet();
    assert.equal(s.world.hs.stores.pushers.get(1)?.failures, 1);
  });
});
