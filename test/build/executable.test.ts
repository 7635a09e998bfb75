import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectRoot } from '../architecture/source-files.ts';
import { smoke } from '../support/smoke.ts';

const run = promisify(execFile);
const build = (script: string, out: string) =>
  run(process.execPath, [join(projectRoot, 'build', script), '--out', out], { cwd: projectRoot });

describe('npm run build', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-build-'));
  const executable = join(folder, 'elsewhere');
  after(() => rmSync(folder, { recursive: true }));

  before(async () => {
    // At the same time, so that nothing changes between the two.
    await Promise.all([build('executable.ts', folder), build('executable.ts', join(folder, 'again'))]);
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

  it('serves in a root that holds nothing but the C and C++ libraries', { skip: !canMakeRoot() }, async () => {
    const root = mkdtempSync(join(tmpdir(), 'hearth-root-'));
    try {
      await smoke({ executable: '/hearth', prefix: fillRoot(root, executable), dir: join(root, 'home') });
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('serves beside whatever else the machine has', { skip: canMakeRoot() }, () => smoke({ executable }));

  it('gives the same bytes for the same sources', () => {
    assert.equal(hashOf(executable), hashOf(join(folder, 'again/hearth')));
  });
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

/** Whether this machine lets us have a root folder of our own. */
function canMakeRoot(): boolean {
  return spawnSync('unshare', ['-rm', 'chroot', '/', 'true']).status === 0;
}

/** Puts the executable and the libraries it names into an empty folder; answers the words that make this its root. */
function fillRoot(root: string, executable: string): string[] {
  const imageLibrary = globSync(`node_modules/@img/sharp-libvips-linux-${process.arch}/lib/*.so.*`, {
    cwd: projectRoot,
  });
  const files = [executable, ...imageLibrary.map((file) => join(projectRoot, file))];
  const named = execFileSync('ldd', files, { encoding: 'utf8' }).matchAll(/\s(\/\S+) \(0x/g);
  for (const library of new Set(Array.from(named, ([, library = '']) => library))) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
  copyFileSync(executable, join(root, 'hearth'));
  for (const name of ['proc', 'home']) mkdirSync(join(root, name));
  // Inside, the names that we use outside mean the same.
  mkdirSync(join(root, dirname(root)), { recursive: true });
  symlinkSync('/', join(root, root));
  const script = 'mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"';
  return ['unshare', '-rm', 'sh', '-c', script, root];
}
