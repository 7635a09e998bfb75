import { createHash } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { getRawAsset } from 'node:sea';
import { nativeFolder } from '../../src/util/native-folder.ts';

interface Part {
  /** The name inside the executable. */
  readonly asset: string;
  /** Where it lies in the unpacked folder. */
  readonly path: string;
  readonly sha256: string;
}

/** Set by the build. */
declare const NATIVE_PARTS: Readonly<
  Record<'sqlite' | 'sharp', { readonly id: string; readonly parts: readonly Part[] }>
>;

/**
 * Unpacks a set of native files, unless they are there already, loads one of them and answers what it exports. The
 * folder appears whole or not at all, and is made anew if a file in it is not what it was built as.
 */
export function loadNative(set: 'sqlite' | 'sharp', file: string): unknown {
  const path = join(unpacked(set), file);
  const loaded = { exports: {} };
  try {
    process.dlopen(loaded, path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} cannot be loaded; is its file system mounted "noexec"? ${reason}`, { cause: error });
  }
  return loaded.exports;
}

function unpacked(set: 'sqlite' | 'sharp'): string {
  const { id, parts } = NATIVE_PARTS[set];
  const folder = nativeFolder();
  const target = join(folder, `native-${set}-${id}`);
  if (parts.every((part) => isWhole(part, target))) return target;
  const fresh = join(folder, `unpacking-${set}-${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  for (const part of parts) write(part, fresh);
  removeOthers(folder, set, id);
  try {
    renameSync(fresh, target);
  } catch {
    // Another process was quicker, or what is there is damaged.
    if (parts.every((part) => isWhole(part, target))) {
      rmSync(fresh, { recursive: true, force: true });
    } else {
      rmSync(target, { recursive: true, force: true });
      renameSync(fresh, target);
    }
  }
  return target;
}

function isWhole({ path, sha256 }: Part, folder: string): boolean {
  let fd: number;
  try {
    fd = openSync(join(folder, path), 'r');
  } catch {
    return false;
  }
  try {
    // Piece by piece: the whole would stand in memory beside what is mapped.
    const hash = createHash('sha256');
    const piece = Buffer.allocUnsafe(256 * 1024);
    for (let length = readSync(fd, piece); length > 0; length = readSync(fd, piece)) {
      hash.update(piece.subarray(0, length));
    }
    return hash.digest('hex') === sha256;
  } finally {
    closeSync(fd);
  }
}

function write({ asset, path }: Part, folder: string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const bytes = Buffer.from(getRawAsset(asset));
  const fd = openSync(file, 'wx', 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fchmodSync(fd, 0o500);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** What other releases, or a process that was killed over it, have left. Whoever has it loaded keeps what is mapped. */
function removeOthers(folder: string, set: string, id: string): void {
  for (const name of readdirSync(folder)) {
    const writer = new RegExp(`^unpacking-${set}-(\\d+)$`).exec(name)?.[1];
    const isLeftOver = writer !== undefined && !isRunning(Number(writer));
    const isOther = name.startsWith(`native-${set}-`) && name !== `native-${set}-${id}`;
    if (isLeftOver || isOther) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
