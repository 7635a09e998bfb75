import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Person } from '../support/person.ts';
import { freePort, ServerProcess } from '../support/server-process.ts';
import { ThrowAwayCa } from '../support/throw-away-ca.ts';
import { SynapseProcess } from './synapse-process.ts';

/** How long one server may take to show what happened on the other. */
const patience = 15_000;

/** A Hearth and a Synapse on loopback that trust each other's certificates, with as many people as a test needs. */
export class Pair implements AsyncDisposable {
  readonly hearth: ServerProcess;
  readonly hearthName: string;
  readonly synapse: SynapseProcess;
  readonly #people: Person[] = [];

  private constructor(hearth: ServerProcess, hearthName: string, synapse: SynapseProcess) {
    this.hearth = hearth;
    this.hearthName = hearthName;
    this.synapse = synapse;
  }

  static async start(): Promise<Pair> {
    const ca = await ThrowAwayCa.create();
    const dir = mkdtempSync(join(tmpdir(), 'hearth-'));
    const port = await freePort();
    const hearthName = `127.0.0.1:${port}`;
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
[network]
allow_ip_ranges = ["127.0.0.0/8", "::1"]
[presence]
enabled = true
`;
    const hearth = await ServerProcess.start({ dir, serverName: hearthName, toml });
    try {
      return new Pair(hearth, hearthName, await SynapseProcess.start(ca));
    } catch (error) {
      await hearth.remove();
      throw error;
    }
  }

  async onHearth(name: string): Promise<Person> {
    return this.#keep(await Person.register(this.hearth.port, name));
  }

  async onSynapse(name: string): Promise<Person> {
    return this.#keep(await Person.register(this.synapse.port, name));
  }

  /** Asks again and again until there is an answer. On failure both logs are in the error. */
  async eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const end = performance.now() + patience;
    let trouble: unknown;
    while (performance.now() < end) {
      const found = await ask().catch((error: unknown) => {
        trouble = error;
        return undefined;
      });
      if (found !== undefined) return found;
      await new Promise((done) => setTimeout(done, 100));
    }
    const logs = `Hearth:\n${tail(this.hearth.log)}\nSynapse:\n${tail(this.synapse.log)}`;
    throw new Error(`${what} does not happen\n${logs}`, { cause: trouble });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const person of this.#people) person.close();
    await this.hearth.stop();
    await this.hearth.remove();
    await this.synapse.stop();
  }

  #keep(person: Person): Person {
    this.#people.push(person);
    return person;
  }
}

function tail(log: string): string {
  return log.slice(-6000);
}
