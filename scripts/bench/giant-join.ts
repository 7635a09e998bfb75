import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Person } from '../../test/support/clients/person.ts';
import { type GiantOddity, giantRoom, readGiant } from '../../test/support/giant/giant-room.ts';
import { freePort, type ServerProcess } from '../../test/support/servers/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { startBeside, startGiant } from './giant-process.ts';
import { usageOf } from './process-tree.ts';
import { readSlowly } from './slow-reader.ts';

export interface GiantJoinOptions {
  readonly members: number;
  readonly servers: number;
  readonly version: string;
  readonly odd?: GiantOddity;
  /** Whether the room's server understands `omit_members`. */
  readonly canOmitMembers: boolean;
  /** Whether turns are measured, by a program within the server: that takes some megabytes of its memory. */
  readonly meter?: boolean;
  readonly executable?: string;
  readonly prefix: readonly string[];
  /** Sees the data folder in the end. */
  readonly look?: (dataDir: string) => void;
}

export interface GiantJoinFigures {
  /** Seconds from the join to its answer, and until all members are there. */
  readonly answered: number;
  readonly complete: number;
  readonly cpuSeconds: number;
  readonly peakRssMib: number;
  readonly peakAnonymousMib: number;
  readonly settledRssMib: number;
  readonly settledAnonymousMib: number;
  /** Bytes that the data folder has grown by, for each member. */
  readonly bytesPerMember: number;
  /** Of a message between two others while the join goes on, milliseconds. */
  readonly sendToSeenP95: number;
  /** The main thread's turns while the join went on, milliseconds, if they were measured. */
  readonly turns: TurnFigures | undefined;
  /** The room's whole state in one answer to a client that reads slowly, all members in it: its bytes, and what RSS grew by. */
  readonly fullSync: { readonly bytes: number; readonly members: number; readonly addedMib: number };
}

export interface TurnFigures {
  /** CPU time of the longest one, without garbage collection; the longest of the clock; garbage collected in one. */
  readonly cpu: number;
  readonly wall: number;
  readonly gc: number;
  /** How many had so much CPU time, without garbage collection. */
  readonly over20: number;
  readonly over50: number;
  /** The longest ones: seconds since the start of the join, then milliseconds. */
  readonly longest: readonly Turn[];
}

/** What `turn-meter.mjs` writes down. */
interface Turn {
  readonly at: number;
  readonly cpu: number;
  readonly wall: number;
  readonly gc: number;
}

const longest = 10 * 60_000;

/** One user joins a room with very many members on a server of its own; two others talk meanwhile. */
export async function giantJoin(options: GiantJoinOptions): Promise<GiantJoinFigures> {
  const folder = giantRoom(options);
  const about = readGiant(folder);
  const ca = await ThrowAwayCa.create();
  const port = await freePort();
  const issued = await ca.issue('giant.test', '*.giant.test');
  const giant = await startGiant({ folder, port, ...issued, canOmitMembers: options.canOmitMembers });
  const notes = mkdtempSync(join(tmpdir(), 'turns-'));
  const file = join(notes, 'turns.json');
  const meter = { NODE_OPTIONS: `--require ${resolve(import.meta.dirname, 'turn-meter.mjs')}`, TURN_METER_FILE: file };
  const env = options.meter === true ? meter : {};
  const server = await startBeside({ ...options, port, trusted: ca.cert, env });
  try {
    const alice = await Person.register(server.port, 'alice');
    const talk = await Talk.begin(server);
    const before = { size: folderSize(server.dataDir), cpu: usageOf(server.pid).cpuSeconds };
    const watch = new Watch(server.pid);
    const start = performance.now();
    const from = Date.now();
    await alice.call('POST', `/_matrix/client/v3/join/${encodeURIComponent(about.roomId)}?via=giant.test`, {});
    const answered = (performance.now() - start) / 1000;
    await allMembers(alice, about.roomId, about.members + 1);
    const complete = (performance.now() - start) / 1000;
    const upTo = Date.now();
    const sendToSeenP95 = await talk.end();
    const { rssMib: peakRssMib, anonymousMib: peakAnonymousMib } = watch.end();
    const cpuSeconds = usageOf(server.pid).cpuSeconds - before.cpu;
    await pause(15_000);
    const settled = usageOf(server.pid);
    const reading = new Watch(server.pid);
    const read = await readSlowly(server.port, alice.token, `/_matrix/client/v3/sync?filter=${everything}`);
    const fullSync = { ...read, addedMib: reading.end().rssMib - settled.rssMib };
    alice.close();
    await server.stop();
    options.look?.(server.dataDir);
    return {
      answered,
      complete,
      cpuSeconds,
      peakRssMib,
      peakAnonymousMib,
      settledRssMib: settled.rssMib,
      settledAnonymousMib: settled.anonymousMib,
      bytesPerMember: (folderSize(server.dataDir) - before.size) / about.members,
      sendToSeenP95,
      turns: options.meter === true ? turnsIn(file, from, upTo) : undefined,
      fullSync,
    };
  } finally {
    rmSync(notes, { recursive: true, force: true });
    giant.kill();
    await server.remove();
  }
}

