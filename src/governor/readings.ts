import { existsSync, statfsSync } from 'node:fs';
import { measureBoard } from '../config/board.ts';
import { memoryAvailable, memoryPressureFile, readText } from '../config/control-groups.ts';
import type { DiskReading, MemoryReading } from './levels.ts';

/** What the governor looks at. */
export interface Readings {
  memory(): MemoryReading;
  /** `undefined`: the system does not tell. */
  disk(): DiskReading | undefined;
  /** What the machine, or the cgroup, has in all; `undefined`: nobody knows. */
  readonly boardBytes?: number;
  /** What could still be had of it. */
  available?(): number | undefined;
}

/** The process and the disk of its data as the system tells of them. */
export function systemReadings(dataDir: string): Readings {
  const pressureFile = memoryPressureFile();
  return {
    boardBytes: measureBoard().memoryMb * 1024 * 1024,
    available: () => memoryAvailable(),
    memory: () => ({ rss: process.memoryUsage.rss(), pressure: pressureOf(pressureFile) }),
    disk() {
      try {
        const { bavail, blocks, bsize } = statfsSync(dataDir);
        return { free: bavail * bsize, total: blocks * bsize };
      } catch {
        return undefined;
      }
    },
  };
}

/** Whether systemd's client of time servers has set the clock since the machine was switched on. */
export function isClockSynchronised(): boolean {
  return existsSync('/run/systemd/timesync/synchronized');
}

/** For a server of which nobody asks how it is: a command that does one thing. */
export const restfulReadings: Readings = {
  memory: () => ({ rss: 0, pressure: undefined }),
  disk: () => undefined,
};

function pressureOf(file: string | undefined): number | undefined {
  const text = file === undefined ? undefined : readText(file);
  const value = Number.parseFloat(/^some avg10=([\d.]+)/m.exec(text ?? '')?.[1] ?? '');
  return Number.isNaN(value) ? undefined : value;
}
