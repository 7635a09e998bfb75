import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Seeded } from '../support/seeded.ts';
import { ModelClient } from './model-client.ts';
import { openSyncWorld, type Person, type SyncWorld } from './sync-world.ts';

const lazyFilter = JSON.stringify({
  room: { state: { lazy_load_members: true }, timeline: { unread_thread_notifications: true, limit: 3 } },
});
const pickyFilter = JSON.stringify({ room: { timeline: { types: ['m.room.message'], limit: 4 } } });

/** Each way of asking that leads a client to the whole state. */
const ways: readonly Record<string, string>[] = [
  {},
  { use_state_after: 'true' },
  { filter: JSON.stringify({ room: { timeline: { limit: 2 } } }) },
  { filter: JSON.stringify({ room: { timeline: { limit: 2 } } }), use_state_after: 'true' },
  { filter: pickyFilter },
  { filter: pickyFilter, use_state_after: 'true' },
];

describe('a client that syncs at random times', () => {
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`knows the state, has every event once and counts right (seed ${seed})`, async () => {
      await using world = openSyncWorld();
      const walk = new Walk(world, seed);
      await walk.begin();
      for (let step = 0; step < 120; step++) await walk.step();
      await walk.finish();
    });
  }
});

interface Mark {
  readonly user: string;
  readonly room: string;
  readonly pos: number;
  /** `undefined`: all threads. */
  readonly thread: string | undefined;
}

class Walk {
  readonly #world: SyncWorld;
  readonly #chance: Seeded;
  readonly #people: Person[];
  readonly #clients: ModelClient[];
  readonly #lazy: ModelClient[];
  #rooms: string[] = [];
  readonly #marks: Mark[] = [];

