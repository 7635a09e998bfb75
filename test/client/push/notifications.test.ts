import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PushWorld, type User } from './push-world.ts';

const path = '/_matrix/client/v3/notifications';

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every form
const page = (s: PushWorld, user: User, query = ''): Promise<any> => s.world.ok('GET', `${path}?${query}`, user.token);

const mention = (user: User) => ({ 'm.mentions': { user_ids: [user.userId] } });

describe('GET /notifications', () => {
  it('lists what notified the user, newest first, read or not', async () => {
    await using s = await PushWorld.open();
    const first = await s.say(s.alice, 'one');
    await s.read(s.bob, first);
    const second = await s.say(s.alice, 'two', mention(s.bob));
    await s.send(s.alice, 'm.room.message', { msgtype: 'm.notice', body: 'quiet' });
    await s.say(s.bob, 'thread', { 'm.relates_to': { rel_type: 'm.thread', event_id: first } });
    const { notifications, next_token } = await page(s, s.bob);
    assert.equal(next_token, undefined);
    const seen = notifications.map((each: Record<string, unknown>) => [
      (each['event'] as Record<string, unknown>)['event_id'],
      each['read'],
      each['actions'],
      each['room_id'],
    ]);
    const sound = { set_tweak: 'sound', value: 'default' };
    assert.deepEqual(seen, [
      [second, false, ['notify', sound, { set_tweak: 'highlight' }], s.room],
      [first, true, ['notify', sound], s.room],
    ]);
    const { event, ts } = notifications[0];
    assert.deepEqual([event.content.body, event.room_id, event.origin_server_ts], ['two', undefined, ts]);
    assert.deepEqual(
      (await page(s, s.alice)).notifications.map((each: typeof event) => each.event.sender),
      [s.bob.userId],
    );
  });

  it('goes on where the page before ended, over read and unread ones, without end or gap', async () => {
    await using s = await PushWorld.open();
    const said: string[] = [];
    for (let i = 0; i < 7; i++) said.push(await s.say(s.alice, `${i}`));
    await s.read(s.bob, said[3] as string);
    const seen: string[] = [];
    let from = '';
    for (let pages = 0; pages < 10; pages++) {
      const { notifications, next_token } = await page(s, s.bob, `limit=2${from}`);
      seen.push(...notifications.map((each: { event: { event_id: string } }) => each.event.event_id));
      if (next_token === undefined) break;
      from = `&from=${encodeURIComponent(next_token)}`;
    }
    assert.deepEqual(seen, said.reverse());
  });

  it('lists only highlights if asked to; what is redacted is none any more', async () => {
    await using s = await PushWorld.open();
    await s.say(s.alice, 'plain');
    const kept = await s.say(s.alice, 'you', mention(s.bob));
    const gone = await s.say(s.alice, 'you too', mention(s.bob));
    const redact = `/_matrix/client/v3/rooms/${encodeURIComponent(s.room)}/redact/${encodeURIComponent(gone)}/r`;
    await s.world.ok('PUT', redact, s.alice.token, {});
    const { notifications } = await page(s, s.bob, 'only=highlight');
    assert.deepEqual(
      notifications.map((each: { event: { event_id: string } }) => each.event.event_id),
      [kept],
    );
  });

  it('forgets the rooms that the user leaves', async () => {
    await using s = await PushWorld.open();
    await s.read(s.bob, await s.say(s.alice, 'one'));
    await s.say(s.alice, 'two');
    await s.world.ok('POST', `/_matrix/client/v3/rooms/${encodeURIComponent(s.room)}/leave`, s.bob.token, {});
    assert.deepEqual(await page(s, s.bob), { notifications: [] });
  });

  for (const query of ['from=nonsense', 'from=h1p_1_1_1', 'limit=x', 'limit=-1']) {
    it(`answers 400 M_INVALID_PARAM to ${query}`, async () => {
      await using s = await PushWorld.open();
      const answer = await s.world.call('GET', `${path}?${query}`, { token: s.bob.token });
      assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_INVALID_PARAM']);
    });
  }
});
