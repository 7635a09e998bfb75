import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { EventType, type MatrixClient, MsgType, Preset, ReceiptType, RelationType } from 'matrix-js-sdk';
import {
  loginWithSdk,
  muteSdk,
  registerWithSdk,
  type SdkAccount,
  startSdk,
  until,
  untilEvent,
  untilRoom,
} from '../support/clients/sdk-client.ts';
import { picturePng } from '../support/pictures.ts';
import { ServerProcess } from '../support/servers/server-process.ts';

/** The steps build on each other: one conversation, told in order. */
describe('two people talk through Hearth with matrix-js-sdk', () => {
  let server: ServerProcess;
  let aliceAccount: SdkAccount;
  let bobAccount: SdkAccount;
  let alice: MatrixClient;
  let bob: MatrixClient;
  let room: string;
  let first: string;

  let unmute = (): void => {};
  before(() => {
    unmute = muteSdk();
  });
  after(async () => {
    unmute();
    alice?.stopClient();
    bob?.stopClient();
    await server?.remove();
  });

  it('both sign up and sync', async () => {
    server = await ServerProcess.start();
    aliceAccount = await registerWithSdk(server.url, 'alice', 'alice has a password');
    bobAccount = await registerWithSdk(server.url, 'bob', 'bob has a password too');
    alice = await startSdk(server.url, aliceAccount);
    bob = await startSdk(server.url, bobAccount);
    await alice.setDisplayName('Alice');
    assert.equal((await bob.getProfileInfo(aliceAccount.userId)).displayname, 'Alice');
  });

  it('Alice makes a room and invites Bob, who sees the invite with the name of the room and joins', async () => {
    const made = await alice.createRoom({
      name: 'Kitchen',
      topic: 'Who cooks?',
      preset: Preset.PrivateChat,
      invite: [bobAccount.userId],
    });
    room = made.room_id;
    const invited = await untilRoom(bob, room, 'invite');
    assert.equal(invited.name, 'Kitchen');
    assert.equal(invited.getMember(bobAccount.userId)?.events.member?.getSender(), aliceAccount.userId);
    await bob.joinRoom(room);
    const joined = await untilRoom(bob, room, 'join');
    assert.equal(joined.getVersion(), '12');
    await until(
      alice,
      'the join of Bob',
      () => alice.getRoom(room)?.getMember(bobAccount.userId)?.membership === 'join',
    );
  });

  it('each sees what the other says, and the sender recognises its own event', async () => {
    first = (await alice.sendTextMessage(room, 'Soup tonight?')).event_id;
    const seen = await untilEvent(bob, room, first);
    assert.equal(seen.getContent()['body'], 'Soup tonight?');
    assert.equal(seen.getSender(), aliceAccount.userId);
    const reply = (await bob.sendTextMessage(room, 'Yes, please')).event_id;
    assert.equal((await untilEvent(alice, room, reply)).getContent()['body'], 'Yes, please');
    const own = await untilEvent(alice, room, first);
    assert.equal(typeof own.getUnsigned().transaction_id, 'string');
  });

  it('typing and receipts arrive through /sync', async () => {
    await bob.sendTyping(room, true, 20_000);
    await until(alice, 'Bob typing', () => alice.getRoom(room)?.getMember(bobAccount.userId)?.typing === true);
    await bob.sendTyping(room, false, 0);
    await until(alice, 'Bob not typing', () => alice.getRoom(room)?.getMember(bobAccount.userId)?.typing === false);
    await bob.sendReadReceipt(await untilEvent(bob, room, first), ReceiptType.Read);
    await until(alice, 'the receipt of Bob', () => alice.getRoom(room)?.hasUserReadEvent(bobAccount.userId, first));
  });

  it('unread counts rise with messages and fall with the receipt', async () => {
    const ping = (await alice.sendTextMessage(room, 'bob, it is ready')).event_id;
    await untilEvent(bob, room, ping);
    await until(bob, 'an unread count', () => (bob.getRoom(room)?.getUnreadNotificationCount() ?? 0) > 0);
    await bob.sendReadReceipt(await untilEvent(bob, room, ping));
    await until(bob, 'no unread count', () => bob.getRoom(room)?.getUnreadNotificationCount() === 0);
  });

  it('a picture goes up, is announced, comes down as it was, and as a thumbnail', async () => {
    const picture = picturePng(320, 240);
    const upload = await alice.uploadContent(new Blob([new Uint8Array(picture)], { type: 'image/png' }), {
      name: 'soup.png',
      type: 'image/png',
    });
    const event = await alice.sendMessage(room, {
      msgtype: MsgType.Image,
      body: 'soup.png',
      url: upload.content_uri,
      info: { mimetype: 'image/png', w: 320, h: 240, size: picture.length },
    });
    const seen = await untilEvent(bob, room, event.event_id);
    const mxc = seen.getContent()['url'] as string;
    const get = async (url: string | null): Promise<Response> => {
      assert.ok(url);
      return fetch(url, { headers: { Authorization: `Bearer ${bobAccount.accessToken}` } });
    };
    const whole = await get(bob.mxcUrlToHttp(mxc, undefined, undefined, undefined, false, true, true));
    assert.equal(whole.headers.get('content-type'), 'image/png');
    assert.ok(Buffer.from(await whole.arrayBuffer()).equals(picture));
    const small = await get(bob.mxcUrlToHttp(mxc, 32, 32, 'crop', false, true, true));
    assert.equal(small.status, 200);
    assert.match(small.headers.get('content-type') ?? '', /^image\//);
  });

  it('an edit and a redaction reach the other side', async () => {
    const typo = (await alice.sendTextMessage(room, 'sopu')).event_id;
    await untilEvent(bob, room, typo);
    const edit = (
      await alice.sendMessage(room, {
        msgtype: MsgType.Text,
        body: '* soup',
        'm.new_content': { msgtype: MsgType.Text, body: 'soup' },
        'm.relates_to': { rel_type: RelationType.Replace, event_id: typo },
      })
    ).event_id;
    await untilEvent(bob, room, edit);
    await until(bob, 'the edited text', () => bob.getRoom(room)?.findEventById(typo)?.getContent()['body'] === 'soup');
    await alice.redactEvent(room, typo);
    await until(bob, 'the redaction', () => bob.getRoom(room)?.findEventById(typo)?.isRedacted());
  });

  it('a restart of the server goes unnoticed but for the pause', async () => {
    alice.stopClient();
    bob.stopClient();
    assert.equal(await server.stop(), 0);
    server = await server.restart();
    alice = await startSdk(server.url, aliceAccount);
    bob = await startSdk(server.url, bobAccount);
    const kept = await untilRoom(bob, room, 'join');
    assert.equal(kept.name, 'Kitchen');
    const after = (await bob.sendTextMessage(room, 'Was that you?')).event_id;
    assert.equal((await untilEvent(alice, room, after)).getContent()['body'], 'Was that you?');
  });

  it('a token of /sync from before the restart goes on where it was', async () => {
    const since = alice.store.getSyncToken();
    alice.stopClient();
    assert.equal(await server.stop(), 0);
    bob.stopClient();
    server = await server.restart();
    bob = await startSdk(server.url, bobAccount);
    const said = (await bob.sendTextMessage(room, 'Still here')).event_id;
    const url = `${server.url}/_matrix/client/v3/sync?since=${since}&timeout=0`;
    const answer = await fetch(url, { headers: { Authorization: `Bearer ${aliceAccount.accessToken}` } });
    assert.equal(answer.status, 200);
    const body = (await answer.json()) as {
      rooms: { join: Record<string, { timeline: { limited?: boolean; events: { event_id: string }[] } }> };
    };
    const timeline = body.rooms.join[room]?.timeline;
    assert.notEqual(timeline?.limited, true);
    assert.ok(timeline?.events.some((event) => event.event_id === said));
    alice = await startSdk(server.url, aliceAccount);
  });

  it('paging back reaches the beginning of the room', async () => {
    const live = (await untilRoom(alice, room, 'join')).getLiveTimeline();
    while (await alice.paginateEventTimeline(live, { backwards: true, limit: 10 }));
    assert.equal(live.getEvents()[0]?.getType(), EventType.RoomCreate);
  });

  it('after logging out the token is worthless; logging in again shows the room', async () => {
    await bob.logout(true);
    const refused = await fetch(`${server.url}/_matrix/client/v3/account/whoami`, {
      headers: { Authorization: `Bearer ${bobAccount.accessToken}` },
    });
    assert.equal(refused.status, 401);
    assert.equal(((await refused.json()) as { errcode: string }).errcode, 'M_UNKNOWN_TOKEN');
    bobAccount = await loginWithSdk(server.url, 'bob', 'bob has a password too');
    bob = await startSdk(server.url, bobAccount);
    await untilRoom(bob, room, 'join');
    const back = (await bob.sendTextMessage(room, 'Back again')).event_id;
    await untilEvent(alice, room, back);
  });

  it('Bob leaves and the room is gone from his list and says so to Alice', async () => {
    await bob.leave(room);
    await untilRoom(bob, room, 'leave');
    await until(
      alice,
      'the leave of Bob',
      () => alice.getRoom(room)?.getMember(bobAccount.userId)?.membership === 'leave',
    );
    await bob.forget(room);
    await assert.rejects(bob.sendTextMessage(room, 'hello?'), { errcode: 'M_FORBIDDEN' });
  });
});
