import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { asRoomId } from '../../../src/protocol/ids/room-id.ts';
import { checkConsistency } from '../../../src/store/check.ts';
import { type Log, silentLog } from '../../../src/util/log.ts';
import { Guest } from '../../federation/joining/joining-world.ts';
import { Seeded } from '../seeded.ts';
import { Universe } from '../servers/universe.ts';
import type { World } from '../servers/world.ts';
import { compareRooms, endsOf, flagsOf, knownOf, stateOf } from './room-comparison.ts';
import { SyncTale } from './sync-tale.ts';

const servers = ['a.test', 'b.test', 'c.test'];
const minute = 60_000;
const enc = encodeURIComponent;

interface Actor extends Guest {
  readonly server: string;
}

export interface SimulationOptions {
  readonly seed: number;
  readonly steps: number;
  readonly version?: string;
  /** Whether one server deletes the room's history again and again, but for the last few events. */
  readonly forgets?: boolean;
  /** Told of every step, to find out what led to a failure. */
  readonly trace?: (text: string) => void;
}

/**
 * A dozen people on three servers do in one room whatever comes to their minds, over a network that fails in every way,
 * on servers that crash. When all is mended the three must agree on everything. What happens follows from the seed but for
 * the order in which the operating system completes what is asked of it.
 */
export class Simulation implements AsyncDisposable {
  readonly #options: SimulationOptions;
  readonly #seeded: Seeded;
  readonly #universe: Universe;
  readonly #version: string;
  readonly #people: Actor[] = [];
  readonly #running = new Set<Promise<unknown>>();
  /** Who stays in the room, one for each server that does; the first made it. */
  readonly #staying: Actor[] = [];
  readonly #tales = new Map<string, SyncTale>();
  /** Events that were answered with success. */
  readonly #sent: { readonly eventId: string; readonly server: string }[] = [];
  #room = '';
  /** At which step a server has last ended, and crashed. */
  readonly #lives = new Map<string, { readonly ended: number; readonly crashed: number | undefined }>();
  #count = 0;
  #trouble = 0;

  private constructor(universe: Universe, options: SimulationOptions) {
    this.#universe = universe;
    this.#options = options;
    this.#seeded = new Seeded(options.seed);
    this.#version = options.version ?? `${1 + this.#seeded.below(12)}`;
  }

  static async run(options: SimulationOptions): Promise<void> {
    await using universe = await Universe.open(servers, {}, { log: traced(options.trace) });
    await using simulation = new Simulation(universe, options);
    await simulation.#begin();
    for (let step = 0; step < options.steps; step++) await simulation.#step();
    await simulation.#mend();
    await simulation.#compare().catch((error: unknown) => {
      simulation.#describe();
      throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#calm();
    // Whoever still waits for an answer waits by the clock.
    while (this.#running.size > 0) {
      this.#universe.clock.advance(minute);
      await this.#turns(20);
    }
  }

