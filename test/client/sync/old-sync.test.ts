import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../../support/servers/world.ts';

const v3 = '/_matrix/client/v3';
const enc = encodeURIComponent;

interface Shown {
  readonly type: string;
  readonly room_id?: string;
  readonly event_id?: string;
  readonly state_key?: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into events of every form
  readonly content: any;
}

async function openWorld(settings: Readonly<Record<string, unknown>> = {}) {
  const world = await World.open({ registration: { mode: 'open', guests: true }, ...settings });
  const [alice, bob] = [await world.register('alice'), await world.register('bob')];
  const create = async (token: string, options: object = {}) =>
    (await world.ok('POST', `${v3}/createRoom`, token, { preset: 'private_chat', ...options })).room_id as string;
  let txn = 0;
  const say = async (token: string, room: string, body: string) => {
    const path = `${v3}/rooms/${enc(room)}/send/m.room.message/t${txn++}`;
    return (await world.ok('PUT', path, token, { msgtype: 'm.text', body })).event_id as string;
  };
  const setState = (token: string, room: string, type: string, content: object) =>
    world.ok('PUT', `${v3}/rooms/${enc(room)}/state/${type}`, token, content);
  const invite = (token: string, room: string, user: string) =>
    world.ok('POST', `${v3}/rooms/${enc(room)}/invite`, token, { user_id: user });
  const join = (token: string, room: string) => world.ok('POST', `${v3}/rooms/${enc(room)}/join`, token, {});
  const together = async () => {
    const room = await create(alice);
    await invite(alice, room, '@bob:localhost');
    await join(bob, room);
    return room;
  };
  /** The end of the stream. */
  const now = async (token: string) => (await world.ok('GET', `${v3}/initialSync?limit=0`, token)).end as string;
  const follow = (token: string, query: Record<string, string>) =>
    world.ok('GET', `${v3}/events?${new URLSearchParams({ timeout: '0', ...query }).toString()}`, token);
  return { world, alice, bob, create, say, setState, invite, join, together, now, follow };
}

const said = (chunk: readonly Shown[]) =>
  chunk.filter(({ type }) => type === 'm.room.message').map(({ content }) => content.body as string);

/** Leaves whoever waits the time to begin. */
const turns = async (count = 20) => {
  for (let i = 0; i < count; i++) await new Promise((done) => setImmediate(done));
};

