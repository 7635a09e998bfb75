import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';
import { SmtpStub } from '../../support/stubs/smtp-stub.ts';

const v3 = '/_matrix/client/v3';
const minute = 60_000;

async function open() {
  const smtp = await SmtpStub.open();
  const world = await World.open({ smtp: smtp.settings, public_url: 'https://hs.test' });
  const [alice, bob] = [await world.register('alice'), await world.register('bob')];
  const { room_id: room } = await world.ok('POST', `${v3}/createRoom`, alice, {
    preset: 'public_chat',
    name: 'Kitchen',
  });
  await world.ok('POST', `${v3}/join/${encodeURIComponent(room as string)}`, bob, {});
  const ask = { client_secret: 's', email: 'bob@example.org', send_attempt: 1 };
  const { json } = await world.call('POST', `${v3}/account/3pid/email/requestToken`, { body: ask });
  await world.call('POST', smtp.link);
  const auth = { type: 'm.login.password', user: 'bob', password: 'password of bob' };
  await world.ok('POST', `${v3}/account/3pid/add`, bob, { sid: json.sid, client_secret: 's', auth });
  let txn = 0;
  const say = (body: string) =>
    world.ok('PUT', `${v3}/rooms/${encodeURIComponent(room as string)}/send/m.room.message/${txn++}`, alice, {
      msgtype: 'm.text',
      body,
    });
  const pusher = {
    kind: 'email',
    app_id: 'm.email',
    pushkey: 'bob@example.org',
    app_display_name: 'Mail',
    device_display_name: 'bob@example.org',
    lang: 'en',
    data: {},
  };
  const set = (more = {}) => world.call('POST', `${v3}/pushers/set`, { token: bob, body: { ...pusher, ...more } });
  /** Lets what was woken run. */
  const settle = async () => {
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    smtp,
    world,
    bob,
    room: room as string,
    say,
    set,
    settle,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]();
      await smtp[Symbol.asyncDispose]();
    },
  };
}

describe('a pusher of kind email', () => {
  it('mails what lies unread for ten minutes, where and by whom but not what', async () => {
    await using s = await open();
    assert.equal((await s.set()).status, 200);
    await s.say('a secret');
    await s.say('another');
    await s.settle();
    assert.equal(s.smtp.mails.length, 1);
    s.world.clock.advance(10 * minute);
    await s.smtp.until(2);
    const mail = s.smtp.mails[1];
    assert.equal(mail?.to, 'bob@example.org');
    assert.match(mail?.text ?? '', /^Subject: 2 unread messages on localhost$/m);
    assert.match(mail?.text ?? '', /^- Kitchen: 2 \(@alice:localhost\)$/m);
    assert.doesNotMatch(mail?.text ?? '', /secret|another/);
  });

  it('tells of each message once, also over a restart, and of none that was read', async () => {
    await using s = await open();
    await s.set();
    await s.say('one');
    s.world.clock.advance(10 * minute);
    await s.smtp.until(2);
    await s.settle();
    const { event_id } = await s.say('two');
    await s.world.stop();
    await s.world.start();
    await s.world.ok(
      'POST',
      `${v3}/rooms/${encodeURIComponent(s.room)}/receipt/m.read/${encodeURIComponent(event_id as string)}`,
      s.bob,
      {},
    );
    s.world.clock.advance(30 * minute);
    await s.settle();
    await s.say('three');
    s.world.clock.advance(30 * minute);
    await s.smtp.until(3);
    assert.match(s.smtp.mails[2]?.text ?? '', /^Subject: 1 unread message on/m);
  });

  it('tries again when the mail server is not ready', async () => {
    await using s = await open();
    await s.set();
    s.smtp.answer = '451 Later';
    await s.say('one');
    s.world.clock.advance(10 * minute);
    for (let i = 0; i < 100 && s.smtp.logins.length < 2; i++) await new Promise((resolve) => setImmediate(resolve));
    s.smtp.answer = '250 OK';
    while (s.smtp.mails.length < 2) {
      s.world.clock.advance(minute);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.match(s.smtp.mails[1]?.text ?? '', /1 unread message/);
  });

  it('mails to addresses of the account only, and ends with the address', async () => {
    await using s = await open();
    const other = await s.set({ pushkey: 'carol@example.org' });
    assert.deepEqual([other.status, other.json.errcode], [400, 'M_THREEPID_NOT_FOUND']);
    assert.equal((await s.set({ app_id: 'other' })).json.errcode, 'M_INVALID_PARAM');
    await s.set();
    const { pushers } = await s.world.ok('GET', `${v3}/pushers`, s.bob);
    assert.deepEqual([pushers.length, pushers[0].kind, pushers[0].data], [1, 'email', {}]);
    await s.world.ok('POST', `${v3}/account/3pid/delete`, s.bob, { medium: 'email', address: 'bob@example.org' });
    assert.deepEqual((await s.world.ok('GET', `${v3}/pushers`, s.bob)).pushers, []);
  });
});