  async #begin(): Promise<void> {
    const { network } = this.#universe;
    for (const server of servers) {
      for (const name of ['one', 'two', 'three', 'four']) await this.#register(server, name);
    }
    const stays = this.#seeded.chance(0.7) ? 3 : 2;
    this.#staying.push(
      ...servers.slice(0, stays).map((server) => this.#people.find((p) => p.server === server) as Actor),
    );
    const [maker, ...others] = this.#staying as [Actor, ...Actor[]];
    const users: Record<string, number> = Object.fromEntries(others.map(({ userId }) => [userId, 100]));
    if (this.#version !== '12') users[maker.userId] = 100;
    this.#room = await maker.createRoom({
      preset: 'public_chat',
      room_version: this.#version,
      power_level_content_override: { users, state_default: 25, invite: 0, kick: 25, ban: 25, redact: 25 },
    });
    this.#trace(`seed ${this.#options.seed}, version ${this.#version}, ${stays} stay, ${this.#room}`);
    for (const person of [...others, ...this.#people.filter(() => this.#seeded.chance(0.5))]) {
      const { status } = await person.join(this.#room, ['a.test']);
      assert.equal(status, 200);
    }
    for (const person of this.#staying) {
      const tale = new SyncTale(person, this.#room);
      await tale.sync();
      this.#tales.set(person.server, tale);
    }
    network.swallows = () => this.#trouble > 0 && this.#seeded.chance(this.#trouble);
    network.turns = () => 1 + this.#seeded.below(6);
    network.doubles = ({ uri }) => uri.includes('/send/') && this.#seeded.chance(0.15);
  }

  async #register(server: string, name: string): Promise<void> {
    const guest = await Guest.register(this.#universe.world(server), name);
    this.#people.push(Object.assign(guest, { server }));
  }

  /** Deletes history where the room was made. */
  #forget(): void {
    const { hs, name } = this.#universe.world('a.test');
    const { interning, roomState, timeline, thinningJobs } = hs.stores;
    const { thinning } = hs.services.rooms;
    const room = interning.findRoom(asRoomId(this.#room));
    if (room === undefined || roomState.info(room) === undefined) return;
    const upTo = timeline.newest(room, 3).events.at(-1);
    if (upTo === undefined || !thinning.begin(room, upTo)) return;
    while (thinningJobs.find(room) !== undefined) thinning.slice();
    assert.deepEqual(checkConsistency(hs.db, name), []);
  }

  async #step(): Promise<void> {
    if (this.#options.forgets === true && this.#seeded.chance(0.3)) this.#forget();
    const { clock } = this.#universe;
    if (this.#seeded.chance(0.15)) await this.#happen();
    else this.#act();
    if (this.#seeded.chance(0.5)) await this.#turns(1 + this.#seeded.below(8));
    if (this.#seeded.chance(0.2)) clock.advance(this.#seeded.pick([100, 2000, minute, 10 * minute]));
    if (this.#seeded.chance(0.15)) this.#go(() => this.#sync(this.#seeded.pick(this.#staying)));
  }

  async #sync({ server }: Actor): Promise<void> {
    const life = this.#lives.get(server);
    try {
      await this.#tales.get(server)?.sync(() => life === this.#lives.get(server));
    } catch (error) {
      if (life === this.#lives.get(server)) throw error;
    }
  }

  /** Something befalls the network or a server. */
  async #happen(): Promise<void> {
    const server = this.#seeded.pick(servers);
    const other = this.#seeded.pick(servers.filter((name) => name !== server));
    const what = this.#seeded.pick(['cut', 'cut', 'heal', 'heal', 'loss', 'calm', 'restart', 'crash', 'time'] as const);
    this.#trace(`${what} ${server} ${other}`);
    if (what === 'restart' || what === 'crash') {
      const crashed = what === 'crash' ? this.#count : this.#lives.get(server)?.crashed;
      this.#lives.set(server, { ended: this.#count, crashed });
    }
    if (what === 'cut') this.#universe.cut(server, other);
    else if (what === 'heal') this.#universe.heal(server, other);
    else if (what === 'loss') this.#trouble = 0.3;
    else if (what === 'calm') this.#trouble = 0;
    else if (what === 'restart') await this.#universe.restart(server);
    else if (what === 'crash') await this.#universe.crash(server);
    else this.#universe.clock.advance(this.#seeded.pick([minute, 60 * minute]));
  }

  #act(): void {
    const room = `/rooms/${enc(this.#room)}`;
    const person = this.#seeded.pick(this.#people);
    const target = this.#seeded.pick(this.#people);
    const mayGo = !this.#staying.includes(person);
    const isSafe = this.#staying.includes(target);
    const via = servers.filter((name) => name !== person.server);
    const put = (path: string, content: unknown) => this.#send(person, 'PUT', `${room}/${path}`, content);
    const post = (what: string) => this.#send(person, 'POST', `${room}/${what}`, { user_id: target.userId });
    const n = this.#count++;
    const acts: [number, () => void][] = [
      [8, () => put(`send/m.room.message/t${n}`, { msgtype: 'm.text', body: `${n}` })],
      [3, () => put(`state/m.room.${this.#seeded.pick(['topic', 'name'])}/`, { topic: `${n}`, name: `${n}` })],
      [3, () => put(`state/org.test.sim/${this.#seeded.below(3)}`, { n })],
      [1, () => put('state/m.room.join_rules/', { join_rule: this.#seeded.pick(['public', 'public', 'invite']) })],
      [2, () => this.#go(() => this.#setLevel(person, target))],
      [4, () => this.#go(() => person.join(this.#room, this.#seeded.shuffle(via)))],
      [1, () => mayGo && this.#go(() => person.leave(this.#room))],
      [2, () => !isSafe && post('kick')],
      [2, () => !isSafe && post('ban')],
      [2, () => post('unban')],
      [1, () => post('invite')],
      [1, () => this.#redact(person, n)],
    ];
    let at = this.#seeded.below(acts.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, act] of acts) {
      if ((at -= weight) >= 0) continue;
      act();
      return;
    }
  }

  #redact(person: Actor, n: number): void {
    if (this.#sent.length === 0) return;
    const { eventId } = this.#seeded.pick(this.#sent.slice(-20));
    this.#send(person, 'PUT', `/rooms/${enc(this.#room)}/redact/${enc(eventId)}/r${n}`, {});
  }

  async #setLevel(person: Actor, target: Actor): Promise<void> {
    if (this.#staying.includes(target)) return;
    const path = `/rooms/${enc(this.#room)}/state/m.room.power_levels/`;
    const { status, json } = await person.call('GET', path);
    if (status !== 200) return;
    const users = { ...json.users, [target.userId]: this.#seeded.pick([0, 25, 25, 50, 100]) };
    await this.#request(person, 'PUT', path, { ...json, users });
  }

  #send(person: Actor, method: string, path: string, content: unknown): void {
    this.#go(() => this.#request(person, method, path, content));
  }

  async #request(person: Actor, method: string, path: string, content: unknown): Promise<void> {
    const life = this.#lives.get(person.server);
    const { status, json } = await person.call(method, path, content);
    // What a server says after its crash nobody hears.
    if (life?.crashed !== this.#lives.get(person.server)?.crashed) return;
    if (status === 200 && json.event_id) this.#sent.push({ eventId: json.event_id, server: person.server });
    this.#trace(`${person.userId} ${method} ${path.slice(path.lastIndexOf('/', path.length - 8))} ${JSON.stringify(content).slice(0, 150)}: ${status} ${JSON.stringify(json).slice(0, 80)}`); // biome-ignore format: one
    // A real server ends when its requests have.
    if (life === this.#lives.get(person.server)) assert.notEqual(status, 500, JSON.stringify(json));
  }

  /** Does it beside what comes next. A server that is ended meanwhile does not answer. */
  #go(work: () => Promise<unknown>): void {
    const running = work().catch((error: unknown) => {
      if (!String(error).includes('the server is running')) this.#failure ??= error;
    });
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  #failure: unknown;

  async #turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  }

  #calm(): void {
    const { network } = this.#universe;
    this.#trouble = 0;
    network.turns = undefined;
    network.doubles = undefined;
    for (const one of servers) for (const other of servers) if (one < other) this.#universe.heal(one, other);
  }

  /** All is well again, and everybody who is in the room says something until all have heard the same. */
  async #mend(): Promise<void> {
    this.#trace('mend');
    this.#calm();
    const { clock } = this.#universe;
    while (this.#running.size > 0) {
      clock.advance(minute);
      await this.#turns(20);
    }
    assert.equal(this.#failure, undefined);
    for (let round = 0; round < 60; round++) {
      for (const person of this.#staying) {
        await this.#request(person, 'PUT', `/rooms/${enc(this.#room)}/send/m.room.message/end${round}`, { body: `end${round}` }); // biome-ignore format: one
        await this.#turns(10);
      }
      clock.advance(10 * minute);
      await this.#turns(40);
      if (this.#isSame()) return;
    }
    this.#describe();
    assert.fail('the servers do not come to the same state and the same ends of the room');
  }

  #isSame(): boolean {
    const seen = this.#staying.map(({ server }) => {
      const world = this.#universe.world(server);
      return JSON.stringify([stateOf(world, this.#room), endsOf(world, this.#room)]);
    });
    return seen.every((one) => one === seen[0]);
  }

  /** What the servers do not agree on. */
  #describe(): void {
    const worlds = this.#staying.map(({ server }) => this.#universe.world(server));
    const states = worlds.map((world) => stateOf(world, this.#room));
    for (const key of new Set(states.flatMap((state) => Object.keys(state)))) {
      const ids = states.map((state) => state[key]);
      if (ids.some((id) => id !== ids[0])) this.#trace(`${key}: ${ids.join(' ')}`);
    }
    for (const world of worlds) this.#trace(`${world.name} ends in ${endsOf(world, this.#room).join(' ')}`);
    for (const eventId of new Set(worlds.flatMap((world) => knownOf(world, this.#room)))) {
      const flags = worlds.map((world) => flagsOf(world, eventId));
      if (flags.some((one) => one !== flags[0])) this.#trace(`${eventId}: ${flags.join(' ')}`);
    }
  }

  async #compare(): Promise<void> {
    const worlds = this.#staying.map(({ server }) => this.#universe.world(server));
    if (this.#options.forgets === true) {
      for (const world of worlds) assert.deepEqual(stateOf(world, this.#room), stateOf(worlds[1] as World, this.#room));
      const shown = await walk(this.#staying[0] as Actor, this.#room);
      assert.equal(new Set(shown).size, shown.length, 'nothing is there twice');
      return;
    }
    for (const person of this.#staying) await this.#tales.get(person.server)?.sync();
    const shown = await Promise.all(this.#staying.map((person) => walk(person, this.#room)));
    compareRooms(worlds, asRoomId(this.#room), shown, this.#sent.filter(({ server }) => this.#staying.some((p) => p.server === server)).map(({ eventId }) => eventId)); // biome-ignore format: one
    for (const [index, person] of this.#staying.entries()) {
      const tale = this.#tales.get(person.server) as SyncTale;
      await tale.fillGaps();
      tale.check(shown[index] as readonly string[], stateOf(worlds[index] as (typeof worlds)[0], this.#room));
    }
  }

  #trace(text: string): void {
    this.#options.trace?.(text);
  }
}

/** Errors as part of the trace. */
function traced(trace: SimulationOptions['trace']): Log {
  const log: Log = {
    ...silentLog,
    error: (event, fields) => trace?.(`${event} ${inspect(fields)}`),
    child: () => log,
  };
  return log;
}

/** All that paging from the newest on leads to, oldest first. */
async function walk(person: Guest, room: string): Promise<string[]> {
  const ids: string[] = [];
  let from = '';
  for (let page = 0; page < 1000; page++) {
    const { chunk, end } = await person.ok('GET', `/rooms/${enc(room)}/messages?dir=b&limit=50${from}`);
    ids.push(...chunk.map(({ event_id }: { event_id: string }) => event_id));
    if (end === undefined) return ids.toReversed();
    from = `&from=${end}`;
  }
  return assert.fail('the walk does not end');
}
