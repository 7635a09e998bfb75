import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { stripElf } from './elf.ts';
import { sqliteForArm } from './sqlite-for-arm.ts';
import { type Arch, packageFolder } from './target-packages.ts';

interface Part {
  readonly asset: string;
  readonly path: string;
  readonly sha256: string;
}

interface PartSet {
  /** Names the version of the set: the beginning of a hash over its parts. */
  readonly id: string;
  readonly parts: readonly Part[];
}

/** The native files of an executable, and what its program has to know about them. */
export interface NativeParts {
  readonly sets: { readonly sqlite: PartSet; readonly sharp: PartSet };
  /** Where sharp's native part lies in its set. */
  readonly sharpAddon: string;
  readonly sqliteVersion: string;
  /** Names of the packages they are from. */
  readonly packages: readonly string[];
}

/** Writes the native files for a kind of machine, stripped, into `folder`, each under the name of its asset. */
export async function prepareNativeParts(root: string, arch: Arch, folder: string): Promise<NativeParts> {
  const sharp = `@img/sharp-linux-${arch}`;
  const libvips = `@img/sharp-libvips-linux-${arch}`;
  const sharpAddon = join(sharp, 'lib', onlyFile(join(packageFolder(root, sharp), 'lib'), /\.node$/));
  const library = join(libvips, 'lib', onlyFile(join(packageFolder(root, libvips), 'lib'), /\.so\.[\d.]+$/));
  const prepare = (asset: string, source: string, path: string): Part => {
    // Those for 32-bit ARM are stripped where they are made.
    const bytes = arch === 'arm' ? readFileSync(source) : stripElf(readFileSync(source));
    writeFileSync(join(folder, asset), bytes);
    return { asset, path, sha256: createHash('sha256').update(bytes).digest('hex') };
  };
  const sqlite =
    arch === 'arm'
      ? await sqliteForArm(root)
      : join(packageFolder(root, 'better-sqlite3'), `prebuilds/linux-${arch}.node`);
  const inPackage = (name: string, path: string): string => join(packageFolder(root, name), path.slice(name.length));
  return {
    sets: {
      sqlite: asSet([prepare('better_sqlite3.node', sqlite, 'better_sqlite3.node')]),
      sharp: asSet([
        prepare('sharp.node', inPackage(sharp, sharpAddon), sharpAddon),
        prepare('libvips.so', inPackage(libvips, library), library),
      ]),
    },
    sharpAddon,
    sqliteVersion: sqliteVersion(),
    // Headers of node-addon-api are compiled into better-sqlite3.
    packages: [sharp, libvips, 'node-addon-api'],
  };
}

function asSet(parts: readonly Part[]): PartSet {
  const hash = createHash('sha256');
  for (const { path, sha256 } of parts) hash.update(`${path} ${sha256}\n`);
  return { id: hash.digest('hex').slice(0, 16), parts };
}

function onlyFile(folder: string, pattern: RegExp): string {
  const found = readdirSync(folder).filter((name) => pattern.test(name));
  const [file] = found;
  if (file === undefined || found.length > 1) throw new Error(`${folder} holds ${found.length} of ${pattern.source}`);
  return file;
}

/** The prebuilt files of one release of better-sqlite3 all hold the same version. */
function sqliteVersion(): string {
  const connection = new Sqlite(':memory:');
  try {
    return connection.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? '';
  } finally {
    connection.close();
  }
}
