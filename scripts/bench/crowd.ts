import type { ChildProcess } from 'node:child_process';
import { Person } from '../../test/support/clients/person.ts';
import { giantRoom, readGiant } from '../../test/support/giant/giant-room.ts';
import { freePort, type ServerProcess } from '../../test/support/servers/server-process.ts';
import { ThrowAwayCa } from '../../test/support/throw-away-ca.ts';
import { questions, startBeside, startGiant } from './giant-process.ts';
import { openFiles, usageOf } from './process-tree.ts';

export interface CrowdOptions {
  /** Of the room that is joined, on other servers. */
  readonly members: number;
  readonly servers: number;
  /** Said in each part. */
  readonly messages: number;
  readonly executable?: string;
  readonly prefix: readonly string[];
}

/** What a part of it took. */
export interface CrowdFigures {
  readonly what: string;
  /** Messages times servers that have heard of them; none is missing. */
  readonly deliveries: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakRssMib: number;
  /** Files and sockets that the process had open, and connections that the others had, at most. */
  readonly peakFiles: number;
  readonly peakConnections: number;
}

const longest = 5 * 60_000;

/**
 * One user talks in a room of thousands of servers: while all of them answer, while half of them never do, and while the
 * process is killed and started again.
 */
export async function* crowd(options: CrowdOptions): AsyncGenerator<CrowdFigures> {
  const { members, servers, messages } = options;
  const folder = giantRoom({ members, servers, version: '11' });
  const { roomId } = readGiant(folder);
  const ca = await ThrowAwayCa.create();
  const port = await freePort();
  const issued = await ca.issue('giant.test', '*.giant.test');
  const giant = await startGiant({ folder, port, ...issued, canOmitMembers: true });
  const toml = `[limits.room]\nmax_servers = ${servers * 2}\nmax_members = ${members * 2}\n`;
  const first = await startBeside({ ...options, port, trusted: ca.cert, toml });
  const talk = new Talk({ giant, server: first, alice: await Person.register(first.port, 'alice'), roomId });
  try {
    await talk.enter(members + 1);
    yield await talk.part('all answer', messages, servers);
    const answering = Math.ceil(servers / 2);
    await talk.silence(answering);
    yield await talk.part('half of them have just fallen silent', messages, answering);
    yield await talk.part('half of them are known to be silent', messages, answering);
    yield await talk.part('the process is killed meanwhile', messages, answering, { isKilled: true });
  } finally {
    giant.kill();
    await talk.end();
  }
}

interface TalkUses {
  readonly giant: ChildProcess;
  readonly server: ServerProcess;
  readonly alice: Person;
  readonly roomId: string;
}

class Talk {
  readonly #roomId: string;
  readonly #asked: ReturnType<typeof questions>;
  #server: ServerProcess;
  #alice: Person;
  #nr = 0;

  constructor({ giant, server, alice, roomId }: TalkUses) {
    this.#asked = questions(giant);
    this.#server = server;
    this.#alice = alice;
    this.#roomId = roomId;
  }

  async enter(wanted: number): Promise<void> {
    await this.#alice.call('POST', `/_matrix/client/v3/join/${encodeURIComponent(this.#roomId)}?via=giant.test`, {});
    const end = performance.now() + longest;
    while ((await this.#alice.memberCount(this.#roomId)) !== wanted) {
      if (performance.now() > end) throw new Error('the room does not get its members');
      await pause(200);
    }
    // All hear of the newcomer's devices, and of what else there is to tell.
    for (let last = -1; ; ) {
      const { send = 0 } = await this.#asked();
      if (send === last) return;
      last = send;
      await pause(3000);
    }
  }

  async silence(from: number): Promise<void> {
    await this.#asked(from);
  }

  async part(
    what: string,
    messages: number,
    servers: number,
    { isKilled = false }: { readonly isKilled?: boolean } = {},
  ): Promise<CrowdFigures> {
    const before = (await this.#asked())['deliveries'] ?? 0;
    let cpuSeconds = -this.#cpu();
    const watch = new Watch(() => this.#server.pid);
    const start = performance.now();
    for (let nr = 0; nr < messages; nr++) await this.#alice.say(this.#roomId, `This is message ${this.#nr++}.`);
    const wanted = messages * servers;
    const heard = async () => ((await this.#asked())['deliveries'] ?? 0) - before;
    if (isKilled) {
      await this.#until(heard, wanted / 2);
      cpuSeconds += this.#cpu();
      await this.#restart();
      cpuSeconds -= this.#cpu();
    }
    const deliveries = await this.#until(heard, wanted);
    const seconds = (performance.now() - start) / 1000;
    cpuSeconds += this.#cpu();
    const { 'most connections': peakConnections = 0 } = await this.#asked();
    return { what, deliveries, seconds, cpuSeconds, ...watch.end(), peakConnections };
  }

  async end(): Promise<void> {
    this.#alice.close();
    await this.#server.remove();
  }

  async #until(ask: () => Promise<number>, wanted: number): Promise<number> {
    const end = performance.now() + longest;
    while (true) {
      const now = await ask();
      if (now >= wanted) return now;
      if (performance.now() > end) throw new Error(`${wanted - now} of ${wanted} deliveries are missing`);
      await pause(50);
    }
  }

  async #restart(): Promise<void> {
    await this.#server.stop('SIGKILL');
    this.#server = await this.#server.restart();
    this.#alice.close();
    this.#alice = this.#alice.at(this.#server.port);
  }

  #cpu(): number {
    return usageOf(this.#server.pid).cpuSeconds;
  }
}

/** Looks at the process many times a second. */
class Watch {
  readonly #timer: NodeJS.Timeout;
  #peakRssMib = 0;
  #peakFiles = 0;

  constructor(pid: () => number) {
    this.#timer = setInterval(() => {
      this.#peakRssMib = Math.max(this.#peakRssMib, usageOf(pid()).rssMib);
      this.#peakFiles = Math.max(this.#peakFiles, openFiles(pid()));
    }, 100);
  }

  end(): { readonly peakRssMib: number; readonly peakFiles: number } {
    clearInterval(this.#timer);
    return { peakRssMib: this.#peakRssMib, peakFiles: this.#peakFiles };
  }
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
