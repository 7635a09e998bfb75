import { spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface CommandOptions {
  /** The working folder, where `hearth.toml` is found. */
  readonly folder: string;
  /** Standard input. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs `hearth …` from the sources, in a process of its own. */
export function hearth(args: string, { folder, input = '', env = {} }: CommandOptions): Promise<CommandResult> {
  const program = ['--import', join(root, 'build/text-imports.mjs'), join(root, 'src/main.ts')];
  const child = spawn(process.execPath, [...program, ...args.split(' ')], {
    cwd: folder,
    env: { ...cleanEnv(), ...env },
  });
  const read = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    read.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    read.stderr += text;
  });
  child.stdin.on('error', () => {}); // it may end without reading
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...read }));
  });
}

/** The environment without settings of a Hearth that somebody runs here. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEARTH_')));
}
