import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { giantServer } from '../../test/support/giant/giant-room.ts';
import type { GiantServerOptions } from '../../test/support/giant/giant-server.ts';
import { ServerProcess } from '../../test/support/servers/server-process.ts';

/** All servers of a giant room, in one process of their own. */
export function startGiant(options: GiantServerOptions): Promise<ChildProcess> {
  const program = resolve(import.meta.dirname, '../../test/support/giant/giant-main.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  return new Promise((done, failed) => {
    child.stdout.once('data', () => done(child));
    child.once('exit', (code) => failed(new Error(`the giant ended with ${code}`)));
  });
}

export interface BesideOptions {
  /** How many servers the giant has, and where they all are. */
  readonly servers: number;
  readonly port: number;
  /** The authority behind their certificate, PEM. */
  readonly trusted: string;
  readonly executable?: string;
  readonly prefix: readonly string[];
  /** Whether the giant's first server vouches for the keys of the others; it does unless told otherwise. */
  readonly hasNotary?: boolean;
  /** More TOML. */
  readonly toml?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Beside the configuration, which names them. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A Hearth that finds the giant's servers. */
export function startBeside(options: BesideOptions): Promise<ServerProcess> {
  const dir = mkdtempSync(join(tmpdir(), 'hearth-'));
  const ca = join(dir, 'ca.pem');
  writeFileSync(ca, options.trusted);
  for (const [name, text] of Object.entries(options.files ?? {})) writeFileSync(join(dir, name), text);
  const places = Array.from(
    { length: options.servers },
    (_, index) => `"${giantServer(index)}" = "127.0.0.1:${options.port}"`,
  );
  const toml = `${options.toml ?? ''}
[federation]
custom_ca_files = [${JSON.stringify(ca)}]
notaries = ${options.hasNotary === false ? '[]' : '["giant.test"]'}
resolve = { ${places.join(', ')} }
`;
  const { executable, prefix, env = {} } = options;
  return ServerProcess.start({ dir, toml, prefix, env, ...(executable === undefined ? {} : { executable }) });
}

/** Asks the giant what it was asked; a number silences its servers from that one on. */
export function questions({ stdin, stdout }: ChildProcess): (silentFrom?: number) => Promise<Record<string, number>> {
  if (stdin === null || stdout === null) throw new Error('the giant has no pipes');
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return async (silentFrom) => {
    stdin.write(`${silentFrom ?? ''}\n`);
    const { value } = (await lines.next()) as { value: string };
    return JSON.parse(value) as Record<string, number>;
  };
}
