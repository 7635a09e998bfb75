/**
 * Runs everything that CI runs: format, types, lint, dead code, generated documents, tests. All stages run even if one
 * fails; the failed ones are named at the end, and the exit code is 1. The tests run in one process, and the other stages
 * beside them, one after the other: what they say is printed when they are through. `npm test -- test/rooms` runs only the
 * tests of these files or folders.
 */
import { spawn } from 'node:child_process';
import { globSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

interface Stage {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = join(root, 'node_modules/.bin');
const chosen = process.argv.slice(2);

/** Test files as arguments, so that a pattern which matches nothing cannot pass for success. */
function testFiles(): string[] {
  const places = chosen.length > 0 ? chosen : ['test'];
  const files = places.flatMap((place) =>
    statSync(join(root, place)).isDirectory() ? globSync(`${place}/**/*.test.ts`, { cwd: root }) : [place],
  );
  if (files.length === 0) throw new Error('no test files found');
  // What is built is made and tried by other processes, beside all other tests: it is looked at last.
  const isLast = (file: string): boolean => file.startsWith('test/build/');
  return files.toSorted((a, b) => Number(isLast(a)) - Number(isLast(b)) || (a < b ? -1 : 1));
}

const nodeTest: Stage = {
  name: 'tests',
  command: process.execPath,
  args: [
    '--import',
    './build/text-imports.mjs',
    '--test',
    '--test-isolation=none',
    // A client library in one of the tests keeps timers for minutes after it was stopped.
    '--test-force-exit',
    '--test-reporter=./scripts/quiet-reporter.ts',
    '--test-reporter-destination=stdout',
    ...testFiles(),
  ],
};

const checks: readonly Stage[] = [
  { name: 'format', command: 'biome', args: ['check', '--error-on-warnings', '--log-level=warn', '.'] },
  { name: 'types', command: 'tsc', args: ['-p', '.'] },
  { name: 'lint', command: 'oxlint', args: ['--type-aware', '--deny-warnings', '--quiet'] },
  { name: 'dead code', command: 'knip', args: ['--no-progress'] },
  { name: 'generated documents', command: process.execPath, args: ['scripts/generate-config-docs.ts', '--check'] },
];

/**
 * A server from one file starts in a third of the time that it takes from hundreds: tests of whole servers, which start
 * dozens, use this. A few chosen tests are quicker without.
 */
const bundle = join(root, 'build/out/test');
const executable = process.env['TEST_EXECUTABLE'] ?? (chosen.length === 0 ? join(bundle, 'hearth') : undefined);
const makeBundle: Stage = { name: 'bundle', command: process.execPath, args: ['build/bundle.ts', '--out', bundle] };

/** What all tests ask of the API and get as answers: scripts/generate-endpoints.ts reads it. */
const record = join(root, 'build/out/requests.tsv');
if (chosen.length === 0) {
  mkdirSync(dirname(record), { recursive: true });
  writeFileSync(record, '');
}

const env = {
  ...process.env,
  PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
  ...(chosen.length === 0 ? { RECORD_REQUESTS: record } : {}),
  ...(executable === undefined ? {} : { TEST_EXECUTABLE: executable }),
  // Commands run from the sources: each would strip the types of hundreds of files anew.
  NODE_COMPILE_CACHE: join(root, 'build/out/compile-cache'),
};

/** Runs a stage; what it says is shown as it comes, or once it has ended. Resolves to whether it passes. */
async function passes(stage: Stage, shown: 'at once' | 'at its end'): Promise<boolean> {
  const { command, args } = stage;
  if (shown === 'at once') console.log(`\n── ${stage.name}`);
  const child =
    shown === 'at once'
      ? spawn(command, args, { cwd: root, env, stdio: 'inherit' })
      : spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      console.error(error.message);
      resolve(null);
    });
    child.once('close', resolve);
  });
  const said = [child.stdout, child.stderr].flatMap((stream) => (stream === null ? [] : [text(stream)]));
  const status = await ended;
  if (shown === 'at its end') console.log(`\n── ${stage.name}\n${(await Promise.all(said)).join('').trimEnd()}`);
  return status === 0;
}

/** Runs stages one after the other. Resolves to those that fail. */
async function failuresOf(stages: readonly Stage[], shown: 'at once' | 'at its end'): Promise<Stage[]> {
  const failed: Stage[] = [];
  for (const stage of stages) if (!(await passes(stage, shown))) failed.push(stage);
  return failed;
}

const isAll = chosen.length === 0;
const beside = failuresOf(isAll ? checks : [], 'at its end');
const inFront = failuresOf(isAll ? [makeBundle, nodeTest] : [nodeTest], 'at once');
const failed = [...(await beside), ...(await inFront)];
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.map((stage) => stage.name).join(', ')}`);
  process.exitCode = 1;
}
