/** How much of something is left: enough, little, next to nothing. */
export type Level = 'easy' | 'tight' | 'critical';

export interface MemoryReading {
  /** Bytes of the process, threads included. */
  readonly rss: number;
  /** Percent of the last ten seconds in which something waited for memory (PSI); undefined: the system does not tell. */
  readonly pressure: number | undefined;
}

export interface DiskReading {
  /** Bytes that this process may still write. */
  readonly free: number;
  readonly total: number;
}

const order: readonly Level[] = ['easy', 'tight', 'critical'];

/** Of the budget. */
const tightShare = 0.85;
/** A level is left only this far below where it begins, so that it does not change every few seconds. */
const slack = 0.05;
const tightPressure = 10;
const criticalPressure = 40;

/** `budget`: bytes. Waiting for memory counts whatever the budget says: others may have taken it. */
export function memoryLevel({ rss, pressure = 0 }: MemoryReading, budget: number, before: Level): Level {
  const share = rss / budget;
  const at = (level: Level) => (order.indexOf(before) >= order.indexOf(level) ? slack : 0);
  if (share >= 1 - at('critical') || pressure >= criticalPressure * (1 - 4 * at('critical'))) return 'critical';
  if (share >= tightShare - at('tight') || pressure >= tightPressure * (1 - 4 * at('tight'))) return 'tight';
  return 'easy';
}

const mib = 1024 * 1024;

/**
 * Bytes that stay free when nobody may write any more: a purge needs them, as what it deletes goes through the
 * write-ahead log first. A hundredth of the disk, between 4 and 64 MiB.
 */
export function diskReserve(total: number): number {
  return Math.max(4 * mib, Math.min(64 * mib, total / 100));
}

export function diskLevel({ free, total }: DiskReading, before: Level): Level {
  const reserve = diskReserve(total);
  const more = (level: Level) => (order.indexOf(before) >= order.indexOf(level) ? 1.25 : 1);
  if (free < reserve * more('critical')) return 'critical';
  if (free < 4 * reserve * more('tight')) return 'tight';
  return 'easy';
}