describe('GET /events', () => {
  it('tells everything after the token once and in order, with its room', async () => {
    const { world, alice, bob, create, say, together, now, follow } = await openWorld();
    await using _ = world;
    const [room, other] = [await together(), await create(alice)];
    let from = await now(alice);
    const expected: string[] = [];
    for (let i = 0; i < 230; i++) {
      expected.push(`${i}`);
      await say(i % 2 === 0 ? alice : bob, room, `${i}`);
      if (i % 10 === 0) {
        expected.push(`o${i}`);
        await say(alice, other, `o${i}`);
      }
    }
    const got: Shown[] = [];
    for (let i = 0; i < 6; i++) {
      const { start, end, chunk } = await follow(alice, { from });
      assert.equal(start, from);
      assert.ok(chunk.length <= 110, `${chunk.length}`);
      got.push(...chunk);
      from = end;
    }
    assert.deepEqual(said(got), expected);
    const rooms = new Set(got.filter(({ type }) => type === 'm.room.message').map(({ room_id: id }) => id));
    assert.deepEqual(rooms, new Set([room, other]));
    assert.deepEqual((await follow(alice, { from })).chunk, []);
    // A token of the other form does as well.
    const page = await world.ok('GET', `${v3}/rooms/${enc(room)}/messages?dir=b&limit=1`, bob);
    await follow(bob, { from: page.start });
  });

  it('waits for the next event, up to the timeout', async () => {
    const { world, alice, bob, say, together, now } = await openWorld();
    await using _ = world;
    const room = await together();
    const from = await now(alice);
    const waiting = world.ok('GET', `${v3}/events?from=${from}&timeout=10000`, alice);
    await turns();
    await say(bob, room, 'hello');
    const { chunk, end } = await waiting;
    assert.deepEqual(said(chunk), ['hello']);
    const idle = world.ok('GET', `${v3}/events?from=${end}&timeout=1000`, alice);
    await turns();
    world.clock.advance(1000);
    assert.deepEqual((await idle).chunk, []);
    // Without a token it tells what happens from now on.
    const fresh = world.ok('GET', `${v3}/events?timeout=10000`, alice);
    await turns();
    await say(bob, room, 'again');
    assert.deepEqual(said((await fresh).chunk), ['again']);
  });

  it('tells what the user may see: invites, the time in the room, nothing of other rooms', async () => {
    const { world, alice, bob, create, say, invite, join, now, follow } = await openWorld();
    await using _ = world;
    const [room, secret] = [await create(alice), await create(alice)];
    const from = await now(bob);
    await say(alice, room, 'before');
    await say(alice, secret, 'secret');
    await invite(alice, room, '@bob:localhost');
    await say(alice, room, 'invited');
    await join(bob, room);
    await say(alice, room, 'inside');
    await world.ok('POST', `${v3}/rooms/${enc(room)}/leave`, bob, {});
    await say(alice, room, 'after');
    const { chunk } = await follow(bob, { from });
    assert.deepEqual(said(chunk), ['inside']);
    const own = (chunk as Shown[]).filter(({ state_key: key }) => key === '@bob:localhost');
    assert.deepEqual(
      own.map(({ content }) => content.membership),
      ['invite', 'join', 'leave'],
    );
    assert.ok((chunk as Shown[]).every(({ room_id: id }) => id !== secret));
  });

  it('leaves out messages and invites of those whom the user ignores', async () => {
    const { world, alice, bob, create, say, invite, together, now, follow } = await openWorld();
    await using _ = world;
    const room = await together();
    const path = `${v3}/user/${enc('@alice:localhost')}/account_data/m.ignored_user_list`;
    await world.ok('PUT', path, alice, { ignored_users: { '@bob:localhost': {} } });
    const from = await now(alice);
    await say(bob, room, 'spam');
    await invite(bob, await create(bob), '@alice:localhost');
    const { chunk } = await follow(alice, { from });
    assert.deepEqual(
      (chunk as Shown[]).filter(({ type }) => type.startsWith('m.room')),
      [],
    );
  });

  it('tells who types, who has read, who is there, and account data', async () => {
    const { world, alice, bob, say, together, now, follow } = await openWorld({ presence: { enabled: true } });
    await using _ = world;
    const room = await together();
    const event = await say(alice, room, 'hello');
    const from = await now(alice);
    const user = enc('@bob:localhost');
    await world.ok('PUT', `${v3}/rooms/${enc(room)}/typing/${user}`, bob, { typing: true, timeout: 5000 });
    await world.ok('POST', `${v3}/rooms/${enc(room)}/receipt/m.read/${enc(event)}`, bob, {});
    await world.ok('PUT', `${v3}/presence/${user}/status`, bob, { presence: 'unavailable' });
    const own = `${v3}/user/${enc('@alice:localhost')}`;
    await world.ok('PUT', `${own}/account_data/x`, alice, { a: 1 });
    await world.ok('PUT', `${own}/rooms/${enc(room)}/account_data/y`, alice, { b: 1 });
    const { chunk } = await follow(alice, { from });
    const by = new Map((chunk as Shown[]).map((shown) => [shown.type, shown]));
    assert.deepEqual(by.get('m.typing'), {
      type: 'm.typing',
      room_id: room,
      content: { user_ids: ['@bob:localhost'] },
    });
    assert.equal(by.get('m.receipt')?.room_id, room);
    assert.deepEqual(Object.keys(by.get('m.receipt')?.content), [event]);
    assert.equal(by.get('m.presence')?.content.presence, 'unavailable');
    assert.equal(by.get('m.presence')?.content.user_id, '@bob:localhost');
    assert.deepEqual(by.get('x'), { type: 'x', content: { a: 1 } });
    assert.deepEqual(by.get('y'), { type: 'y', room_id: room, content: { b: 1 } });
  });

  it('refuses a token that is none of this server, a bad timeout, and who has no token', async () => {
    const { world, alice } = await openWorld();
    await using _ = world;
    for (const [query, status, errcode] of [
      ['from=x', 400, 'M_INVALID_PARAM'],
      ['from=h1_9_1', 400, 'M_INVALID_PARAM'],
      ['from=h1_0_999999999', 400, 'M_INVALID_PARAM'],
      ['timeout=x', 400, 'M_INVALID_PARAM'],
      ['room_id=x', 403, 'M_FORBIDDEN'],
      ['room_id=!no:localhost', 403, 'M_FORBIDDEN'],
    ] as const) {
      const answer = await world.call('GET', `${v3}/events?${query}`, { token: alice });
      assert.deepEqual([query, answer.status, answer.json.errcode], [query, status, errcode]);
    }
    for (const path of ['events', 'events?room_id=!a:b', 'events/$x', 'initialSync', 'rooms/!a:b/initialSync']) {
      assert.equal((await world.call('GET', `${v3}/${path}`)).json.errcode, 'M_MISSING_TOKEN');
      assert.equal((await world.call('GET', `${v3}/${path}`, { token: 'x' })).json.errcode, 'M_UNKNOWN_TOKEN');
    }
  });
});

