import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { projectRoot } from '../../architecture/source-files.ts';

/** `arm` is 32-bit ARM. */
export type Arch = 'x64' | 'arm64' | 'arm';

/** How a foreign executable is told from others, run, and supplied with the C and C++ libraries. */
const kinds = {
  x64: { elf: 0x3e, qemu: 'qemu-x86_64-static', folder: '/usr/x86_64-linux-gnu', loader: 'lib64/ld-linux-x86-64.so.2' },
  arm64: {
    elf: 0xb7,
    qemu: 'qemu-aarch64-static',
    folder: '/usr/aarch64-linux-gnu',
    loader: 'lib/ld-linux-aarch64.so.1',
  },
} as const;

type EmulatedArch = keyof typeof kinds;

const libraries = ['libc', 'libm', 'libdl', 'libpthread', 'librt', 'libresolv', 'libgcc_s', 'libstdc++'];

/** Where an executable is tried: as empty a place as can be had. */
export interface Machine extends Disposable {
  readonly arch: Arch;
  /** The name under which it is started. */
  readonly executable: string;
  /** Words before it. */
  readonly prefix: readonly string[];
  /** A folder that has the same name inside and outside. */
  readonly dir: string;
  /** Whether the executable can start itself: the kernel has to know how to run it. */
  readonly startsItself: boolean;
  readonly words: string;
}

/** A machine for an executable; undefined if this computer cannot run it. */
export function machineFor(executable: string): Machine | undefined {
  const arch = archOf(executable);
  if (arch === 'arm') return debianArmhf(executable);
  if (arch !== process.arch) return foreignMachine(executable, arch);
  if (canRun(['unshare', '-rm', 'chroot', '/', 'true'])) return ownRoot(executable);
  const dir = mkdtempSync(join(tmpdir(), 'hearth-smoke-'));
  const words = 'beside whatever else there is';
  return { arch, executable, prefix: [], dir, startsItself: true, words, ...removing(dir) };
}

function archOf(executable: string): Arch {
  const head = readFileSync(executable).subarray(0, 64);
  if (head.toString('latin1', 0, 10) === '#!/bin/sh\n') return 'arm';
  const machine = head.readUInt16LE(18);
  if (machine === kinds.x64.elf) return 'x64';
  if (machine === kinds.arm64.elf) return 'arm64';
  throw new Error(`${executable} is for a machine that is not known here`);
}

function ownRoot(executable: string): Machine {
  const root = mkdtempSync(join(tmpdir(), 'hearth-root-'));
  const arch = process.arch as EmulatedArch;
  const imageLibrary = globSync(`node_modules/@img/sharp-libvips-linux-${arch}/lib/*.so.*`, { cwd: projectRoot });
  const files = [executable, ...imageLibrary.map((file) => join(projectRoot, file))];
  const named = execFileSync('ldd', files, { encoding: 'utf8' }).matchAll(/\s(\/\S+) \(0x/g);
  for (const library of new Set(Array.from(named, ([, library = '']) => library))) place(library, join(root, library));
  return { arch, ...rootOf(root, executable, ''), startsItself: true, words: 'in an empty root' };
}

/**
 * The program for 32-bit ARM is a script for the Node of the system; here that is the one of Debian's armhf, which
 * scripts/debian-armhf.sh has fetched, run by the emulator.
 */
function debianArmhf(executable: string): Machine | undefined {
  const root = join(projectRoot, 'node_modules/.cache/hearth-build/debian-armhf');
  const emulator = find('qemu-arm-static');
  const node = join(root, 'usr/bin/node');
  if (emulator === undefined || !existsSync(node)) return undefined;
  const dir = mkdtempSync(join(tmpdir(), 'hearth-smoke-'));
  writeFileSync(join(dir, 'node'), `#!/bin/sh\nexec ${emulator} -L ${root} ${node} "$@"\n`, { mode: 0o755 });
  return {
    arch: 'arm',
    executable,
    prefix: ['env', `PATH=${dir}:/usr/bin:/bin`],
    dir,
    startsItself: true,
    words: "on Debian's Node for armhf, by qemu-arm-static",
    ...removing(dir),
  };
}

function find(program: string): string | undefined {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((path) => join(path, program))
    .find((path) => existsSync(path));
}

function foreignMachine(executable: string, arch: EmulatedArch): Machine | undefined {
  const { qemu, folder, loader } = kinds[arch];
  const emulator = find(qemu);
  if (emulator === undefined || !existsSync(join(folder, 'lib/libstdc++.so.6'))) return undefined;
  const register = `mount -t binfmt_misc none /proc/sys/fs/binfmt_misc && printf '%s' '${binfmt(arch, emulator)}' > /proc/sys/fs/binfmt_misc/register`;
  if (canRun(['unshare', '-rm', 'sh', '-c', register])) {
    const root = mkdtempSync(join(tmpdir(), 'hearth-root-'));
    for (const name of libraries) {
      for (const file of globSync(`lib/${name}.so.*`, { cwd: folder }))
        place(join(folder, file), join(root, 'lib', file.slice(4)));
    }
    place(join(folder, 'lib', loader.slice(loader.indexOf('/') + 1)), join(root, loader));
    return {
      arch,
      ...rootOf(root, executable, `${register} && `),
      startsItself: true,
      words: `in an empty root, by ${qemu}`,
    };
  }
  const dir = mkdtempSync(join(tmpdir(), 'hearth-smoke-'));
  return {
    arch,
    executable,
    prefix: [emulator, '-L', folder],
    dir,
    startsItself: false,
    words: `by ${qemu}, without thumbnails of the server's own`,
    ...removing(dir),
  };
}

/**
 * What a kernel of 6.7 or later has to know, inside a user namespace of ours alone: that files with this head are run by
 * the emulator, which it opens right now, as it will not be there.
 */
function binfmt(arch: EmulatedArch, emulator: string): string {
  const machine = kinds[arch].elf.toString(16);
  const magic = `\\x7fELF\\x02\\x01\\x01${'\\x00'.repeat(9)}\\x02\\x00\\x${machine}\\x00`;
  const mask = `${'\\xff'.repeat(7)}\\x00${'\\xff'.repeat(8)}\\xfe${'\\xff'.repeat(3)}`;
  return `:hearth-${arch}:M::${magic}:${mask}:${emulator}:F`;
}

function rootOf(root: string, executable: string, first: string) {
  copyFileSync(executable, join(root, 'hearth'));
  for (const name of ['proc', 'home']) mkdirSync(join(root, name));
  // Inside, the names that we use outside mean the same.
  mkdirSync(join(root, dirname(root)), { recursive: true });
  symlinkSync('/', join(root, root));
  const script = `${first}mount --rbind /proc "$0/proc" && exec chroot "$0" "$@"`;
  return {
    executable: '/hearth',
    prefix: ['unshare', '-rm', 'sh', '-c', script, root],
    dir: join(root, 'home'),
    ...removing(root),
  };
}

function removing(folder: string): Disposable {
  return { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

function place(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

function canRun([program = '', ...args]: readonly string[]): boolean {
  return spawnSync(program, args).status === 0;
}
