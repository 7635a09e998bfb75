import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { streamEnd } from '../../src/store/sync/positions.ts';
import { openSyncWorld, type Person, type SyncWorld } from '../sync/sync-world.ts';
import { NaiveCounts } from './naive-counts.ts';

const what = fc.constantFrom(
  'say',
  'say',
  'mention',
  'notice',
  'thread',
  'read',
  'read-all',
  'redact',
  'leave',
  'join',
);
const stepsOf = fc.array(fc.record({ what, who: fc.nat(2), where: fc.nat(1), which: fc.nat(1000) }), { maxLength: 40 });

type Step = { what: string; who: number; where: number; which: number };

/** People who do things at random, in the server and in the naive counts. */
class Walk {
  readonly #world: SyncWorld;
  readonly #people: readonly Person[];
  readonly #rooms: readonly string[];
  readonly #naive: NaiveCounts;

  private constructor(world: SyncWorld, people: readonly Person[], rooms: readonly string[], naive: NaiveCounts) {
    this.#world = world;
    this.#people = people;
    this.#rooms = rooms;
    this.#naive = naive;
  }

  static async begin(world: SyncWorld): Promise<Walk> {
    const people = ['alice', 'bob', 'carol'].map((name, i) => world.person(name, i + 1));
    const naive = new NaiveCounts();
    const rooms: string[] = [];
    for (const creator of people.slice(0, 2)) {
      const room = await creator.createRoom();
      rooms.push(room);
      naive.join(creator.userId, room);
    }
    const walk = new Walk(world, people, rooms, naive);
    for (let who = 0; who < 3; who++) for (let where = 0; where < 2; where++) await walk.#join(who, where);
    return walk;
  }

  async take({ what, who, where, which }: Step): Promise<void> {
    const [person, room] = [this.#people[who] as Person, this.#rooms[where] as string];
    if (what === 'join') return this.#join(who, where);
    if (!this.#naive.members(room).includes(person.userId)) return;
    const here = this.#naive.events.filter((event) => event.room === room && !event.redacted);
    const event = here[which % Math.max(1, here.length)];
    if (what === 'leave') {
      await person.leave(room);
      this.#naive.leave(person.userId, room);
    } else if (what === 'read' || what === 'read-all') {
      if (event === undefined) return;
      const thread = what === 'read' ? event.thread : undefined;
      const answer = await person.read(
        room,
        event.eventId,
        'm.read',
        thread === undefined ? {} : { thread_id: thread },
      );
      // What was said before the person came is perhaps not theirs to read.
      if (answer.status === 200) this.#naive.read(person.userId, event, thread ?? 'all');
    } else if (what === 'redact') {
      if (event?.sender !== person.userId) return;
      await this.#world.rooms.sending.redact(person.requester, room, event.eventId, {});
      this.#naive.redact(person.userId, event);
    } else await this.#say(person, room, what, here.find(({ thread }) => thread === 'main')?.eventId);
  }

  check(): void {
    const { pushCounts } = this.#world.store.stores;
    for (const { userId, requester } of this.#people) {
      for (const room of this.#rooms) {
        const rows = pushCounts.unread(requester.user, this.#world.rooms.known.get(room).nid);
        const counts = {
          notify: rows.reduce((sum, row) => sum + row.notify, 0),
          highlight: rows.reduce((sum, row) => sum + row.highlight, 0),
        };
        assert.deepEqual(counts, this.#naive.counts(userId, room), `${userId} in ${room}`);
      }
      const unread = this.#naive.unread(userId).map(({ eventId }) => eventId);
      const kept = pushCounts.notificationsBefore(requester.user, streamEnd, 1000).filter(({ read }) => !read);
      assert.deepEqual(kept.map(({ event }) => this.#world.store.stores.interning.eventId(event)).reverse(), unread);
      assert.equal(pushCounts.total(requester.user), unread.length);
    }
  }

  async #say(person: Person, room: string, what: string, root: string | undefined): Promise<void> {
    const thread = what === 'thread' && root !== undefined ? root : 'main';
    const others = this.#people.map(({ userId }) => userId).filter((userId) => userId !== person.userId);
    const mentioned = what === 'mention' ? others : [];
    const eventId = await person.send(room, {
      msgtype: what === 'notice' ? 'm.notice' : 'm.text',
      body: 'x',
      ...(mentioned.length > 0 && { 'm.mentions': { user_ids: mentioned } }),
      ...(thread !== 'main' && { 'm.relates_to': { rel_type: 'm.thread', event_id: thread } }),
    });
    this.#naive.say({ room, sender: person.userId, eventId, thread, mentioned }, what !== 'notice');
  }

  async #join(who: number, where: number): Promise<void> {
    const [person, room] = [this.#people[who] as Person, this.#rooms[where] as string];
    if (this.#naive.members(room).includes(person.userId)) return;
    await person.join(room);
    this.#naive.join(person.userId, room);
  }
}

describe('unread counts, whatever happens,', () => {
  it('equal a naive recomputation', async () => {
    await fc.assert(
      fc.asyncProperty(stepsOf, async (steps) => {
        await using world = openSyncWorld();
        const walk = await Walk.begin(world);
        for (const step of steps) {
          await walk.take(step);
          walk.check();
        }
      }),
      { seed: 20261121, numRuns: 25 },
    );
  });
});