describe('GET /events?room_id', () => {
  it('shows a world-readable room to guests and others who are not in it, as it happens', async () => {
    const { world, alice, bob, create, say, setState } = await openWorld();
    await using _ = world;
    const [room, other] = [await create(alice, { preset: 'public_chat' }), await create(alice)];
    await say(alice, room, 'hidden');
    await setState(alice, room, 'm.room.history_visibility', { history_visibility: 'world_readable' });
    const guest = (await world.call('POST', `${v3}/register?kind=guest`, { body: {} })).json.access_token as string;
    for (const token of [guest, bob]) {
      const { messages } = await world.ok('GET', `${v3}/rooms/${enc(room)}/initialSync`, token);
      assert.ok(!said(messages.chunk).includes('hidden') || token === bob);
      const query = `room_id=${enc(room)}&timeout=10000`;
      const waiting = world.ok('GET', `${v3}/events?from=${messages.end}&${query}`, token);
      await turns();
      await say(alice, other, 'not here');
      await turns();
      await say(alice, room, 'hello');
      const { chunk, end } = await waiting;
      assert.deepEqual(said(chunk), ['hello']);
      await setState(alice, room, 'm.room.history_visibility', { history_visibility: 'joined' });
      await say(alice, room, 'closed');
      const closed = await world.call('GET', `${v3}/events?from=${end}&${query}`, { token });
      assert.equal(closed.json.errcode, 'M_FORBIDDEN');
      await setState(alice, room, 'm.room.history_visibility', { history_visibility: 'world_readable' });
      const open = await world.ok('GET', `${v3}/events?from=${end}&${query}`, token);
      assert.ok(!said(open.chunk).includes('closed'));
    }
  });

  it('shows a member that room only', async () => {
    const { world, alice, bob, create, say, together, now, follow } = await openWorld();
    await using _ = world;
    const [room, other] = [await together(), await create(alice)];
    const from = await now(alice);
    await say(alice, other, 'elsewhere');
    await say(bob, room, 'here');
    assert.deepEqual(said((await follow(alice, { from, room_id: room })).chunk), ['here']);
  });
});

describe('GET /events/{eventId}', () => {
  it('shows the event to who may see it', async () => {
    const { world, alice, bob, create, say } = await openWorld();
    await using _ = world;
    const room = await create(alice);
    const event = await say(alice, room, 'hello');
    const shown = await world.ok('GET', `${v3}/events/${enc(event)}`, alice);
    assert.deepEqual([shown.event_id, shown.room_id, shown.content.body], [event, room, 'hello']);
    for (const [token, id] of [
      [bob, event],
      [alice, '$nothing'],
      [alice, 'nothing'],
    ] as const) {
      const answer = await world.call('GET', `${v3}/events/${enc(id)}`, { token });
      assert.deepEqual([answer.status, answer.json.errcode], [404, 'M_NOT_FOUND']);
    }
  });
});

