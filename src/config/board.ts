import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { Board } from './definition/kinds.ts';

const megabyte = 1024 * 1024;

/** The machine as this process sees it: RAM up to the cgroup's limit, and cores. */
export function measureBoard(): Board {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY, cgroupLimit());
  return { memoryMb: Math.floor(memory / megabyte), cores: availableParallelism() };
}

/** Megabytes of the file system that a folder is on, or will be; undefined: nobody tells. */
export function diskMegabytes(folder: string): number | undefined {
  try {
    const { blocks, bsize } = statfsSync(folder);
    return blocks > 0 ? Math.floor((blocks * bsize) / megabyte) : undefined;
  } catch {
    const parent = dirname(folder);
    return parent === folder ? undefined : diskMegabytes(parent);
  }
}

/** The tightest memory.max of this process's cgroup and of those around it; Node looks only at the innermost. */
function cgroupLimit(): number {
  try {
    const group = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
    let limit = Number.POSITIVE_INFINITY;
    for (let path = group; path !== ''; path = path.slice(0, path.lastIndexOf('/'))) {
      limit = Math.min(limit, readLimit(`/sys/fs/cgroup${path}/memory.max`));
    }
    return limit;
  } catch {
    return Number.POSITIVE_INFINITY; // no cgroup v2: the physical RAM counts
  }
}

function readLimit(file: string): number {
  try {
    const value = Number.parseInt(readFileSync(file, 'utf8'), 10);
    return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value; // "max" means no limit
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
