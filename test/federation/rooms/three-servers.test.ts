import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stateOf } from '../../support/federation/room-comparison.ts';
import { Universe } from '../../support/servers/universe.ts';
import { Guest } from '../joining/joining-world.ts';

const names = ['a.test', 'b.test', 'c.test'];
const minute = 60_000;
const enc = encodeURIComponent;

/** Three people on three servers, and what they do in one room. */
class Three implements AsyncDisposable {
  readonly universe: Universe;
  readonly people: readonly [alice: Guest, bob: Guest, carol: Guest];
  room = '';

  private constructor(universe: Universe, people: readonly [Guest, Guest, Guest]) {
    this.universe = universe;
    this.people = people;
  }

  static async open(settings: Readonly<Record<string, unknown>> = {}): Promise<Three> {
    const universe = await Universe.open(names, settings);
    const [alice, bob, carol] = await Promise.all([
      Guest.register(universe.world('a.test'), 'alice'),
      Guest.register(universe.world('b.test'), 'bob'),
      Guest.register(universe.world('c.test'), 'carol'),
    ]);
    return new Three(universe, [alice, bob, carol]);
  }

  /** A room of alice's that all are in. */
  static async together(options: Record<string, unknown> = {}, settings: Record<string, unknown> = {}): Promise<Three> {
    const three = await Three.open(settings);
    const [alice, bob, carol] = three.people;
    three.room = await alice.createRoom({ preset: 'public_chat', ...options });
    for (const guest of [bob, carol]) assert.equal((await guest.join(three.room, ['a.test'])).status, 200);
    await three.agree();
    return three;
  }

  path(rest: string, room = this.room): string {
    return `/rooms/${enc(room)}/${rest}`;
  }

  /** Waits until all have the same state of the room; time passes, so that what failed is tried again. */
  agree(room = this.room): Promise<void> {
    return this.#eventually(() => {
      const states = names.map((name) => JSON.stringify(stateOf(this.universe.world(name), room)));
      return states.every((state) => state === states[0]);
    }, 'all have the same state');
  }

  /** Waits until everybody is shown exactly these messages, each once; in the order in which they are given if that matters. */
  async hear(bodies: readonly string[], inOrder = true): Promise<void> {
    for (const guest of this.people) {
      const isSame = (seen: string[]) => seen.toSorted().join('\n') === bodies.toSorted().join('\n');
      const seen = await this.see(() => this.bodies(guest), isSame, `${guest.userId} hears all`);
      if (inOrder) assert.deepEqual(seen, bodies, guest.userId);
    }
  }

  async bodies(guest: Guest): Promise<string[]> {
    const { chunk } = await guest.ok('GET', this.path('messages?dir=b&limit=500'));
    const events = chunk as { type: string; content: { body?: string } }[];
    return events
      .flatMap(({ type, content }) => (type === 'm.room.message' ? [content.body ?? '(redacted)'] : []))
      .reverse();
  }

  async #eventually(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    let turns = 0;
    await this.universe.until(async () => {
      if (++turns % 50 === 0) this.universe.clock.advance(minute);
      return condition();
    }, what);
  }

  /** Asks until it is answered as wanted. */
  async see<T>(ask: () => Promise<T>, isWanted: (answer: T) => boolean, what: string): Promise<T> {
    let answer = await ask();
    const isSeen = async () => isWanted(answer) || isWanted((answer = await ask()));
    await this.#eventually(isSeen, what);
    return answer;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.universe[Symbol.asyncDispose]();
  }
}

