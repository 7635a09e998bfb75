import { readFileSync } from 'node:fs';

/** The text of a file, or `undefined` if there is none. */
export type ReadText = (file: string) => string | undefined;

export const readText: ReadText = (file) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
};

/**
 * Bytes of memory that this process's control group may take, or the tightest of those around it, in version 1 as in 2;
 * infinite without a limit. Node looks only at the innermost.
 */
export function memoryLimit(read: ReadText = readText): number {
  const { unified, memory } = groups(read);
  const files = [
    ...around(unified).map((path) => `/sys/fs/cgroup${path}/memory.max`),
    ...around(memory).map((path) => `/sys/fs/cgroup/memory${path}/memory.limit_in_bytes`),
  ];
  const limits = files.map((file) => Number.parseInt(read(file) ?? '', 10));
  // "max" is no number, and means no limit.
  return Math.min(...limits.filter((limit) => limit > 0), Number.POSITIVE_INFINITY);
}

/**
 * Bytes of memory that could still be had: of the machine, and of each control group around this process that has a
 * limit. What files are cached in counts as free. `undefined`: the system does not tell.
 */
export function memoryAvailable(read: ReadText = readText): number | undefined {
  const { unified, memory } = groups(read);
  const machine = /^MemAvailable:\s+(\d+) kB$/m.exec(read('/proc/meminfo') ?? '')?.[1];
  const places = [
    ...around(unified).map((path) => ({ folder: `/sys/fs/cgroup${path}`, ...second })),
    ...around(memory).map((path) => ({ folder: `/sys/fs/cgroup/memory${path}`, ...first })),
  ];
  const left = places.flatMap(({ folder, limit, usage, files }) => {
    const number = (file: string) => Number.parseInt(read(`${folder}/${file}`) ?? '', 10);
    const cached = [...(read(`${folder}/memory.stat`) ?? '').matchAll(files)].map(([, bytes]) => Number(bytes));
    const free = number(limit) - number(usage) + cached.reduce((sum, bytes) => sum + bytes, 0);
    return Number.isNaN(free) ? [] : [free];
  });
  const all = machine === undefined ? left : [...left, Number(machine) * 1024];
  return all.length === 0 ? undefined : Math.max(0, Math.min(...all));
}

/** What both versions call the files that tell of memory. */
const first = {
  limit: 'memory.limit_in_bytes',
  usage: 'memory.usage_in_bytes',
  files: /^total_(?:in)?active_file (\d+)$/gm,
};
const second = { limit: 'memory.max', usage: 'memory.current', files: /^(?:in)?active_file (\d+)$/gm };

/** Where the system tells how long something waited for memory (PSI): in this process's control group, or in all of the machine. */
export function memoryPressureFile(read: ReadText = readText): string | undefined {
  const places = around(groups(read).unified).map((path) => `/sys/fs/cgroup${path}/memory.pressure`);
  const [own = '/proc/pressure/memory'] = places;
  const root = '/sys/fs/cgroup/memory.pressure';
  // A kernel that is told not to watch it has the file and cannot read it.
  return [own, root, '/proc/pressure/memory'].find((file) => read(file) !== undefined);
}

/** The names of the process's control groups: version 2, and version 1 as far as memory goes. */
function groups(read: ReadText): { unified: string | undefined; memory: string | undefined } {
  const text = read('/proc/self/cgroup') ?? '';
  return {
    unified: /^0::(\/.*)$/m.exec(text)?.[1],
    memory: /^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(\/.*)$/m.exec(text)?.[1],
  };
}

/**
 * A group and those around it, from the inside out. The root counts as well: in a container it is the container's own
 * group, whatever that is called outside.
 */
function around(group: string | undefined): string[] {
  if (group === undefined) return [];
  const paths = [];
  for (let path = group.replace(/\/+$/, ''); path !== ''; path = path.slice(0, path.lastIndexOf('/'))) paths.push(path);
  return [...paths, ''];
}
