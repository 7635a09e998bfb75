import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OutboxRig, type RigRoom } from '../../support/federation/outbox-rig.ts';
import { Seeded } from '../../support/seeded.ts';

const hour = 60 * 60_000;
const servers = Array.from({ length: 24 }, (_, index) => `s${index}.test`);

interface Place {
  readonly name: string;
  readonly room: RigRoom;
  /** With the number of the first message since each came in. */
  readonly members: Map<string, number>;
  /** What was last said, unless something else was done after it. */
  newest: string | undefined;
}

/** Things happen in rooms, servers go and come back, the process stops and dies; then everything heals. */
class Chaos {
  readonly rig = OutboxRig.open();
  readonly places: Place[];
  /** What each server must hear of each room, in order. */
  readonly due = new Map<string, string[]>();
  /** Servers that did not always take everything at once. */
  readonly disturbed = new Set<string>();
  restarts = 0;
  #count = 0;
  readonly #chance: Seeded;

  constructor(seed: number) {
    this.#chance = new Seeded(seed);
    this.places = ['x', 'y', 'z', 'big'].map((name) => {
      const members = servers.filter(() => name === 'big' || this.#chance.chance(0.3));
      return {
        name,
        room: this.rig.room(name, members),
        members: new Map(members.map((server) => [server, 0])),
        newest: undefined,
      };
    });
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) await this.#step();
    for (const name of servers) this.rig.cameBack(name);
    for (let passed = 0; passed < 48; passed++) {
      await this.rig.settle();
      this.rig.store.clock.advance(hour);
    }
    await this.rig.settle();
  }

  async #step(): Promise<void> {
    const chance = this.#chance;
    const { rig } = this;
    const what = chance.below(100);
    const server = chance.pick(servers);
    if (what < 50) this.#say(chance.pick(this.places), chance.chance(0.1) ? 30 : 1 + chance.below(3));
    else if (what < 58) this.#disturb(server, chance.chance(0.5) ? 'fails' : 'silence');
    else if (what < 66) rig.cameBack(server);
    else if (what < 84) await rig.settle();
    else if (what < 92) rig.store.clock.advance(chance.pick([500, 1500, 4000, 2 * 60_000, hour]));
    else if (what < 95) this.#comeOrGo(chance.pick(this.places), server);
    else await this.#restart(chance.chance(0.5));
  }

  #say(place: Place, count: number): void {
    const { name, room, members } = place;
    const bodies = Array.from({ length: count }, () => `${name}${this.#count++}`);
    for (const server of members.keys()) this.#expect(server, bodies);
    place.newest = bodies.at(-1);
    room.say(...bodies);
  }

  #comeOrGo(place: Place, server: string): void {
    const { room, members } = place;
    if (members.delete(server)) {
      place.newest = undefined;
      room.member(`@them:${server}`, 'ban', '@us:localhost');
      for (const other of [...members.keys(), server]) this.#expect(other, ['ban']);
    } else {
      // As another server's event it is not ours to tell.
      room.member(`@them:${server}`, 'join');
      members.set(server, this.#count);
    }
  }

  #expect(server: string, bodies: readonly string[]): void {
    this.due.set(server, [...(this.due.get(server) ?? []), ...bodies]);
  }

  #disturb(server: string, answer: 'fails' | 'silence'): void {
    this.disturbed.add(server);
    this.rig.answers.set(server, answer);
  }

  async #restart(isCrash: boolean): Promise<void> {
    this.restarts++;
    if (isCrash) await this.rig.crash();
    else await this.rig.stop();
    this.rig.start();
  }
}

describe('whatever happens', () => {
  for (let seed = 1; seed <= 4; seed++) {
    it(`every server hears the newest of each of its rooms, and those that were there all, in order (${seed})`, async () => {
      const chaos = new Chaos(seed);
      await using rig = chaos.rig;
      await chaos.run(150);
      assert.equal(rig.mostToOne, 1, 'one transaction at a time');
      assert.deepEqual(rig.rows(), []);
      for (const server of servers) {
        const heard = rig.heard(server);
        const due = chaos.due.get(server) ?? [];
        const once = heard.filter((word, index) => word === 'ban' || heard.indexOf(word) === index);
        if (!chaos.disturbed.has(server) && chaos.restarts === 0) assert.deepEqual(heard, due, server);
        const messages = due.filter((word) => word !== 'ban');
        if (!chaos.disturbed.has(server))
          assert.deepEqual(
            once.filter((word) => word !== 'ban'),
            messages,
            server,
          );
        for (const { name, members, newest } of chaos.places) {
          const inRoom = (words: readonly string[]) => words.filter((word) => word.startsWith(name));
          const [expected, got] = [inRoom(due), inRoom(once)];
          const order = got.map((word) => expected.indexOf(word));
          assert.ok(!order.includes(-1), `${server} hears of ${name} only what it may`);
          assert.deepEqual(
            order,
            [...order].sort((a, b) => a - b),
            `${server} hears of ${name} in order`,
          );
          const since = members.get(server);
          // What was said before it left and came back it has with the room.
          if (since !== undefined && newest !== undefined && Number(newest.slice(name.length)) >= since) {
            assert.equal(got.at(-1), newest, `${server} hears the newest of ${name}`);
          }
        }
      }
    });
  }
});
