import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot } from '../architecture/source-files.ts';
import { LiveSystemd } from '../support/live-systemd.ts';
import { machineFor } from '../support/machine.ts';
import { smoke } from '../support/smoke.ts';
import { liveAsService } from './systemd.ts';

const run = promisify(execFile);
const build = (script: string, out: string, ...more: string[]) =>
  run(process.execPath, [join(projectRoot, 'build', script), '--out', out, ...more], { cwd: projectRoot });

describe('npm run build', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-build-'));
  const executable = join(folder, 'elsewhere');
  const forMachine = (arch: string) => join(folder, `all/hearth-linux-${arch}`);
  after(() => rmSync(folder, { recursive: true }));

  before(async () => {
    // At the same time, so that nothing changes between the two.
    await Promise.all([build('executable.ts', folder), build('executable.ts', join(folder, 'all'), '--all')]);
    renameSync(join(folder, 'hearth'), executable);
  });

  it('leaves one file of at most 150 MB that says what it is made of', async () => {
    assert.ok(readFileSync(executable).length <= 150e6);
    const ask = async (...args: string[]): Promise<unknown> =>
      JSON.parse((await run(executable, ['version', '--json', ...args], { env: {}, maxBuffer: 1e7 })).stdout);
    const versions = (await ask()) as { node: string; sqlite: string };
    assert.equal(versions.node, process.versions.node);
    assert.match(versions.sqlite, /^3\.\d+\.\d+$/);
    const { components } = (await ask('--sbom')) as { components: { name: string }[] };
    const { licenses } = (await ask('--licenses')) as { licenses: string };
    for (const name of ['better-sqlite3', 'hono', 'sharp', `@img/sharp-libvips-linux-${process.arch}`, 'semver']) {
      assert.ok(
        components.some((each) => each.name === name),
        name,
      );
      assert.ok(licenses.includes(`\n${name} `), name);
    }
  });

  it('gives the same bytes for the same sources', () => {
    assert.equal(hashOf(executable), hashOf(forMachine(process.arch)));
  });

  it('lives as a service of a systemd of its own', {
    skip: LiveSystemd.missing ?? false,
    timeout: 120_000,
  }, async () => {
    await using systemd = await LiveSystemd.start(executable);
    await liveAsService(systemd);
  });

  // Each is restored by the next: a ring, so that each kind lives and restores once.
  const kinds = [
    ['x64', 'hearth-linux-x64'],
    ['arm64', 'hearth-linux-arm64'],
    ['armv7', 'hearth-linux-armv7'],
  ] as const;
  for (const [index, [arch, name]] of kinds.entries()) {
    it(`serves on ${arch} where there is nothing but what it needs, and its backup on the next`, async (test) => {
      const made = (file: string) => join(folder, 'all', file);
      if (!existsSync(made(name))) {
        test.skip('there is no compiler for it here');
        return;
      }
      const next = kinds[(index + 1) % kinds.length]?.[1] ?? name;
      using machine = machineFor(made(name));
      using backupMachine = existsSync(made(next)) ? machineFor(made(next)) : undefined;
      if (machine === undefined) {
        test.skip('there is no emulator for it here');
        return;
      }
      await smoke(machine, backupMachine ?? machine);
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
