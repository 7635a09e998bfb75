import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Universe } from '../../support/servers/universe.ts';
import { Guest } from '../joining/joining-world.ts';

interface Told {
  readonly event_id: string;
  readonly content: { readonly body?: string };
}

const idsOf = (events: readonly Told[]) => events.map(({ event_id }) => event_id);
const bodiesOf = (events: readonly Told[]) => events.map(({ content }) => content.body).filter((body) => body !== undefined); // biome-ignore format: short

/** Everything that paging leads to. */
async function walk(guest: Guest, room: string, dir: 'b' | 'f' = 'b', from?: string): Promise<Told[]> {
  const all: Told[] = [];
  let at = from;
  for (let pages = 0; pages < 100; pages++) {
    const query = `dir=${dir}&limit=50${at === undefined ? '' : `&from=${at}`}`;
    const page = await guest.ok('GET', `/rooms/${encodeURIComponent(room)}/messages?${query}`);
    all.push(...page.chunk);
    if (page.end === undefined) return all;
    at = page.end;
  }
  throw new Error('the walk does not end');
}

async function say(guest: Guest, room: string, body: string): Promise<string> {
  const path = `/rooms/${encodeURIComponent(room)}/send/m.room.message/${encodeURIComponent(body)}`;
  return (await guest.ok('PUT', path, { msgtype: 'm.text', body })).event_id;
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, index) => `${from + index}`);

describe('history between two servers', () => {
  it('from before a join is read by who joined, and from before a leave after coming back', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await Guest.register(universe.world('a.test'), 'alice');
    const bob = await Guest.register(universe.world('b.test'), 'bob');
    const room = await bob.createRoom({ preset: 'public_chat' });
    for (const body of numbers(0, 70)) await say(bob, room, body);
    assert.equal((await alice.join(room, ['b.test'])).status, 200);
    const theirs = await walk(bob, room);
    assert.deepEqual(idsOf(await walk(alice, room)), idsOf(theirs));
    await alice.leave(room);
    const isGone = async () => !(alice.userId in (await bob.ok('GET', `/rooms/${room}/joined_members`)).joined);
    await universe.until(isGone);
    for (const body of numbers(100, 30)) await say(bob, room, body);
    assert.equal((await alice.join(room, ['b.test'])).status, 200);
    assert.deepEqual(idsOf(await walk(alice, room)), idsOf(await walk(bob, room)));
    assert.deepEqual(idsOf(await walk(alice, room, 'f')), idsOf(await walk(bob, room, 'f')));
  });

  it('that came by backfill is passed on to a third, as far as it was open to all', async () => {
    for (const visibility of ['shared', 'joined']) {
      await using universe = await Universe.open(['a.test', 'b.test', 'c.test']);
      const alice = await Guest.register(universe.world('a.test'), 'alice');
      const bob = await Guest.register(universe.world('b.test'), 'bob');
      const carol = await Guest.register(universe.world('c.test'), 'carol');
      const room = await bob.createRoom({
        preset: 'public_chat',
        initial_state: [
          { type: 'm.room.history_visibility', state_key: '', content: { history_visibility: visibility } },
        ],
      });
      for (const body of numbers(0, 20)) await say(bob, room, body);
      await alice.join(room, ['b.test']);
      const mine = bodiesOf(await walk(alice, room));
      assert.equal((await carol.join(room, ['a.test'])).status, 200);
      universe.cut('b.test', 'c.test');
      assert.deepEqual(bodiesOf(await walk(carol, room)), mine);
      assert.equal(mine.length, visibility === 'shared' ? 20 : 0);
    }
  });

  it('that one of them slept through comes once and in order when it is back', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const alice = await Guest.register(universe.world('a.test'), 'alice');
    const bob = await Guest.register(universe.world('b.test'), 'bob');
    const room = await bob.createRoom({ preset: 'public_chat' });
    assert.equal((await alice.join(room, ['b.test'])).status, 200);
    const heard = await say(bob, room, 'heard');
    const seen = async () => idsOf(await walk(alice, room));
    await universe.until(async () => (await seen()).includes(heard));
    const before = await alice.sync();
    universe.cut('a.test', 'b.test');
    for (const body of numbers(0, 320)) await say(bob, room, body);
    universe.heal('a.test', 'b.test');
    universe.clock.advance(48 * 3_600_000);
    const last = await say(bob, room, 'last');
    let now = await alice.sync(before.next_batch);
    await universe.until(async () => {
      now = await alice.sync(before.next_batch);
      return idsOf(now.rooms?.join?.[room]?.timeline.events ?? []).includes(last);
    });
    const { timeline } = now.rooms.join[room];
    assert.equal(timeline.limited, true);
    const missed = await walk(alice, room, 'b', timeline.prev_batch);
    assert.deepEqual([...missed.toReversed(), ...timeline.events].map(({ event_id }) => event_id), idsOf(await walk(bob, room, 'f'))); // biome-ignore format: long
    assert.deepEqual(bodiesOf(await walk(alice, room, 'f', before.next_batch)), [...numbers(0, 320), 'last']);
  });
});