describe('GET /initialSync', () => {
  it('tells all rooms, with state, newest messages, account data and where to go on', async () => {
    const { world, alice, bob, create, say, invite, together, follow } = await openWorld();
    await using _ = world;
    const room = await together();
    for (let i = 0; i < 5; i++) await say(alice, room, `${i}`);
    const asked = await create(alice, { visibility: 'public', name: 'Asked' });
    await invite(alice, asked, '@bob:localhost');
    const own = `${v3}/user/${enc('@bob:localhost')}`;
    await world.ok('PUT', `${own}/account_data/x`, bob, { a: 1 });
    await world.ok('PUT', `${own}/rooms/${enc(room)}/account_data/y`, bob, { b: 1 });
    const left = await create(bob);
    await say(bob, left, 'bye');
    await world.ok('POST', `${v3}/rooms/${enc(left)}/leave`, bob, {});

    const told = await world.ok('GET', `${v3}/initialSync?limit=3`, bob);
    assert.deepEqual(told.rooms.map((each: { room_id: string }) => each.room_id).toSorted(), [room, asked].toSorted());
    const joined = told.rooms.find((each: { room_id: string }) => each.room_id === room);
    assert.equal(joined.membership, 'join');
    assert.equal(joined.visibility, 'private');
    assert.deepEqual(said(joined.messages.chunk), ['2', '3', '4']);
    assert.deepEqual(joined.account_data, [{ type: 'y', content: { b: 1 } }]);
    const state = await world.ok('GET', `${v3}/rooms/${enc(room)}/state`, bob);
    const ids = (events: Shown[]) => events.map(({ event_id: id }) => id).toSorted();
    assert.deepEqual(ids(joined.state), ids(state));
    const older = await world.ok(
      'GET',
      `${v3}/rooms/${enc(room)}/messages?dir=b&limit=2&from=${joined.messages.start}`,
      bob,
    );
    assert.deepEqual(said(older.chunk), ['1', '0']);
    const invited = told.rooms.find((each: { room_id: string }) => each.room_id === asked);
    assert.equal(invited.membership, 'invite');
    assert.equal(invited.invite.content.membership, 'invite');
    assert.equal(invited.state, undefined);
    const types = told.account_data.map(({ type }: Shown) => type);
    assert.ok(types.includes('x') && types.includes('m.push_rules'));
    assert.ok(Array.isArray(told.presence));
    assert.deepEqual(
      (await follow(bob, { from: told.end })).chunk.filter((each: Shown) => each.event_id),
      [],
    );

    const archived = await world.ok('GET', `${v3}/initialSync?archived=true`, bob);
    const gone = archived.rooms.find((each: { room_id: string }) => each.room_id === left);
    assert.equal(gone.membership, 'leave');
    assert.ok(said(gone.messages.chunk).includes('bye'));
    await world.ok('POST', `${v3}/rooms/${enc(left)}/forget`, bob, {});
    assert.equal((await world.ok('GET', `${v3}/initialSync?archived=true`, bob)).rooms.length, 2);
  });

  it('refuses a bad limit', async () => {
    const { world, alice } = await openWorld();
    await using _ = world;
    for (const query of ['limit=x', 'limit=-1', 'archived=x']) {
      const answer = await world.call('GET', `${v3}/initialSync?${query}`, { token: alice });
      assert.deepEqual([answer.status, answer.json.errcode], [400, 'M_INVALID_PARAM']);
    }
  });
});

describe('GET /rooms/{roomId}/initialSync', () => {
  it('is for who is or was in the room, and for all if anybody may read it', async () => {
    const { world, alice, bob, say, setState, together } = await openWorld();
    await using _ = world;
    const room = await together();
    await say(alice, room, 'one');
    const path = `${v3}/rooms/${enc(room)}/initialSync`;
    const inside = await world.ok('GET', path, bob);
    assert.deepEqual([inside.room_id, inside.membership, inside.visibility], [room, 'join', 'private']);
    assert.ok(said(inside.messages.chunk).includes('one'));
    await world.ok('POST', `${v3}/rooms/${enc(room)}/leave`, bob, {});
    await setState(alice, room, 'm.room.topic', { topic: 'later' });
    await say(alice, room, 'two');
    const after = await world.ok('GET', path, bob);
    assert.equal(after.membership, 'leave');
    assert.ok(!said(after.messages.chunk).includes('two'));
    assert.ok(!after.state.some(({ type }: Shown) => type === 'm.room.topic'));
    const carol = await world.register('carol');
    const refused = await world.call('GET', path, { token: carol });
    assert.deepEqual([refused.status, refused.json.errcode], [403, 'M_FORBIDDEN']);
    await setState(alice, room, 'm.room.history_visibility', { history_visibility: 'world_readable' });
    await say(alice, room, 'three');
    const peeked = await world.ok('GET', `${path}?limit=1`, carol);
    assert.equal(peeked.membership, undefined);
    assert.deepEqual(said(peeked.messages.chunk), ['three']);
    const bad = await world.call('GET', `${path}?limit=x`, { token: alice });
    assert.deepEqual([bad.status, bad.json.errcode], [400, 'M_INVALID_PARAM']);
  });
});
