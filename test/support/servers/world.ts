import assert from 'node:assert/strict';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { Externals } from '../../../src/homeserver/externals.ts';
import { createHomeserver, type Homeserver } from '../../../src/homeserver.ts';
import type { ServerName } from '../../../src/protocol/ids/types.ts';
import { checkConsistency } from '../../../src/store/check.ts';
import { type Injected, type InjectOptions, inject } from '../clients/inject.ts';
import { SeededRandom } from '../seeded-random.ts';
import { type TempFolder, tempFolder } from '../store.ts';
import { FakeClock } from '../stubs/fake-clock.ts';
import { nobodyTransport } from '../stubs/nobody.ts';
import { cheapPasswords } from './account-server.ts';

/** Databases with their logs; the index of a log is made anew when it is opened. */
const leftBehind = /\.db(-wal|\.json)?$/;

/** The whole server in this process, without ports, on a clock moved by hand. Consistent when it is done, or it throws. */
export class World implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly #config: Config;
  readonly #externals: Partial<Externals>;
  readonly #folder: TempFolder;
  #hs: Homeserver | undefined;

  private constructor(config: Config, clock: FakeClock, externals: Partial<Externals>, folder: TempFolder) {
    this.clock = clock;
    this.#config = config;
    this.#externals = externals;
    this.#folder = folder;
  }

  /** `settings`: more of the configuration, in TOML form. `externals`: another outside world than the usual. */
  static async open(
    settings: Readonly<Record<string, unknown>> = {},
    externals: Partial<Externals> = {},
  ): Promise<World> {
    const folder = tempFolder();
    const loaded = loadConfig({
      env: {},
      readFile: () => '',
      folder: folder.path,
      board: { memoryMb: 512, cores: 4 },
      fallback: {
        server_name: 'localhost',
        data_dir: folder.path,
        registration: { mode: 'open' },
        // Everybody in a test comes from one address, and in no time.
        rate_limits: { enabled: false },
        ...settings,
      },
    });
    assert.ok(loaded.ok, 'the settings are valid');
    const clock = externals.clock instanceof FakeClock ? externals.clock : new FakeClock();
    const random = new SeededRandom();
    const all = { random, passwordCost: cheapPasswords, transport: nobodyTransport, ...externals, clock };
    const world = new World(loaded.config, clock, all, folder);
    await world.start();
    return world;
  }

  get hs(): Homeserver {
    assert.ok(this.#hs, 'the server is running');
    return this.#hs;
  }

  /** Where its data are. */
  get folder(): string {
    return this.#folder.path;
  }

  get name(): ServerName {
    return this.#config.serverName;
  }

  get dataDir(): string {
    return this.#config.dataDir;
  }

  /** Opens the data folder, after `stop` again. */
  async start(): Promise<void> {
    this.#hs = await createHomeserver(this.#config, this.#externals);
  }

  /** Ends the server; the data folder stays, and is consistent. */
  async stop(): Promise<void> {
    const { hs } = this;
    this.#hs = undefined;
    const problems = checkConsistency(hs.db, this.name);
    await hs[Symbol.asyncDispose]();
    assert.deepEqual(problems, []);
  }

  /** Ends the server as a crash does: what it has not written when this is called is lost. The data folder stays. */
  async crash(): Promise<void> {
    const { hs } = this;
    this.#hs = undefined;
    // The log last: it holds whatever a checkpoint has not yet brought into the file.
    using then = tempFolder();
    const files = readdirSync(this.dataDir, { recursive: true, encoding: 'utf8' });
    for (const file of files.toSorted((a, b) => Number(a.endsWith('-wal')) - Number(b.endsWith('-wal')))) {
      if (leftBehind.test(file)) cpSync(join(this.dataDir, file), join(then.path, file));
    }
    await hs[Symbol.asyncDispose]();
    for (const file of files) if (leftBehind.test(file)) rmSync(join(this.dataDir, file), { force: true });
    cpSync(then.path, this.dataDir, { recursive: true });
  }

  call(method: string, path: string, options: Omit<InjectOptions, 'method' | 'path'> = {}): Promise<Injected> {
    return inject(this.hs.app, { ...options, method, path });
  }

  /** The answer's JSON; anything but 200 fails the test. */
  async ok(method: string, path: string, token: string, body?: unknown): Promise<Injected['json']> {
    const answer = await this.call(method, path, { token, body });
    assert.equal(answer.status, 200, `${method} ${path} answered ${answer.status}: ${answer.text}`);
    return answer.json;
  }

  /** Makes an account and answers its access token. */
  async register(username: string): Promise<string> {
    const body = { username, password: `password of ${username}`, auth: { type: 'm.login.dummy' } };
    const answer = await this.call('POST', '/_matrix/client/v3/register', { body });
    assert.equal(answer.status, 200, answer.text);
    return answer.json.access_token as string;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#hs !== undefined) await this.stop();
    } finally {
      this.#folder[Symbol.dispose]();
    }
  }
}