describe('three people on three servers', () => {
  it('hear what is said, although two of the servers cannot reach each other', async () => {
    await using three = await Three.together();
    const { universe, people, room } = three;
    const [alice, bob, carol] = people;
    universe.cut('a.test', 'b.test');
    await alice.say(room, '1');
    await three.see(() => three.bodies(carol), (seen) => seen.includes('1'), 'c hears'); // biome-ignore format: short
    // What carol says leads b to what it has not heard of alice.
    await carol.say(room, '2');
    await three.see(() => three.bodies(bob), (seen) => seen.includes('1') && seen.includes('2'), 'b hears of a by c'); // biome-ignore format: short
    await bob.say(room, '3');
    universe.heal('a.test', 'b.test');
    await three.hear(['1', '2', '3']);
    await alice.say(room, '4');
    await three.hear(['1', '2', '3', '4']);
    await three.agree();
  });

  it('see redactions, power levels, kicks and bans, which bind also who was cut off', async () => {
    await using three = await Three.together();
    const { universe, people, room } = three;
    const [alice, bob, carol] = people;
    const bad = await bob.say(room, 'bad');
    await three.hear(['bad']);
    await alice.ok('PUT', three.path(`redact/${enc(bad)}/r1`), {});
    await three.hear(['(redacted)']);
    const levels = await alice.ok('GET', three.path('state/m.room.power_levels/'));
    await alice.ok('PUT', three.path('state/m.room.power_levels/'), { ...levels, users: { ...levels.users, [carol.userId]: 50 } }); // biome-ignore format: short
    await three.agree();
    universe.cut('b.test', 'a.test');
    universe.cut('b.test', 'c.test');
    await carol.ok('POST', three.path('ban'), { user_id: bob.userId, reason: 'enough' });
    await bob.say(room, 'unheard');
    universe.heal('b.test', 'a.test');
    universe.heal('b.test', 'c.test');
    await three.see(() => bob.ok('GET', '/joined_rooms'), (seen) => seen.joined_rooms.length === 0, 'b knows of the ban'); // biome-ignore format: short
    for (const guest of [alice, carol]) assert.ok(!(await three.bodies(guest)).includes('unheard'));
    assert.equal((await bob.join(room, ['a.test'])).status, 403);
    await carol.ok('POST', three.path('unban'), { user_id: bob.userId });
    await three.see(() => bob.join(room, ['c.test', 'a.test']), ({ status }) => status === 200, 'bob is back'); // biome-ignore format: short
    await three.agree();
    await bob.say(room, 'sorry');
    await three.see(() => three.bodies(alice), (seen) => seen.at(-1) === 'sorry', 'a hears'); // biome-ignore format: short
  });

  it('meet in a room by its alias, an invite, a knock, and as members of a space', async () => {
    // Where a is out of reach, c has its keys of b.
    await using three = await Three.open({ federation: { notaries: ['b.test'] } });
    const { universe, people } = three;
    const [alice, bob, carol] = people;
    const memberIs = (room: string, guest: Guest, membership: string) =>
      three.see(
        () => alice.call('GET', three.path(`state/m.room.member/${enc(guest.userId)}`, room)),
        ({ json }) => json.membership === membership,
        `${guest.userId} is ${membership}`,
      );
    const open = await alice.createRoom({ preset: 'public_chat', room_alias_name: 'tea', visibility: 'public' });
    assert.equal((await bob.join('#tea:a.test')).status, 200);
    // By b, as a is out of reach.
    universe.cut('a.test', 'c.test');
    assert.equal((await carol.join(open, ['a.test', 'b.test'])).status, 200);
    universe.heal('a.test', 'c.test');
    await three.agree(open);
    const listed = await bob.ok('GET', '/publicRooms?server=a.test');
    assert.deepEqual(listed.chunk.map(({ room_id }: { room_id: string }) => room_id), [open]); // biome-ignore format: short

    const closed = await alice.createRoom({
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
    });
    await alice.ok('POST', three.path('invite', closed), { user_id: bob.userId });
    await three.see(() => bob.sync(), ({ rooms }) => closed in (rooms?.invite ?? {}), 'bob is invited'); // biome-ignore format: short
    assert.equal((await bob.join(closed)).status, 200);
    assert.equal((await carol.knock(closed, ['b.test'])).status, 200);
    await memberIs(closed, carol, 'knock');
    await alice.ok('POST', three.path('invite', closed), { user_id: carol.userId });
    await three.see(() => carol.join(closed), ({ status }) => status === 200, 'carol is let in'); // biome-ignore format: short
    await three.agree(closed);

    const space = await alice.createRoom({ preset: 'public_chat', creation_content: { type: 'm.space' } });
    const inside = await alice.createRoom({
      initial_state: [
        {
          type: 'm.room.join_rules',
          state_key: '',
          content: { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: space }] },
        },
      ],
    });
    await alice.ok('PUT', three.path(`state/m.space.child/${enc(inside)}`, space), { via: ['a.test'] });
    assert.equal((await bob.join(inside, ['a.test'])).status, 403);
    assert.equal((await bob.join(space, ['a.test'])).status, 200);
    await three.see(() => bob.join(inside, ['a.test']), ({ status }) => status === 200, 'bob is let in'); // biome-ignore format: short
    const { json } = await bob.call('GET', `/rooms/${enc(space)}/hierarchy`, undefined, 'v1');
    assert.deepEqual(json.rooms.map(({ room_id }: { room_id: string }) => room_id), [space, inside]); // biome-ignore format: short
  });

  it('follow a room to its successor', async () => {
    await using three = await Three.together({ room_version: '10' });
    const [alice, bob, carol] = three.people;
    const { replacement_room: successor } = await alice.ok('POST', three.path('upgrade'), { new_version: '12' });
    for (const guest of [bob, carol]) {
      const seen = await three.see(
        () => guest.call('GET', three.path('state/m.room.tombstone/')),
        ({ status }) => status === 200,
        'the tombstone is seen',
      );
      assert.equal(seen.json.replacement_room, successor);
      assert.equal((await guest.join(successor, ['a.test'])).status, 200);
    }
    await three.agree(successor);
    await three.agree();
    const { predecessor } = await carol.ok('GET', three.path('state/m.room.create/', successor));
    assert.equal(predecessor.room_id, three.room);
  });

  it('see each other’s names, typing, presence and receipts', async () => {
    await using three = await Three.together({}, { presence: { enabled: true } });
    const { people, room } = three;
    const [alice, bob, carol] = people;
    // Of events on two sides of a fork the later one counts.
    three.universe.clock.advance(1000);
    await bob.ok('PUT', `/profile/${enc(bob.userId)}/displayname`, { displayname: 'Robert' });
    const hello = await alice.say(room, 'hello');
    await three.hear(['hello']);
    await three.agree();
    for (const guest of [alice, carol]) {
      const ask = () => guest.ok('GET', three.path(`state/m.room.member/${enc(bob.userId)}`));
      await three.see(ask, ({ displayname }) => displayname === 'Robert', 'the room has the new name');
      assert.equal((await guest.ok('GET', `/profile/${enc(bob.userId)}`)).displayname, 'Robert');
    }
    await bob.ok('PUT', three.path(`typing/${enc(bob.userId)}`), { typing: true, timeout: 600_000 });
    await bob.ok('POST', three.path(`receipt/m.read/${enc(hello)}`), {});
    await bob.ok('PUT', `/presence/${enc(bob.userId)}/status`, { presence: 'unavailable', status_msg: 'lunch' });
    const signs = [`"m.typing","content":{"user_ids":["${bob.userId}"]`, `"m.read":{"${bob.userId}"`, '"lunch"'];
    const seen = new Set<string>();
    const look = async () => {
      for (const guest of [alice, carol]) {
        const { presence, rooms } = await guest.sync();
        for (const section of [presence, rooms.join[room].ephemeral]) {
          for (const sign of signs)
            if (JSON.stringify(section ?? null).includes(sign)) seen.add(`${guest.userId} ${sign}`);
        }
      }
      return seen;
    };
    await three.see(look, ({ size }) => size === 2 * signs.length, 'both see what bob does');
  });

  it('are told of everything once by old tokens, over restarts and crashes in the middle', async () => {
    await using three = await Three.together();
    const { universe, people, room } = three;
    const tokens = await Promise.all(people.map(async (guest) => (await guest.sync()).next_batch as string));
    const said: string[] = [];
    for (let n = 0; n < 24; n++) {
      const guest = people[n % 3] as Guest;
      await guest.say(room, `${n}`);
      said.push(`${n}`);
      const name = names[(n * 7) % 3] as string;
      if (n % 8 === 3) await universe.restart(name);
      if (n % 8 === 7) await universe.crash(name);
      if (n === 10) universe.cut('a.test', 'c.test');
      if (n === 18) universe.heal('a.test', 'c.test');
    }
    await three.hear(said, false);
    for (const [index, guest] of people.entries()) {
      const { timeline } = (await guest.sync(tokens[index], '&filter={"room":{"timeline":{"limit":200}}}')).rooms.join[
        room
      ];
      const missed: { content: { body?: string } }[] = [];
      if (timeline.limited) {
        const path = three.path(`messages?dir=b&limit=500&from=${timeline.prev_batch}&to=${tokens[index]}`);
        missed.push(...(await guest.ok('GET', path)).chunk);
      }
      const bodies = [...missed, ...timeline.events].flatMap(({ content }) => content.body ?? []);
      assert.deepEqual(bodies.toSorted(), said.toSorted(), guest.userId);
    }
  });
});
