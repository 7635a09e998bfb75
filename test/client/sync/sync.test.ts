import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openSyncWorld, type Person, type SyncWorld } from '../../sync/sync-world.ts';

interface WireEvent {
  readonly type: string;
  readonly state_key?: string;
  readonly sender: string;
  readonly event_id: string;
  readonly content: Record<string, unknown>;
  readonly unsigned: Record<string, unknown>;
}

const bodies = (events: WireEvent[]) => events.map(({ content }) => content['body']);
const members = (events: WireEvent[]) => events.filter(({ type }) => type === 'm.room.member').map((e) => e.state_key);
const filter = (value: unknown) => ({ filter: JSON.stringify(value) });
const lazy = filter({ room: { state: { lazy_load_members: true } } });

interface Scene extends AsyncDisposable {
  readonly world: SyncWorld;
  readonly alice: Person;
  readonly bob: Person;
  readonly room: string;
}

/** Alice's room, with Bob in it. */
async function scene(): Promise<Scene> {
  const world = openSyncWorld();
  const alice = world.person('alice', 1);
  const bob = world.person('bob', 2);
  const room = await alice.createRoom({ name: 'Kitchen' });
  await bob.join(room);
  return { world, alice, bob, room, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

/** What every answer says, and nothing else. */
const noNews = (token: string) => ({
  next_batch: token,
  device_one_time_keys_count: { signed_curve25519: 0 },
  device_unused_fallback_key_types: [],
});

describe('GET /sync', () => {
  const refused: readonly [string, Record<string, string>, number, string][] = [
    ['garbage for since', { since: 's123_4' }, 400, 'M_INVALID_PARAM'],
    ['a since of another epoch yet to come', { since: 'h1_99_1' }, 400, 'M_INVALID_PARAM'],
    ['a since that was never given', { since: 'h1_1_99999999' }, 400, 'M_INVALID_PARAM'],
    ['a timeout that is no number', { timeout: 'long' }, 400, 'M_INVALID_PARAM'],
    ['full_state neither true nor false', { full_state: 'yes' }, 400, 'M_INVALID_PARAM'],
    ['an unknown set_presence', { set_presence: 'asleep' }, 400, 'M_INVALID_PARAM'],
    ['an unknown filter ID', { filter: '77' }, 404, 'M_NOT_FOUND'],
    ['a filter that is no JSON', { filter: '{"room"' }, 400, 'M_NOT_JSON'],
    ['a filter of a wrong form', { filter: '{"room":[]}' }, 400, 'M_BAD_JSON'],
  ];
  for (const [name, query, status, errcode] of refused) {
    it(`refuses ${name}: ${status} ${errcode}`, async () => {
      await using world = openSyncWorld();
      const path = `/_matrix/client/v3/sync?${new URLSearchParams(query).toString()}`;
      const answer = await world.person('alice').request({ path });
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    });
  }

  it('an initial sync has the state at the start of the timeline, and the rules of push', async () => {
    await using s = await scene();
    for (let i = 0; i < 12; i++) await s.alice.say(s.room, `m${i}`);
    const answer = await s.bob.sync();
    const { timeline, state, summary } = answer.rooms.join[s.room];
    assert.deepEqual(
      bodies(timeline.events),
      [2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((i) => `m${i}`),
    );
    assert.equal(timeline.limited, true);
    assert.match(timeline.prev_batch, /^h1p_/);
    assert.deepEqual(members(state.events).sort(), [s.alice.userId, s.bob.userId]);
    assert.deepEqual(summary, { 'm.joined_member_count': 2, 'm.invited_member_count': 0 });
    assert.equal(answer.account_data.events[0].type, 'm.push_rules');
    assert.equal(answer.account_data.events[0].content.global.override[0].rule_id, '.m.rule.master');
  });

  it('a room that fits into the timeline is not limited and has no other state', async () => {
    await using world = openSyncWorld();
    const alice = world.person('alice');
    const room = await alice.createRoom();
    const answer = await alice.sync(filter({ room: { timeline: { limit: 50 } } }));
    assert.equal(answer.rooms.join[room].timeline.limited, false);
    assert.equal(answer.rooms.join[room].timeline.events[0].type, 'm.room.create');
    assert.deepEqual(answer.rooms.join[room].state.events, []);
  });

  it('a filter stored on the server is found by its ID', async () => {
    await using s = await scene();
    const id = await s.world.services.filters.create(s.bob.requester.user, { room: { timeline: { limit: 1 } } });
    const answer = await s.bob.sync({ filter: id });
    assert.equal(answer.rooms.join[s.room].timeline.events.length, 1);
  });

  it('an incremental sync has what came since, once; the sender sees its transaction ID', async () => {
    await using s = await scene();
    const { next_batch: since } = await s.alice.sync();
    await s.alice.say(s.room, 'one');
    const answer = await s.alice.sync({ since });
    const [event] = answer.rooms.join[s.room].timeline.events as [WireEvent];
    assert.deepEqual([event.content['body'], event.unsigned['transaction_id']], ['one', 't0']);
    assert.equal(answer.rooms.join[s.room].timeline.limited, false);
    assert.deepEqual(await s.alice.sync({ since: answer.next_batch }), noNews(answer.next_batch));
  });

  it('a gap is limited, and its state changes are told', async () => {
    await using s = await scene();
    const { next_batch: since } = await s.bob.sync();
    const inGap = await s.alice.state(s.room, 'm.room.topic', { topic: 'in the gap' });
    for (let i = 0; i < 10; i++) await s.alice.say(s.room, `m${i}`);
    const shown = await s.alice.state(s.room, 'm.room.topic', { topic: 'shown' });
    const old = (await s.bob.sync({ since })).rooms.join[s.room];
    assert.equal(old.timeline.limited, true);
    assert.deepEqual(
      old.state.events.map((event: WireEvent) => event.event_id),
      [inGap],
    );
    assert.equal(old.state_after, undefined);
    const fresh = (await s.bob.sync({ since, use_state_after: 'true' })).rooms.join[s.room];
    assert.deepEqual(
      fresh.state_after.events.map((event: WireEvent) => event.event_id),
      [shown],
    );
    assert.equal(fresh.state, undefined);
    const early = await s.bob.sync({ since, 'org.matrix.msc4222.use_state_after': 'true' });
    assert.deepEqual(early.rooms.join[s.room]['org.matrix.msc4222.state_after'], fresh.state_after);
  });

  it('full_state has all state again, with the timeline since the token', async () => {
    await using s = await scene();
    const { next_batch: since } = await s.bob.sync();
    await s.alice.say(s.room, 'new');
    const entry = (await s.bob.sync({ since, full_state: 'true' })).rooms.join[s.room];
    assert.deepEqual(bodies(entry.timeline.events), ['new']);
    assert.deepEqual(members(entry.state.events).sort(), [s.alice.userId, s.bob.userId]);
  });

  it('waits for news, and answers when they come', async () => {
    await using s = await scene();
    const { next_batch: since } = await s.bob.sync();
    const waiting = s.bob.sync({ since, timeout: '30000' });
    await s.alice.say(s.room, 'wake up');
    const answer = await waiting;
    assert.deepEqual(bodies(answer.rooms.join[s.room].timeline.events), ['wake up']);
    assert.equal(answer.rooms.join[s.room].unread_notifications.notification_count, 1);
  });

  it('waits no longer than it was asked to', async () => {
    await using s = await scene();
    const { next_batch: since } = await s.bob.sync();
    const waiting = s.bob.sync({ since, timeout: '30000' });
    await Promise.resolve();
    while (s.world.store.notifier.waiters === 0) await new Promise(setImmediate);
    s.world.store.clock.advance(30_001);
    assert.deepEqual(await waiting, noNews(since));
  });

  it('what is not for the user wakes nobody up for good', async () => {
    await using s = await scene();
    const picky = filter({ room: { timeline: { not_types: ['m.room.message'] }, ephemeral: { types: [] } } });
    const quiet = { ...picky, timeout: '30000' };
    await s.world.services.pushRules.enable(s.bob.requester.user, 'override', '.m.rule.master', true);
    const { next_batch: since } = await s.bob.sync(picky);
    const waiting = s.bob.sync({ since, ...quiet });
    await s.alice.say(s.room, 'not for bob');
    // Who waits is woken in the turn after the answer.
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    while (s.world.store.notifier.waiters === 0) await new Promise(setImmediate);
    s.world.store.clock.advance(30_001);
    const answer = await waiting;
    assert.equal(answer.rooms, undefined);
    assert.notEqual(answer.next_batch, since);
  });

  it('a token of an older epoch gets every room in full, with a gap', async () => {
    await using s = await scene();
    const answer = await s.bob.sync({ since: 'h1_0_5' });
    assert.equal(answer.rooms.join[s.room].timeline.limited, true);
    assert.equal(answer.rooms.join[s.room].timeline.events.at(-1).state_key, s.bob.userId);
  });

  it('event_format federation has events as other servers get them, with ID and unsigned', async () => {
    await using s = await scene();
    const { next_batch: since } = await s.bob.sync();
    await s.alice.say(s.room, 'hello');
    const answer = await s.bob.sync({ since, ...filter({ event_format: 'federation' }) });
    const event = answer.rooms.join[s.room].timeline.events[0];
    const expected = ['auth_events', 'content', 'depth', 'event_id', 'hashes', 'origin_server_ts', 'prev_events'];
    assert.deepEqual(
      Object.keys(event).toSorted(),
      [...expected, 'room_id', 'sender', 'signatures', 'type', 'unsigned'].toSorted(),
    );
    assert.deepEqual([event.content.body, event.room_id], ['hello', s.room]);
  });

  it('the filter chooses rooms, types and senders', async () => {
    await using s = await scene();
    const other = await s.alice.createRoom();
    await s.bob.say(s.room, 'from bob');
    await s.alice.say(s.room, 'from alice');
    const rooms = await s.alice.sync(filter({ room: { not_rooms: [s.room] } }));
    assert.deepEqual(Object.keys(rooms.rooms.join), [other]);
    const choice = { types: ['m.room.message'], not_senders: [s.bob.userId] };
    const events = await s.alice.sync(filter({ room: { timeline: choice, state: { types: ['m.room.na*'] } } }));
    assert.deepEqual(bodies(events.rooms.join[s.room].timeline.events), ['from alice']);
    assert.deepEqual(
      events.rooms.join[s.room].state.events.map(({ type }: WireEvent) => type),
      ['m.room.name'],
    );
  });
});

describe('memberships in /sync', () => {
  it('an invite has stripped state; joining has the room in full; leaving has it up to the leave', async () => {
    await using world = openSyncWorld();
    const alice = world.person('alice', 1);
    const bob = world.person('bob', 2);
    const start = await bob.sync();
    const room = await alice.createRoom({ name: 'Kitchen', preset: 'private_chat', invite: [bob.userId] });
    const invited = await bob.sync({ since: start.next_batch });
    const stripped = invited.rooms.invite[room].invite_state.events as WireEvent[];
    assert.deepEqual(stripped.find(({ type }) => type === 'm.room.name')?.content, { name: 'Kitchen' });
    assert.deepEqual(stripped.at(-1)?.content['membership'], 'invite');
    assert.ok(stripped.some(({ type }) => type === 'm.room.create'));
    assert.deepEqual(Object.keys(stripped[0] as WireEvent).sort(), ['content', 'sender', 'state_key', 'type']);
    await bob.join(room);
    const joined = await bob.sync({ since: invited.next_batch });
    assert.equal(joined.rooms.join[room].timeline.events.at(-1).state_key, bob.userId);
    const all = [...joined.rooms.join[room].state.events, ...joined.rooms.join[room].timeline.events] as WireEvent[];
    assert.ok(all.some(({ type }) => type === 'm.room.create'));
    await alice.say(room, 'goodbye');
    await bob.leave(room);
    await alice.say(room, 'is he gone?');
    const left = await bob.sync({ since: joined.next_batch });
    const { events } = left.rooms.leave[room].timeline;
    assert.deepEqual(bodies(events), ['goodbye', undefined]);
    assert.equal(left.rooms.join, undefined);
    assert.deepEqual((await bob.sync()).rooms, undefined);
    const withLeft = await bob.sync(filter({ room: { include_leave: true } }));
    assert.equal(withLeft.rooms.leave[room].timeline.events.at(-1).state_key, bob.userId);
  });

  it('a declined invite tells nothing of the room', async () => {
    await using world = openSyncWorld();
    const alice = world.person('alice', 1);
    const bob = world.person('bob', 2);
    const room = await alice.createRoom({ preset: 'private_chat', invite: [bob.userId] });
    await alice.state(room, 'm.room.topic', { topic: 'secret' });
    await alice.state(room, 'm.room.history_visibility', { history_visibility: 'joined' });
    const { next_batch: since } = await bob.sync();
    await alice.state(room, 'm.room.topic', { topic: 'more secret' });
    await bob.leave(room);
    const answer = await bob.sync({ since });
    assert.ok(!JSON.stringify(answer).includes('secret'));
    assert.deepEqual(members(answer.rooms.leave[room].timeline.events), [bob.userId]);
  });

  it('what was said while the user was away stays out where history is for members only', async () => {
    await using s = await scene();
    await s.alice.state(s.room, 'm.room.history_visibility', { history_visibility: 'joined' });
    const { next_batch: since } = await s.bob.sync();
    await s.bob.leave(s.room);
    await s.alice.say(s.room, 'between us');
    await s.bob.join(s.room);
    await s.alice.say(s.room, 'hello again');
    const entry = (await s.bob.sync({ since })).rooms.join[s.room];
    assert.ok(!bodies(entry.timeline.events).includes('between us'));
    assert.ok(bodies(entry.timeline.events).includes('hello again'));
    assert.equal((await s.bob.sync({ since })).rooms.leave, undefined);
  });

  it('the summary comes when members change, with heroes where the room has no name', async () => {
    await using world = openSyncWorld();
    const [alice, bob] = [world.person('alice', 1), world.person('bob', 2)];
    const room = await alice.createRoom({ invite: [bob.userId] });
    const first = await alice.sync();
    assert.deepEqual(first.rooms.join[room].summary, {
      'm.heroes': [bob.userId],
      'm.joined_member_count': 1,
      'm.invited_member_count': 1,
    });
    await alice.say(room, 'x');
    const second = await alice.sync({ since: first.next_batch });
    assert.equal(second.rooms.join[room].summary, undefined);
    await bob.join(room);
    const third = await alice.sync({ since: second.next_batch });
    assert.equal(third.rooms.join[room].summary['m.joined_member_count'], 2);
    await bob.leave(room);
    const fourth = await alice.sync({ since: third.next_batch });
    assert.deepEqual(fourth.rooms.join[room].summary['m.heroes'], [bob.userId]);
    await alice.state(room, 'm.room.name', { name: 'Named' });
    const fifth = await alice.sync({ since: fourth.next_batch });
    assert.equal(fifth.rooms.join[room].summary['m.heroes'], undefined);
  });

  it('a user who is ignored is heard no more, but in state; nor do they invite', async () => {
    await using s = await scene();
    const { next_batch: since } = await s.bob.sync();
    s.world.accountData.set(s.bob.requester.user, 'm.ignored_user_list', { ignored_users: { [s.alice.userId]: {} } });
    await s.alice.say(s.room, 'unheard');
    await s.alice.state(s.room, 'm.room.topic', { topic: 'heard' });
    const other = await s.alice.createRoom({ invite: [s.bob.userId] });
    const answer = await s.bob.sync({ since });
    assert.deepEqual(
      answer.rooms.join[s.room].timeline.events.map(({ type }: WireEvent) => type),
      ['m.room.topic'],
    );
    assert.equal(answer.rooms.join[s.room].unread_notifications.notification_count, 0);
    assert.equal(answer.rooms.invite?.[other], undefined);
  });
});

describe('lazy-loaded members in /sync', () => {
  it('the senders’ member events, once for a device that has built on them', async () => {
    await using s = await scene();
    const carol = s.world.person('carol', 3);
    await carol.join(s.room);
    for (let i = 0; i < 10; i++) await s.alice.say(s.room, `m${i}`);
    const first = await s.bob.sync(lazy);
    assert.deepEqual(members(first.rooms.join[s.room].state.events).sort(), [s.alice.userId, s.bob.userId]);
    assert.ok(first.rooms.join[s.room].state.events.some(({ type }: WireEvent) => type === 'm.room.name'));
    await carol.say(s.room, 'me too');
    await s.alice.say(s.room, 'again');
    const since = first.next_batch;
    const second = await s.bob.sync({ ...lazy, since });
    assert.deepEqual(members(second.rooms.join[s.room].state.events), [carol.userId]);
    // The answer may have been lost: the same question has the same answer.
    assert.deepEqual((await s.bob.sync({ ...lazy, since })).rooms, second.rooms);
    await carol.say(s.room, 'and again');
    const third = await s.bob.sync({ ...lazy, since: second.next_batch });
    assert.deepEqual(members(third.rooms.join[s.room].state.events), []);
    const redundant = filter({ room: { state: { lazy_load_members: true, include_redundant_members: true } } });
    const fourth = await s.bob.sync({ ...redundant, since: second.next_batch });
    assert.deepEqual(members(fourth.rooms.join[s.room].state.events), [carol.userId]);
  });

  it('members who changed in a gap are told although they said nothing', async () => {
    await using s = await scene();
    const carol = s.world.person('carol', 3);
    const { next_batch: since } = await s.bob.sync(lazy);
    await carol.join(s.room);
    for (let i = 0; i < 11; i++) await s.alice.say(s.room, `m${i}`);
    const entry = (await s.bob.sync({ ...lazy, since })).rooms.join[s.room];
    assert.ok(members(entry.state.events).includes(carol.userId));
  });
});

describe('event_fields in /sync', () => {
  it('leaves of the events of rooms what the filter names', async () => {
    await using s = await scene();
    const reaction = 'm.annotation';
    const target = await s.alice.say(s.room, 'hello', { 'a.b': 1, more: 2 });
    const relation = { 'm.relates_to': { rel_type: 'm.replace', event_id: target } };
    await s.alice.say(s.room, 'edited', { ...relation, 'm.new_content': { body: 'edited' } });
    await s.alice.send(s.room, { 'm.relates_to': { rel_type: reaction, event_id: target, key: 'x' } }, 'm.reaction');
    const wish = { event_fields: ['event_id', 'content.body', 'content.a\\.b', 'unsigned.m\\.relations'] };
    const answer = await s.bob.sync(filter(wish));
    const { timeline, state } = answer.rooms.join[s.room];
    const shown = timeline.events.find((event: WireEvent) => event.event_id === target);
    assert.deepEqual(Object.keys(shown).toSorted(), ['content', 'event_id', 'unsigned']);
    assert.deepEqual(shown.content, { body: 'hello', 'a.b': 1 });
    assert.deepEqual(Object.keys(shown.unsigned), ['m.relations']);
    // What stands inside of it is whole.
    assert.equal(shown.unsigned['m.relations']['m.replace'].type, 'm.room.message');
    for (const event of [...timeline.events, ...state.events]) assert.equal(event.type, undefined);
    await s.bob.leave(s.room);
    const left = await s.bob.sync({ since: answer.next_batch, ...filter(wish) });
    for (const event of left.rooms.leave[s.room].timeline.events) {
      assert.ok(Object.keys(event).every((key) => ['content', 'event_id', 'unsigned'].includes(key)));
    }
  });
});

describe('account data in /sync', () => {
  it('global and of rooms, when it changes; push rules by their own events', async () => {
    await using s = await scene();
    const { user } = s.bob.requester;
    const { next_batch: since } = await s.bob.sync();
    s.world.accountData.set(user, 'org.example.theme', { dark: true });
    s.world.accountData.put(user, s.world.rooms.known.get(s.room).nid, 'm.tag', { tags: { 'm.favourite': {} } });
    await s.world.services.pushRules.enable(user, 'underride', '.m.rule.message', false);
    const answer = await s.bob.sync({ since });
    assert.deepEqual(answer.account_data.events[0], { type: 'org.example.theme', content: { dark: true } });
    assert.equal(answer.account_data.events[1].type, 'm.push_rules');
    assert.deepEqual(answer.rooms.join[s.room].account_data.events, [
      { type: 'm.tag', content: { tags: { 'm.favourite': {} } } },
    ]);
    const initial = await s.bob.sync();
    assert.equal(initial.account_data.events.length, 2);
    assert.equal(initial.rooms.join[s.room].account_data.events.length, 1);
    assert.equal((await s.alice.sync({ since })).account_data, undefined);
  });
});

describe('many rooms in /sync', () => {
  it('are found by their own last change when the token is old, and written in pieces', async () => {
    await using s = await scene();
    const rooms: string[] = [];
    for (let i = 0; i < 60; i++) rooms.push(await s.bob.createRoom());
    const { next_batch: since } = await s.bob.sync();
    // Positions that nobody sees, so that the stretch is too long to be read through.
    for (let i = 0; i < 2100; i++) s.world.store.streams.next();
    await s.bob.say(rooms[7] as string, 'here');
    await s.alice.read(s.room, (await s.bob.sync()).rooms.join[s.room].timeline.events[0].event_id);
    const answer = await s.bob.sync({ since });
    assert.deepEqual(Object.keys(answer.rooms.join).sort(), [rooms[7], s.room].sort());
    assert.equal(Object.keys((await s.bob.sync({ since, full_state: 'true' })).rooms.join).length, 61);
  });
});
