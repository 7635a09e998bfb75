import assert from 'node:assert/strict';
import type { Externals } from '../../../src/homeserver/externals.ts';
import { Network, type RecordedCall } from '../federation/network.ts';
import { ScriptedServer } from '../federation/scripted-server.ts';
import { SeededRandom } from '../seeded-random.ts';
import { FakeClock } from '../stubs/fake-clock.ts';
import { World } from './world.ts';

/** Longest real time in which anything that only waits for the process and its disk must have happened. */
const patience = 20_000;

/** Several whole servers in this process that federate over a network which tests can cut. One clock for all. */
export class Universe implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly network = new Network();
  readonly #worlds = new Map<string, World>();
  readonly #settings: Readonly<Record<string, unknown>>;
  readonly #externals: Partial<Externals>;

  private constructor(settings: Readonly<Record<string, unknown>>, externals: Partial<Externals>) {
    this.#settings = settings;
    this.#externals = externals;
  }

  static async open(
    names: readonly string[],
    settings: Readonly<Record<string, unknown>> = {},
    externals: Partial<Externals> = {},
  ): Promise<Universe> {
    const universe = new Universe(settings, externals);
    for (const name of names) await universe.add(name);
    return universe;
  }

  /** One more server. */
  async add(name: string, settings: Readonly<Record<string, unknown>> = {}): Promise<World> {
    const world = await World.open(
      { server_name: name, ...this.#settings, ...settings },
      {
        clock: this.clock,
        random: new SeededRandom(name),
        transport: this.network.transportOf(name),
        ...this.#externals,
      },
    );
    this.#worlds.set(name, world);
    this.#connect(name, world);
    return world;
  }

  world(name: string): World {
    const world = this.#worlds.get(name);
    assert.ok(world, `there is no server ${name}`);
    return world;
  }

  /** Stops a server; it is out of reach until `start`. */
  async stop(name: string): Promise<void> {
    this.network.leave(name);
    await this.world(name).stop();
  }

  /** Starts a stopped server on the data it had. */
  async start(name: string): Promise<void> {
    await this.world(name).start();
    this.#connect(name, this.world(name));
  }

  async restart(name: string): Promise<void> {
    await this.stop(name);
    await this.start(name);
  }

  /** Ends a server without notice and starts it on what it had written by then. */
  async crash(name: string): Promise<void> {
    this.network.leave(name);
    this.network.silence(name, true);
    await this.world(name).crash();
    this.network.silence(name, false);
    await this.start(name);
  }

  /** A server that says what the test tells it to. */
  script(name: string): ScriptedServer {
    return new ScriptedServer(name, this.network, this.clock);
  }

  cut(one: string, other: string): void {
    this.network.cut(one, other);
  }

  heal(one: string, other: string): void {
    this.network.heal(one, other);
  }

  get calls(): readonly RecordedCall[] {
    return this.network.calls;
  }

  /** Lets everything run until the condition holds; the servers' clock stands still. */
  async until(condition: () => boolean | Promise<boolean>, what = 'what the test waits for'): Promise<void> {
    const end = performance.now() + patience;
    while (!(await condition())) {
      assert.ok(performance.now() < end, `${what} does not happen`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (const [name, world] of this.#worlds) {
      this.network.leave(name);
      await world[Symbol.asyncDispose]().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  #connect(name: string, world: World): void {
    this.network.join(name, (call) => world.hs.app.handle(call, new Set(['federation'])));
  }
}