  constructor(world: SyncWorld, seed: number) {
    this.#world = world;
    this.#chance = new Seeded(seed);
    this.#people = ['alice', 'bob', 'carol', 'dave'].map((name) => world.person(name));
    const device = (index: number) => this.#people[index % 4]?.userId.slice(1).split(':')[0] as string;
    this.#clients = ways.flatMap((way, index) => [
      new ModelClient(world.person(device(index), 10 + index), way),
      new ModelClient(world.person(device(index + 1), 20 + index), way),
    ]);
    this.#lazy = [0, 1, 2, 3].map(
      (index) =>
        new ModelClient(world.person(device(index), 30 + index), {
          filter: lazyFilter,
          ...(index % 2 === 0 && { use_state_after: 'true' }),
        }),
    );
  }

  async begin(): Promise<void> {
    for (const person of this.#people.slice(0, 3)) this.#rooms.push(await person.createRoom());
  }

  async step(): Promise<void> {
    const chance = this.#chance;
    if (chance.chance(0.3)) return this.#sync(chance.pick([...this.#clients, ...this.#lazy]));
    const person = chance.pick(this.#people);
    const room = chance.pick(this.#rooms);
    // What the walk tries may be forbidden; then nothing has happened.
    await this.#act(person, room).catch((error: { errcode?: string }) => {
      if (error.errcode !== 'M_FORBIDDEN') throw error;
    });
  }

  async finish(): Promise<void> {
    for (const client of this.#clients) {
      await this.#sync(client);
      this.#checkState(client, () => true);
    }
    for (const client of this.#lazy) {
      await this.#sync(client);
      this.#checkState(client, (key) => !key.startsWith('m.room.member'));
    }
  }

  async #act(person: Person, room: string): Promise<void> {
    const chance = this.#chance;
    const other = chance.pick(this.#people);
    switch (chance.below(12)) {
      case 0:
        return person.join(room);
      case 1:
        if (chance.chance(0.4)) await person.leave(room);
        else await person.join(room);
        return;
      case 2:
        await person.state(room, 'm.room.topic', { topic: `topic ${chance.below(1000)}` });
        return;
      case 3:
        await person.state(
          room,
          'm.room.member',
          { membership: 'join', displayname: `n${chance.below(1000)}` },
          person.userId,
        );
        return;
      case 4:
        await person.state(room, 'org.example.key', { value: chance.below(1000) }, `k${chance.below(3)}`);
        return;
      case 5:
        await person.typing(room, chance.chance(0.5), 20_000);
        return;
      case 6:
      case 7:
        return this.#read(person, room);
      case 8: {
        const root = this.#events(room).find(({ pdu }) => pdu.type === 'm.room.message')?.eventId;
        if (root === undefined) return;
        await person.say(room, 'in a thread', { 'm.relates_to': { rel_type: 'm.thread', event_id: root } });
        return;
      }
      case 9:
        await person.say(room, 'you', { 'm.mentions': { user_ids: [other.userId] } });
        return;
      default:
        await person.say(room, `hello ${chance.below(1000)}`);
    }
  }

  async #read(person: Person, room: string): Promise<void> {
    const event = this.#chance.pick(this.#events(room));
    const thread = this.#threadOf(event);
    const scope = this.#chance.chance(0.5) ? undefined : thread;
    const type = this.#chance.pick(['m.read', 'm.read.private']);
    const answer = await person.read(room, event.eventId, type, scope === undefined ? {} : { thread_id: scope });
    if (answer.status !== 200) return;
    this.#marks.push({ user: person.userId, room, pos: event.row.pos as number, thread: scope });
  }

  #threadOf({ pdu }: { pdu: { content: Record<string, unknown> } }): string {
    return (pdu.content['m.relates_to'] as { event_id?: string } | undefined)?.event_id ?? 'main';
  }

  #events(room: string) {
    return this.#world.committed.filter(({ row }) => this.#world.store.stores.interning.roomId(row.room) === room);
  }

  async #sync(client: ModelClient): Promise<void> {
    const before = new Map([...client.rooms].map(([id, { timeline, membership }]) => [id, { timeline, membership }]));
    const since = client.token;
    const answer = await client.sync();
    if (since !== undefined) await this.#checkRepeat(client, since, answer);
    if (client.query['filter'] === pickyFilter) return;
    for (const [id, room] of client.rooms) {
      if (room.membership !== 'join') continue;
      this.#checkTimeline(id, room.timeline);
      const earlier = before.get(id);
      if (earlier?.membership === 'join' && !room.limited) {
        assert.deepEqual(room.timeline.slice(0, earlier.timeline.length), earlier.timeline);
      }
      this.#checkCounts(client, id);
    }
  }

  /** The same question has an equivalent answer. */
  async #checkRepeat(
    client: ModelClient,
    since: string,
    answer: { rooms?: unknown; next_batch: string },
  ): Promise<void> {
    const again = await client.person.sync({ ...client.query, since });
    assert.deepEqual(again.rooms, answer.rooms);
  }

  /** What the client has is a run of the room's events without a hole, up to the newest. */
  #checkTimeline(id: string, timeline: readonly string[]): void {
    const all = this.#events(id).map((event) => event.eventId as string);
    assert.deepEqual(timeline, all.slice(all.length - timeline.length));
    assert.ok(timeline.length > 0);
  }

  #checkState(client: ModelClient, compared: (key: string) => boolean): void {
    const { interning, roomState } = this.#world.store.stores;
    const { user } = client.person.requester;
    for (const { room } of roomState.localRooms(user, [1])) {
      const expected = new Map<string, string>(
        [...roomState.currentAll(room)].map(([key, event]) => {
          const { type, skey } = interning.stateKeyOf(key);
          return [`${type}\0${skey}`, interning.eventId(event)];
        }),
      );
      const told = client.rooms.get(interning.roomId(room));
      const pick = (state: Map<string, string>) => [...state].filter(([key]) => compared(key)).sort();
      assert.deepEqual(pick(told?.state ?? new Map()), pick(expected), JSON.stringify(client.query));
    }
  }

  /** Unread counts against a plain count over all events. */
  #checkCounts(client: ModelClient, id: string): void {
    const me = client.person.userId;
    const events = this.#events(id);
    const isOwnMember = (event: (typeof events)[number]) =>
      event.pdu.type === 'm.room.member' && event.pdu.state_key === me;
    const ended = events.findLastIndex((event) => isOwnMember(event) && event.pdu.content['membership'] === 'leave');
    const joined = events.findIndex((event, at) => at > ended && isOwnMember(event));
    const unread = new Map<string, { notify: number; highlight: number }>();
    for (const [at, event] of events.entries()) {
      if (at <= joined || event.pdu.sender === me || event.pdu.type !== 'm.room.message') continue;
      const thread = this.#threadOf(event);
      const pos = event.row.pos as number;
      const spoke = events.some((own, later) => later > at && own.pdu.sender === me && this.#threadOf(own) === thread);
      const read = this.#marks.some(
        (mark) =>
          mark.user === me &&
          mark.room === id &&
          mark.pos >= pos &&
          (mark.thread === undefined || mark.thread === thread),
      );
      if (spoke || read) continue;
      const counts = unread.get(thread) ?? { notify: 0, highlight: 0 };
      const mentions = event.pdu.content['m.mentions'] as { user_ids: string[] } | undefined;
      unread.set(thread, {
        notify: counts.notify + 1,
        highlight: counts.highlight + (mentions?.user_ids.includes(me) ? 1 : 0),
      });
    }
    const room = client.rooms.get(id);
    const all = [...unread.values()];
    const threaded = client.query['filter'] === lazyFilter;
    const main = threaded ? [unread.get('main') ?? { notify: 0, highlight: 0 }] : all;
    const sum = (key: 'notify' | 'highlight') => main.reduce((total, counts) => total + counts[key], 0);
    assert.deepEqual([room?.notify, room?.highlight], [sum('notify'), sum('highlight')]);
    if (!threaded) return;
    const byThread = [...unread]
      .filter(([thread]) => thread !== 'main')
      .map(([thread, { notify }]) => [thread, notify]);
    assert.deepEqual([...(room?.threads ?? [])].sort(), byThread.sort());
  }
}
