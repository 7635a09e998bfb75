import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot } from '../architecture/source-files.ts';
import { LiveSystemd } from '../support/servers/live-systemd.ts';
import { machineFor } from '../support/servers/machine.ts';
import { smoke } from '../support/servers/smoke.ts';
import { liveAsService } from './systemd.ts';

const run = promisify(execFile);
const build = (script: string, out: string, ...more: string[]) =>
  run(process.execPath, [join(projectRoot, 'build', script), '--out', out, ...more], { cwd: projectRoot });

const kinds = [
  ['x64', 'hearth-linux-x64'],
  ['arm64', 'hearth-linux-arm64'],
  ['armv7', 'hearth-linux-armv7'],
] as const;

const folder = mkdtempSync(join(tmpdir(), 'hearth-build-'));
const executable = join(folder, 'elsewhere');
const forMachine = (name: string) => join(folder, 'all', name);

/**
 * Other processes make the executables and try them, mostly in emulators. That takes a minute or two of a processor, so it
 * begins when this file is loaded and goes on beside the other tests; the tests below look at how it went.
 */
const built = buildBoth();
const trials = beginTrials();

async function buildBoth(): Promise<void> {
  // At the same time, so that nothing changes between the two.
  await Promise.all([build('executable.ts', folder), build('executable.ts', join(folder, 'all'), '--all')]);
  renameSync(join(folder, 'hearth'), executable);
}

/** One after the other. Each is restored by the next: a ring, so that each kind lives and restores once. */
function beginTrials(): ReadonlyMap<string, Promise<string | undefined>> {
  const begun = new Map<string, Promise<string | undefined>>();
  let last: Promise<unknown> = built;
  for (const [index, [arch, name]] of kinds.entries()) {
    const trial = last.then(() => tryOut(name, kinds[(index + 1) % kinds.length]?.[1] ?? name));
    begun.set(arch, trial);
    last = trial.catch(() => {});
  }
  return begun;
}

/** Resolves to why it could not be tried, if so. */
async function tryOut(name: string, next: string): Promise<string | undefined> {
  if (!existsSync(forMachine(name))) return 'there is no compiler for it here';
  using machine = machineFor(forMachine(name));
  using backupMachine = existsSync(forMachine(next)) ? machineFor(forMachine(next)) : undefined;
  if (machine === undefined) return 'there is no emulator for it here';
  await smoke(machine, backupMachine ?? machine);
  return undefined;
}

describe('npm run build', () => {
  before(() => built);
  after(() => rmSync(folder, { recursive: true }));

  it('leaves one file of at most 150 MB that says what it is made of', async () => {
    assert.ok(readFileSync(executable).length <= 150e6);
    const ask = async (...args: string[]): Promise<unknown> =>
      JSON.parse((await run(executable, ['version', '--json', ...args], { env: {}, maxBuffer: 1e7 })).stdout);
    const versions = (await ask()) as { node: string; sqlite: string };
    assert.equal(versions.node, process.versions.node);
    assert.match(versions.sqlite, /^3\.\d+\.\d+$/);
    const { components } = (await ask('--sbom')) as { components: { name: string }[] };
    const { licenses } = (await ask('--licenses')) as { licenses: string };
    const inside = ['better-sqlite3', 'node-addon-api', 'hono', 'sharp', 'semver'];
    for (const name of [...inside, `@img/sharp-libvips-linux-${process.arch}`, `node-linux-${process.arch}`]) {
      assert.ok(
        components.some((each) => each.name === name),
        name,
      );
      assert.ok(licenses.includes(`\n${name} `), name);
    }
  });

  it('gives the same bytes for the same sources', () => {
    assert.equal(hashOf(executable), hashOf(forMachine(`hearth-linux-${process.arch}`)));
  });

  it('lives as a service of a systemd of its own', {
    skip: LiveSystemd.missing ?? false,
    timeout: 120_000,
  }, async () => {
    await using systemd = await LiveSystemd.start(executable);
    await liveAsService(systemd);
  });

  for (const [arch] of kinds) {
    it(`serves on ${arch} where there is nothing but what it needs, and its backup on the next`, async (test) => {
      const reason = await trials.get(arch);
      if (reason !== undefined) test.skip(reason);
    });
  }
});

describe('the bundle in a folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-build-'));
  after(() => rmSync(folder, { recursive: true }));

  it('runs wherever it is moved to, without any Node on the machine', async () => {
    await build('bundle.ts', join(folder, 'made'));
    renameSync(join(folder, 'made'), join(folder, 'elsewhere'));
    const { stdout } = await run(join(folder, 'elsewhere/hearth'), ['version', '--json'], {
      env: { PATH: '/usr/bin:/bin' },
    });
    assert.equal((JSON.parse(stdout) as { node: string }).node, process.versions.node);
  });
});

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
