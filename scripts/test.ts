/**
 * Runs everything that CI runs: format, types, lint, dead code, generated documents, tests. All stages run even if one
 * fails; the failed ones are named at the end, and the exit code is 1. `npm test -- test/rooms` runs only the tests of
 * these files or folders.
 */
import { spawnSync } from 'node:child_process';
import { globSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
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
  return files.toSorted();
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

function passes(stage: Stage): boolean {
  console.log(`\n── ${stage.name}`);
  const { status, error } = spawnSync(stage.command, stage.args, { cwd: root, env, stdio: 'inherit' });
  if (error) console.error(error.message);
  return status === 0;
}

const failed = [...(chosen.length > 0 ? [] : [...checks, makeBundle]), nodeTest].filter((stage) => !passes(stage));
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.map((stage) => stage.name).join(', ')}`);
  process.exitCode = 1;
}