const everything = encodeURIComponent(JSON.stringify({ room: { state: { lazy_load_members: false } } }));

function turnsIn(file: string, from: number, upTo: number): TurnFigures {
  const all = JSON.parse(readFileSync(file, 'utf8')) as Turn[];
  const turns = all.filter(({ at }) => at >= from && at <= upTo);
  const most = (value: (turn: Turn) => number) => turns.reduce((so, turn) => Math.max(so, value(turn)), 0);
  const work = ({ cpu, gc }: Turn) => Math.max(0, cpu - gc);
  return {
    cpu: most(work),
    wall: most(({ wall }) => wall),
    gc: most(({ gc }) => gc),
    over20: turns.filter((turn) => work(turn) > 20).length,
    over50: turns.filter((turn) => work(turn) > 50).length,
    longest: turns
      .toSorted((a, b) => work(b) - work(a))
      .slice(0, 12)
      .map((turn) => ({ ...turn, at: (turn.at - from) / 1000 })),
  };
}

/** Asks until the room has so many joined members. */
async function allMembers(person: Person, room: string, wanted: number): Promise<void> {
  const end = performance.now() + longest;
  while (performance.now() < end) {
    if ((await person.memberCount(room)) === wanted) return;
    await pause(200);
  }
  throw new Error(`the room does not get its ${wanted} members`);
}

/** Two people who talk all the while. */
class Talk {
  readonly #latencies: number[] = [];
  #stopped = false;
  #done: Promise<void> = Promise.resolve();

  static async begin(server: ServerProcess): Promise<Talk> {
    const talk = new Talk();
    const bob = await Person.register(server.port, 'bob');
    const carol = await Person.register(server.port, 'carol');
    const room = await bob.createRoom({ preset: 'public_chat' });
    await carol.join(room);
    talk.#done = talk.#run(bob, carol, room);
    return talk;
  }

  async end(): Promise<number> {
    this.#stopped = true;
    await this.#done;
    const sorted = this.#latencies.sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN;
  }

  async #run(bob: Person, carol: Person, room: string): Promise<void> {
    let since = (JSON.parse((await carol.sync('timeout=0')).body) as { next_batch: string }).next_batch;
    while (!this.#stopped) {
      const start = performance.now();
      const seen = carol.sync(`timeout=30000&since=${since}`);
      await bob.say(room, 'Do you notice anything?');
      since = (JSON.parse((await seen).body) as { next_batch: string }).next_batch;
      this.#latencies.push(performance.now() - start);
      await pause(50);
    }
    bob.close();
    carol.close();
  }
}

/** Looks at the process tree ten times a second. */
class Watch {
  readonly #timer: NodeJS.Timeout;
  readonly #peak = { rssMib: 0, anonymousMib: 0 };

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      const { rssMib, anonymousMib } = usageOf(pid);
      this.#peak.rssMib = Math.max(this.#peak.rssMib, rssMib);
      this.#peak.anonymousMib = Math.max(this.#peak.anonymousMib, anonymousMib);
    }, 100);
  }

  end(): { readonly rssMib: number; readonly anonymousMib: number } {
    clearInterval(this.#timer);
    return this.#peak;
  }
}

function folderSize(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
