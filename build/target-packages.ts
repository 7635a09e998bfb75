import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

interface Locked {
  readonly version: string;
  readonly integrity: string;
}

/** Kinds of machines that there are executables for; `arm` is 32-bit ARM, where Node is the system's own. */
export type Arch = 'x64' | 'arm64' | 'arm';

/**
 * Where a package lies: in `node_modules`, or, if it is one for another kind of machine, fetched by npm and kept in
 * `node_modules/.cache`. Version and hash are those of the lock file in either case.
 */
export function packageFolder(root: string, name: string): string {
  const installed = join(root, 'node_modules', name);
  if (existsSync(installed)) return installed;
  const { version, integrity } = locked(root, name);
  const cache = join(root, 'node_modules/.cache/hearth-build');
  const folder = join(cache, `${name.replaceAll('/', '+')}-${version}`);
  if (existsSync(folder)) return join(folder, 'package');
  mkdirSync(cache, { recursive: true });
  const fresh = mkdtempSync(join(cache, 'fetch-'));
  try {
    const said = execFileSync('npm', ['pack', '--json', '--pack-destination', fresh, `${name}@${version}`], {
      cwd: fresh,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const archive = join(fresh, fileNameIn(said));
    checkHash(name, archive, integrity);
    execFileSync('tar', ['-xzf', archive, '-C', fresh]);
    rmSync(archive);
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return join(folder, 'package');
}

function locked(root: string, name: string): Locked {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, Locked>;
  };
  const found = lock.packages[`node_modules/${name}`];
  if (found === undefined) throw new Error(`${name} is not in package-lock.json`);
  return found;
}

function fileNameIn(said: string): string {
  const [first] = Object.values(JSON.parse(said) as Record<string, { filename: string }>);
  if (first === undefined) throw new Error(`npm pack said: ${said}`);
  return first.filename;
}

function checkHash(name: string, archive: string, integrity: string): void {
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (found !== integrity) throw new Error(`${name} has the hash ${found}, not ${integrity} as package-lock.json says`);
}
