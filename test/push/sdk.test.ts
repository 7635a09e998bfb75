import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventTimeline, EventTimelineSet, EventType, MsgType, Preset } from 'matrix-js-sdk';
import { muteSdk, registerWithSdk, startSdk, untilEvent } from '../support/clients/sdk-client.ts';
import { ServerProcess } from '../support/servers/server-process.ts';
import { GatewayStub } from '../support/stubs/gateway-stub.ts';

describe('matrix-js-sdk', () => {
  it('sets, lists and removes a pusher, pages through notifications, and mutes a room', async () => {
    const unmute = muteSdk();
    const gateway = await GatewayStub.open();
    const server = await ServerProcess.start({ toml: '[network]\nallow_ip_ranges = ["127.0.0.0/8"]\n' });
    const [alice, bob] = await Promise.all(
      ['alice', 'bob'].map(async (name) => {
        return startSdk(server.url, await registerWithSdk(server.url, name, `the password of ${name}`));
      }),
    );
    assert.ok(alice && bob);
    try {
      const { room_id: room } = await alice.createRoom({ preset: Preset.PublicChat });
      await bob.joinRoom(room);
      await bob.setPusher({
        kind: 'http',
        app_id: 'org.example.web',
        pushkey: 'key',
        app_display_name: 'App',
        device_display_name: 'Browser',
        lang: 'en',
        data: { url: gateway.url },
        append: false,
      });
      assert.equal(await bob.doesServerSupportUnstableFeature('org.matrix.msc3881'), true);
      assert.deepEqual(
        (await bob.getPushers()).pushers.map(({ pushkey }) => pushkey),
        ['key'],
      );
      const { event_id: said } = await alice.sendEvent(room, EventType.RoomMessage, {
        msgtype: MsgType.Text,
        body: 'you!',
        'm.mentions': { user_ids: [bob.getUserId() as string] },
      });
      await gateway.until(({ rang }) => rang.length === 1);
      assert.deepEqual(gateway.rang, [said]);

      await untilEvent(bob, room, said);
      const notifications = new EventTimelineSet(undefined, { timelineSupport: true });
      bob.setNotifTimelineSet(notifications);
      notifications.getLiveTimeline().setPaginationToken('end', EventTimeline.BACKWARDS);
      await bob.paginateEventTimeline(notifications.getLiveTimeline(), { backwards: true, limit: 10 });
      assert.deepEqual(
        notifications
          .getLiveTimeline()
          .getEvents()
          .map((event) => event.getId()),
        [said],
      );

      await bob.getPushRules().then((rules) => bob.setPushRules(rules));
      await bob.setRoomMutePushRule('global', room, true);
      await alice.sendTextMessage(room, 'while it is muted');
      await bob.getPushRules().then((rules) => bob.setPushRules(rules));
      await bob.setRoomMutePushRule('global', room, false);
      const { event_id: after } = await alice.sendTextMessage(room, 'heard again');
      await gateway.until(({ rang }) => rang.length >= 2);
      assert.deepEqual(gateway.rang, [said, after]);

      await bob.removePusher('key', 'org.example.web');
      assert.deepEqual(await bob.getPushers(), { pushers: [] });
    } finally {
      for (const client of [alice, bob]) client.stopClient();
      await server.remove();
      await gateway[Symbol.asyncDispose]();
      unmute();
    }
  });
});
