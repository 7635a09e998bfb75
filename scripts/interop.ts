// npm run test:interop – a conversation with an independent homeserver. Needs python3 with venv and pip; the other
// server is installed below build/out, once.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { join, resolve } from 'node:path';

const synapse = 'matrix-synapse==1.163.2';
const root = resolve(import.meta.dirname, '..');
const environment = join(root, 'build/out/synapse');

if (!existsSync(join(environment, 'complete'))) {
  run('python3', ['-m', 'venv', '--clear', environment]);
  run(join(environment, 'bin/pip'), ['install', '--quiet', synapse]);
  run('touch', [join(environment, 'complete')]);
}

const wanted = process.argv.slice(2);
const files = wanted.length > 0 ? wanted : globSync('test/interop/**/*-interop.ts', { cwd: root }).sort();
run(
  process.execPath,
  [
    '--import',
    './build/text-imports.mjs',
    '--disable-warning=ExperimentalWarning',
    '--test',
    '--test-isolation=none',
    '--test-force-exit',
    '--test-timeout=300000',
    ...files,
  ],
  { SYNAPSE_ENVIRONMENT: environment },
);

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): void {
  const { status } = spawnSync(program, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) process.exit(status ?? 1);
}
