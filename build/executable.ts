/**
 * Makes single executables: `build/out/hearth` for this machine, with `--all` one for each kind of machine
 * (`hearth-linux-x64`, `hearth-linux-arm64`, `hearth-linux-armv7`), in the folder after `--out`. Each holds the pinned
 * Node (not for ARMv7, for which there is none), the programs, the native parts and the licences. The same sources give
 * the same bytes, on whatever machine; for ARMv7 with the same compiler.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { inject } from 'postject';
import { checkNode } from './checkout.ts';
import { stripElf } from './elf.ts';
import { bundleForExecutable } from './executable-bundles.ts';
import { type Included, licenceText, packagesIn, partsList } from './licences.ts';
import { prepareNativeParts } from './native-parts.ts';
import { writeScriptFile } from './script-file.ts';
import { canCompileForArm } from './sqlite-for-arm.ts';
import { type Arch, packageFolder } from './target-packages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Node looks for the program only where this text, which it contains once, has been switched on. */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** What `src/v8-flags.ts` sets, and one that is read before it; in the executable they hold from the first moment. */
const nodeFlags = ['--optimize-for-size', '--no-maglev', '--max-semi-space-size=1', '--v8-pool-size=1'];

const assets = [
  'better_sqlite3.node',
  'sharp.node',
  'libvips.so',
  'program.cjs',
  'worker.cjs',
  'thumbnail.cjs',
  'licences.txt',
  'sbom.json',
] as const;

async function makeExecutable(arch: Arch, target: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hearth-build-'));
  try {
    const native = await prepareNativeParts(root, arch, folder);
    const form = arch === 'arm' ? 'script' : 'executable';
    const inputs = await bundleForExecutable({ root, outdir: folder, native, form });
    const node = form === 'script' ? [] : [`node-linux-${arch}`];
    const packages = [...new Set([...node, ...native.packages, ...packagesIn(inputs)])].toSorted();
    writeTexts(
      folder,
      packages.map((name) => ({ name, folder: packageFolder(root, name) })),
    );
    // Put in place by a rename: what runs at this moment goes on with the file it was started from.
    const fresh = `${target}.new`;
    if (form === 'script') writeScriptFile(fresh, folder, nodeFlags, ['main.cjs', ...assets]);
    else await sealExecutable(arch, folder, fresh);
    chmodSync(fresh, 0o755);
    renameSync(fresh, target);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Puts program and assets into a Node. */
async function sealExecutable(arch: Arch, folder: string, target: string): Promise<void> {
  makeBlob(folder);
  const made = join(folder, 'hearth');
  writeFileSync(made, stripElf(readFileSync(join(packageFolder(root, `node-linux-${arch}`), 'bin/node'))));
  await inject(made, 'NODE_SEA_BLOB', readFileSync(join(folder, 'hearth.blob')), { sentinelFuse: fuse });
  writeFileSync(target, readFileSync(made));
}

function writeTexts(folder: string, packages: readonly Included[]): void {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const own = readFileSync(join(root, 'LICENSE'), 'utf8');
  writeFileSync(join(folder, 'licences.txt'), licenceText(own, join(root, 'build/licences'), packages));
  writeFileSync(join(folder, 'sbom.json'), partsList(version, packages));
}

/** All names are relative: those of the program end up in the blob. */
function makeBlob(folder: string): void {
  const settings = {
    main: 'main.cjs',
    output: 'hearth.blob',
    disableExperimentalSEAWarning: true,
    useCodeCache: false,
    useSnapshot: false,
    execArgv: nodeFlags,
    assets: Object.fromEntries(assets.map((name) => [name, name])),
  };
  writeFileSync(join(folder, 'sea.json'), JSON.stringify(settings));
  execFileSync(process.execPath, ['--experimental-sea-config', 'sea.json'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

const { values } = parseArgs({
  options: { out: { type: 'string', default: join(root, 'build/out') }, all: { type: 'boolean', default: false } },
});
checkNode(root);
const out = resolve(values.out);
mkdirSync(out, { recursive: true });
const wanted: readonly { arch: Arch; name: string }[] = values.all
  ? [
      { arch: 'x64', name: 'hearth-linux-x64' },
      { arch: 'arm64', name: 'hearth-linux-arm64' },
      { arch: 'arm', name: 'hearth-linux-armv7' },
    ]
  : [{ arch: process.arch === 'arm64' ? 'arm64' : 'x64', name: 'hearth' }];
for (const { arch, name } of wanted) {
  const target = join(out, name);
  if (arch === 'arm' && !canCompileForArm()) {
    console.error(`${name} is left out: it needs a compiler, which is in the Debian package g++-arm-linux-gnueabihf`);
    continue;
  }
  await makeExecutable(arch, target);
  console.log(`built ${relative(process.cwd(), target)}`);
}
