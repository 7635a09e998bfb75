import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hearth } from '../cli/command.ts';
import { Person } from '../support/clients/person.ts';
import { freePort, ServerProcess } from '../support/servers/server-process.ts';
import { ThrowAwayCa } from '../support/throw-away-ca.ts';
import { Line } from './line.ts';
import { SynapseProcess } from './synapse-process.ts';

/** How long one server may take to show what happened on the other. */
const patience = 15_000;

export type Side = 'Hearth' | 'Synapse';

/** Each side as the one that acts, with the other one. */
export const bothWays: readonly (readonly [Side, Side])[] = [
  ['Hearth', 'Synapse'],
  ['Synapse', 'Hearth'],
];

interface Lines {
  /** By which clients reach Hearth, also after it was started again on another port. */
  readonly clients: Line;
  /** By which other servers reach each: the server's name is the line's end. */
  readonly Hearth: Line;
  readonly Synapse: Line;
}

/** A Hearth and a Synapse on loopback that trust each other's certificates, with as many people as a test needs. */
export class Pair implements AsyncDisposable {
  readonly names: Readonly<Record<Side, string>>;
  readonly synapse: SynapseProcess;
  readonly #lines: Lines;
  readonly #people: Person[] = [];
  #hearth: ServerProcess;

  private constructor(hearth: ServerProcess, synapse: SynapseProcess, lines: Lines) {
    this.names = { Hearth: lines.Hearth.name, Synapse: lines.Synapse.name };
    this.#hearth = hearth;
    this.synapse = synapse;
    this.#lines = lines;
  }

  static async start(): Promise<Pair> {
    const ca = await ThrowAwayCa.create();
    const ports = { Hearth: await freePort(), Synapse: await freePort() };
    // Two addresses, for server ACLs look at nothing else.
    const lines = { Hearth: await Line.open(ports.Hearth), Synapse: await Line.open(ports.Synapse, '127.0.0.2') };
    const hearth = await startHearth(ca, lines.Hearth.name, ports.Hearth);
    try {
      const synapse = await SynapseProcess.start(ca, lines.Synapse.name, ports.Synapse);
      return new Pair(hearth, synapse, { ...lines, clients: await Line.open(hearth.port) });
    } catch (error) {
      await hearth.remove();
      for (const line of Object.values(lines)) line.close();
      throw error;
    }
  }

  get hearth(): ServerProcess {
    return this.#hearth;
  }

  /** Where clients of a server find it; stays the same over restarts. */
  url(side: Side): string {
    return `http://127.0.0.1:${this.#port(side)}`;
  }

  async register(side: Side, name: string): Promise<Person> {
    return this.#keep(await Person.register(this.#port(side), name));
  }

  /** One more device of somebody who is registered there. */
  async login(side: Side, name: string): Promise<Person> {
    return this.#keep(await Person.login(this.#port(side), name));
  }

  /** Neither server reaches the other. */
  cut(): void {
    this.#lines.Hearth.cut();
    this.#lines.Synapse.cut();
  }

  heal(): void {
    this.#lines.Hearth.heal();
    this.#lines.Synapse.heal();
  }

  /** Ends a server, lets `meanwhile` happen and starts the server again on its data. */
  async without(side: Side, meanwhile: () => Promise<void> | void, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (side === 'Synapse') {
      await this.synapse.stop(signal);
      await meanwhile();
      await this.synapse.start();
      return;
    }
    await this.#hearth.stop(signal);
    await meanwhile();
    this.#hearth = await this.#hearth.restart();
    this.#lines.clients.lead(this.#hearth.port);
  }

  /** The server's process is stopped: its connections stay, it answers nothing. */
  freeze(side: Side): void {
    process.kill(this.#pid(side), 'SIGSTOP');
  }

  thaw(side: Side): void {
    process.kill(this.#pid(side), 'SIGCONT');
  }

  /** Gives Hearth a new key to sign with, as an operator does it. */
  async rotateKey(): Promise<void> {
    const { code, stderr } = await hearth('key rotate', { folder: this.#hearth.dir });
    if (code !== 0) throw new Error(stderr);
  }

  /** Asks again and again until there is an answer. On failure both logs are in the error. */
  async eventually<T>(what: string, ask: () => Promise<T | undefined>, wait = patience): Promise<T> {
    const end = performance.now() + wait;
    let trouble: unknown;
    while (performance.now() < end) {
      const found = await ask().catch((error: unknown) => {
        trouble = error;
        return undefined;
      });
      if (found !== undefined) return found;
      await new Promise((done) => setTimeout(done, 50));
    }
    const logs = `Hearth:\n${tail(this.#hearth.log)}\nSynapse:\n${tail(this.synapse.log)}`;
    throw new Error(`${what} does not happen\n${logs}`, { cause: trouble });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const person of this.#people) person.close();
    await this.#hearth.stop();
    await this.#hearth.remove();
    await this.synapse.remove();
    for (const line of Object.values(this.#lines)) line.close();
  }

  #pid(side: Side): number {
    return side === 'Hearth' ? this.#hearth.pid : this.synapse.pid;
  }

  #keep(person: Person): Person {
    this.#people.push(person);
    return person;
  }

  #port(side: Side): number {
    return side === 'Hearth' ? this.#lines.clients.port : this.synapse.port;
  }
}

async function startHearth(ca: ThrowAwayCa, serverName: string, port: number): Promise<ServerProcess> {
  const dir = mkdtempSync(join(tmpdir(), 'hearth-'));
  const { cert, key } = await ca.issue('127.0.0.1');
  const files = { ca: join(dir, 'ca.pem'), cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') };
  writeFileSync(files.ca, ca.cert);
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key);
  const toml = `[[listen]]
address = "127.0.0.1"
port = ${port}
tls = "files"
tls_cert = ${JSON.stringify(files.cert)}
tls_key = ${JSON.stringify(files.key)}
serves = ["federation"]
[federation]
custom_ca_files = [${JSON.stringify(files.ca)}]
retry_min = "1s"
retry_max = "2s"
[network]
allow_ip_ranges = ["127.0.0.0/8", "::1"]
[presence]
enabled = true
`;
  return ServerProcess.start({ dir, serverName, toml });
}

function tail(log: string): string {
  return log.slice(-6000);
}
