import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface CopiedPackage {
  readonly name: string;
  readonly folder: string;
  /** Whether a file or folder of the package, as a path that starts with a slash, is needed at run time. */
  readonly wanted: (path: string) => boolean;
}

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
}

/** Sources and other machines' files, which nothing loads at run time. */
const unwanted = /^\/(deps|src|binding\.gyp|install|node_modules)(\/|$)|\.(md|d\.ts|d\.cts|d\.mts)$/;

/** The named packages and all that they need to run on this kind of machine, in `node_modules` of `root`. */
export function packagesFor(root: string, names: readonly string[], arch: string): CopiedPackage[] {
  const found = new Map<string, CopiedPackage>();
  const visit = (name: string): void => {
    const folder = join(root, 'node_modules', name);
    if (found.has(name) || !existsSync(folder)) return; // optional packages of other machines are not installed
    const prebuilt = new RegExp(`^/prebuilds/(?!linux-${arch}\\.node$)`);
    found.set(name, { name, folder, wanted: (path) => !unwanted.test(path) && !prebuilt.test(path) });
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
    for (const each of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) visit(each);
  };
  for (const name of names) visit(name);
  return [...found.values()];
}
