import { readdirSync, readFileSync } from 'node:fs';

export interface Usage {
  /** Resident memory of the whole tree, MiB. */
  readonly rssMib: number;
  /** The part that cannot be reclaimed without swap (`Anonymous`), MiB. */
  readonly anonymousMib: number;
  /** User and system time of the whole tree since it started, seconds. */
  readonly cpuSeconds: number;
  readonly processes: number;
}

const ticksPerSecond = 100;

/** Memory and CPU time of a process and all that descend from it. */
export function usageOf(pid: number): Usage {
  const pids = descendants(pid);
  let rss = 0;
  let anonymous = 0;
  let ticks = 0;
  for (const each of pids) {
    const rollup = read(`/proc/${each}/smaps_rollup`);
    rss += kib(rollup, 'Rss');
    anonymous += kib(rollup, 'Anonymous');
    const fields = afterName(read(`/proc/${each}/stat`));
    // utime, stime, and those of children already waited for
    for (const at of [11, 12, 13, 14]) ticks += Number(fields[at] ?? 0);
  }
  return {
    rssMib: rss / 1024,
    anonymousMib: anonymous / 1024,
    cpuSeconds: ticks / ticksPerSecond,
    processes: pids.length,
  };
}

/** User and system ticks of each thread by name, to see where CPU time goes. */
export function threadSeconds(pid: number): Map<string, number> {
  const byName = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const stat = read(`/proc/${pid}/task/${thread}/stat`);
    const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
    const fields = afterName(stat);
    const seconds = (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
    byName.set(name, (byName.get(name) ?? 0) + seconds);
  }
  return byName;
}

/** Files and sockets that the process has open. */
export function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    // It has just ended.
    return 0;
  }
}

function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = Number(afterName(read(`/proc/${entry}/stat`))[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** The fields of a stat line from the state on; the name before them may hold blanks. */
function afterName(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function kib(rollup: string, field: string): number {
  return Number(new RegExp(`^${field}: *(\\d+)`, 'm').exec(rollup)?.[1] ?? 0);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (problem) {
    const code = (problem as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw problem;
  }
}
