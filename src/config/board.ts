import { statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { memoryLimit } from './control-groups.ts';
import type { Board } from './definition/kinds.ts';

const megabyte = 1024 * 1024;

/** The machine as this process sees it: RAM up to the cgroup's limit, and cores. */
export function measureBoard(): Board {
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY, memoryLimit());
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
