import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openSyncWorld, type Person, type SyncWorld } from '../../sync/sync-world.ts';

interface Scene extends AsyncDisposable {
  readonly world: SyncWorld;
  readonly alice: Person;
  readonly bob: Person;
  readonly room: string;
  /** Messages by Alice, oldest first. */
  readonly said: readonly [string, string, string];
}

async function scene(): Promise<Scene> {
  const world = openSyncWorld();
  const alice = world.person('alice', 1);
  const bob = world.person('bob', 2);
  const room = await alice.createRoom();
  await bob.join(room);
  const said = [await alice.say(room, 'one'), await alice.say(room, 'two'), await alice.say(room, 'three')] as const;
  return { world, alice, bob, room, said: [...said], [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

async function unread(person: Person, room: string, query = {}): Promise<number> {
  return (await person.sync(query)).rooms.join[room].unread_notifications.notification_count;
}

describe('POST /rooms/{roomId}/receipt/{receiptType}/{eventId}', () => {
  const refused: readonly [string, (s: Scene) => [string, string, string, Record<string, unknown>], number, string][] =
    [
      ['an unknown type', (s) => [s.room, s.said[0], 'm.seen', {}], 400, 'M_INVALID_PARAM'],
      ['an event that is not there', (s) => [s.room, '$nothing', 'm.read', {}], 404, 'M_NOT_FOUND'],
      ['a room that the user is not in', (s) => ['!other:localhost', s.said[0], 'm.read', {}], 403, 'M_FORBIDDEN'],
      ['a thread_id that is no string', (s) => [s.room, s.said[0], 'm.read', { thread_id: 1 }], 400, 'M_INVALID_PARAM'],
      ['an empty thread_id', (s) => [s.room, s.said[0], 'm.read', { thread_id: '' }], 400, 'M_INVALID_PARAM'],
      [
        'a thread for the marker',
        (s) => [s.room, s.said[0], 'm.fully_read', { thread_id: 'main' }],
        400,
        'M_INVALID_PARAM',
      ],
      ['a foreign thread', (s) => [s.room, s.said[1], 'm.read', { thread_id: s.said[0] }], 400, 'M_INVALID_PARAM'],
    ];
  for (const [name, make, status, errcode] of refused) {
    it(`refuses ${name}: ${status} ${errcode}`, async () => {
      await using s = await scene();
      const answer = await s.bob.read(...make(s));
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }

  it('tells the others what was read, with the time', async () => {
    await using s = await scene();
    const { next_batch: since } = await s.alice.sync();
    assert.deepEqual((await s.bob.read(s.room, s.said[1])).json, {});
    const { ephemeral } = (await s.alice.sync({ since })).rooms.join[s.room];
    const ts = s.world.store.clock.now();
    assert.deepEqual(ephemeral.events, [
      { type: 'm.receipt', content: { [s.said[1]]: { 'm.read': { [s.bob.userId]: { ts } } } } },
    ]);
    const initial = (await s.alice.sync()).rooms.join[s.room].ephemeral;
    assert.deepEqual(initial.events, ephemeral.events);
  });

  it('a private receipt is for its sender only', async () => {
    await using s = await scene();
    const [alices, bobs] = [await s.alice.sync(), await s.bob.sync()];
    await s.bob.read(s.room, s.said[2], 'm.read.private');
    assert.equal((await s.alice.sync({ since: alices.next_batch })).rooms, undefined);
    const entry = (await s.bob.sync({ since: bobs.next_batch })).rooms.join[s.room];
    assert.ok(entry.ephemeral.events[0].content[s.said[2]]['m.read.private'][s.bob.userId]);
    assert.equal(entry.unread_notifications.notification_count, 0);
  });

  it('never moves backwards', async () => {
    await using s = await scene();
    await s.bob.read(s.room, s.said[2]);
    const { next_batch: since } = await s.bob.sync();
    assert.equal((await s.bob.read(s.room, s.said[0])).status, 200);
    assert.equal((await s.bob.sync({ since })).rooms, undefined);
  });

  it('reads up to the event, whichever of the two receipts is ahead', async () => {
    await using s = await scene();
    assert.equal(await unread(s.bob, s.room), 3);
    await s.bob.read(s.room, s.said[0]);
    assert.equal(await unread(s.bob, s.room), 2);
    await s.bob.read(s.room, s.said[1], 'm.read.private');
    assert.equal(await unread(s.bob, s.room), 1);
    await s.bob.read(s.room, s.said[1]);
    assert.equal(await unread(s.bob, s.room), 1);
    await s.bob.read(s.room, s.said[2]);
    assert.equal(await unread(s.bob, s.room), 0);
  });

  it('counts and receipts of threads are apart', async () => {
    await using s = await scene();
    const thread = { 'm.relates_to': { rel_type: 'm.thread', event_id: s.said[0] } };
    const first = await s.alice.say(s.room, 'in thread', thread);
    const second = await s.alice.say(s.room, 'about it', {
      'm.relates_to': { rel_type: 'org.example.about', event_id: first },
    });
    const query = { filter: '{"room":{"timeline":{"unread_thread_notifications":true}}}' };
    const entry = async () => (await s.bob.sync(query)).rooms.join[s.room];
    assert.equal(await unread(s.bob, s.room), 5);
    assert.equal((await entry()).unread_notifications.notification_count, 3);
    assert.deepEqual((await entry()).unread_thread_notifications, {
      [s.said[0]]: { notification_count: 2, highlight_count: 0 },
    });
    await s.bob.read(s.room, s.said[2], 'm.read', { thread_id: 'main' });
    assert.equal((await entry()).unread_notifications.notification_count, 0);
    await s.bob.read(s.room, second, 'm.read', { thread_id: s.said[0] });
    assert.deepEqual((await entry()).unread_thread_notifications, {});
    const receipts = (await entry()).ephemeral.events as { content: Record<string, unknown> }[];
    assert.equal(receipts.length, 2);
    assert.ok(JSON.stringify(receipts).includes('"thread_id":"main"'));
  });
});

describe('POST /rooms/{roomId}/read_markers', () => {
  const mark = (s: Scene, body: unknown) =>
    s.bob.request({ path: `/_matrix/client/v3/rooms/${encodeURIComponent(s.room)}/read_markers`, body });

  it('moves the marker, told as room account data, and the receipt', async () => {
    await using s = await scene();
    const { next_batch: since } = await s.bob.sync();
    const answer = await mark(s, { 'm.fully_read': s.said[0], 'm.read': s.said[1], 'm.read.private': s.said[2] });
    assert.deepEqual([answer.status, answer.json], [200, {}]);
    const entry = (await s.bob.sync({ since })).rooms.join[s.room];
    assert.deepEqual(entry.account_data.events, [{ type: 'm.fully_read', content: { event_id: s.said[0] } }]);
    assert.equal(entry.unread_notifications.notification_count, 0);
    await s.bob.read(s.room, s.said[1], 'm.fully_read');
    await mark(s, { 'm.fully_read': s.said[0] });
    const { room } = { room: s.world.rooms.known.get(s.room).nid };
    const kept = s.world.accountData.ofRoom(s.bob.requester.user, room, 'm.fully_read');
    assert.deepEqual(kept, { event_id: s.said[1] });
  });

  it('does all or nothing', async () => {
    await using s = await scene();
    const answer = await mark(s, { 'm.fully_read': '$nothing', 'm.read': s.said[2] });
    assert.deepEqual([answer.status, answer.json.errcode], [404, 'M_NOT_FOUND']);
    assert.equal(await unread(s.bob, s.room), 3);
    assert.equal((await mark(s, { 'm.read': 5 })).json.errcode, 'M_BAD_JSON');
  });
});

describe('PUT /rooms/{roomId}/typing/{userId}', () => {
  const typers = async (person: Person, room: string, since: string) => {
    const events = (await person.sync({ since })).rooms?.join[room]?.ephemeral?.events as
      | { content: unknown }[]
      | undefined;
    return events?.map(({ content }) => content);
  };

  it('tells who types until the time is over, they stop, or the message is there', async () => {
    await using s = await scene();
    let { next_batch: since } = await s.alice.sync();
    const next = async () => {
      const answer = await typers(s.alice, s.room, since);
      since = (await s.alice.sync({ since })).next_batch;
      return answer;
    };
    const bob = { user_ids: [s.bob.userId] };
    assert.equal((await s.bob.typing(s.room, true, 10_000)).status, 200);
    assert.deepEqual(await next(), [bob]);
    await s.bob.typing(s.room, true, 10_000);
    assert.equal(await next(), undefined);
    s.world.store.clock.advance(10_000);
    assert.deepEqual(await next(), [{ user_ids: [] }]);
    await s.bob.typing(s.room, true);
    assert.deepEqual(await next(), [bob]);
    await s.bob.typing(s.room, false);
    assert.deepEqual(await next(), [{ user_ids: [] }]);
    await s.bob.typing(s.room, true);
    await next();
    await s.bob.say(s.room, 'said');
    assert.deepEqual(await next(), [{ user_ids: [] }]);
  });

  it('refuses to type for others, elsewhere, and without saying whether', async () => {
    await using s = await scene();
    const put = (room: string, user: string, body: unknown) =>
      s.bob.request({
        method: 'PUT',
        path: `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/typing/${encodeURIComponent(user)}`,
        body,
      });
    const errcode = async (answer: Promise<{ json: { errcode: string } }>) => (await answer).json.errcode;
    assert.equal(await errcode(put(s.room, s.alice.userId, { typing: true })), 'M_FORBIDDEN');
    assert.equal(await errcode(put('!other:localhost', s.bob.userId, { typing: true })), 'M_FORBIDDEN');
    assert.equal(await errcode(put(s.room, s.bob.userId, {})), 'M_MISSING_PARAM');
    assert.equal(await errcode(put(s.room, s.bob.userId, { typing: 'yes' })), 'M_BAD_JSON');
  });
});
