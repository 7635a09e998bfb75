import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../../..');

export interface ServerOptions {
  /** Where hearth.toml and the data live; a fresh folder otherwise. */
  readonly dir?: string;
  /** `hearth.test` unless given. */
  readonly serverName?: string;
  /** The same port after each restart; else a free one each time. */
  readonly port?: number;
  /** More TOML, after the keys set here. Top-level keys are not possible, tables are. */
  readonly toml?: string;
  /** Starts this executable instead of the sources; the variable `TEST_EXECUTABLE` names one for all tests. */
  readonly executable?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Words to put before the command, e.g. `taskset -c 0`. */
  readonly prefix?: readonly string[];
}

/** A Hearth in a process of its own, as a user runs it. */
export class ServerProcess {
  readonly dir: string;
  readonly port: number;
  readonly options: ServerOptions;
  #child: ChildProcess;
  #stderr = '';
  readonly #exit: Promise<number | null>;

  private constructor(dir: string, port: number, options: ServerOptions, child: ChildProcess) {
    this.dir = dir;
    this.port = port;
    this.options = options;
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-100_000);
    });
    this.#exit = new Promise((done) => child.once('exit', (code) => done(code)));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the server has no process');
    return this.#child.pid;
  }

  get dataDir(): string {
    return join(this.dir, 'data');
  }

  /** The last 100,000 characters of the log. */
  get log(): string {
    return this.#stderr;
  }

  static async start(options: ServerOptions = {}): Promise<ServerProcess> {
    const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'hearth-'));
    const port = options.port ?? (await freePort());
    const config = join(dir, 'hearth.toml');
    writeFileSync(config, toml(dir, port, options));
    const named = options.executable ?? process.env['TEST_EXECUTABLE'];
    // The server is started in another folder.
    const executable = named === undefined ? undefined : resolve(named);
    const command = executable === undefined ? fromSource() : [executable];
    const [program, ...args] = [...(options.prefix ?? []), ...command, 'serve', '--config', config];
    const child = spawn(program, args, {
      cwd: dir,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const server = new ServerProcess(dir, port, options, child);
    await server.#ready();
    return server;
  }

  /** Starts again on the same data; on a new port unless one was named. */
  restart(): Promise<ServerProcess> {
    return ServerProcess.start({ ...this.options, dir: this.dir });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.#exit;
  }

  /** Ends the process, if it still runs, and removes the folder. */
  async remove(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.stop('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    let ended = false;
    void this.#exit.then(() => {
      ended = true;
    });
    for (let attempt = 0; attempt < 600; attempt++) {
      if (ended) throw new Error(`the server ended before it was ready:\n${this.#stderr}`);
      const answer = await fetch(`${this.url}/_matrix/client/versions`).catch(() => undefined);
      if (answer?.ok === true) return void (await answer.arrayBuffer());
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`the server did not get ready:\n${this.#stderr}`);
  }
}

function fromSource(): string[] {
  return [
    process.execPath,
    '--import',
    join(root, 'build/text-imports.mjs'),
    '--disable-warning=ExperimentalWarning',
    join(root, 'src/main.ts'),
  ];
}

function toml(dir: string, port: number, { serverName = 'hearth.test', toml: more = '' }: ServerOptions): string {
  return [
    `server_name = ${JSON.stringify(serverName)}`,
    `data_dir = ${JSON.stringify(join(dir, 'data'))}`,
    '[[listen]]',
    'address = "127.0.0.1"',
    `port = ${port}`,
    'serves = ["client", "admin"]',
    more.includes('[registration]') ? '' : '[registration]\nmode = "open"',
    more.includes('[rate_limits]') ? '' : '[rate_limits]\nenabled = false',
    more,
    '',
  ].join('\n');
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer();
    probe.once('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        address !== null && typeof address === 'object' ? done(address.port) : failed(new Error('no port')),
      );
    });
  });
}
