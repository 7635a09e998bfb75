import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = '/sys/fs/cgroup';
const mib = 1024 * 1024;
let count = 0;

/** What a memory controller of either kind calls its files. */
const kinds = [
  {
    folder: join(root, 'memory'),
    limit: 'memory.limit_in_bytes',
    peak: 'memory.max_usage_in_bytes',
    kills: 'memory.oom_control',
  },
  { folder: root, limit: 'memory.max', peak: 'memory.peak', kills: 'memory.events' },
] as const;

/**
 * A control group whose processes are killed by the kernel when all of them together take more memory than this, page
 * cache that cannot be given back included. Needs root and a memory controller (cgroup v1 or v2).
 */
export class MemoryCage implements Disposable {
  readonly #folder: string;
  readonly #kind: (typeof kinds)[number];

  private constructor(folder: string, kind: (typeof kinds)[number]) {
    this.#folder = folder;
    this.#kind = kind;
  }

  /** `undefined` where this machine does not let us. */
  static make(limitMib: number): MemoryCage | undefined {
    for (const kind of kinds) {
      if (!existsSync(join(kind.folder, 'cgroup.procs'))) continue;
      const folder = join(kind.folder, `hearth-test-${process.pid}-${count++}`);
      try {
        mkdirSync(folder);
        if (!existsSync(join(folder, kind.limit))) {
          rmdirSync(folder);
          continue;
        }
        writeFileSync(join(folder, kind.limit), String(limitMib * mib));
        return new MemoryCage(folder, kind);
      } catch {
        if (existsSync(folder)) rmdirSync(folder);
      }
    }
    return undefined;
  }

  /** To be put before a command: it and all that it starts are in the cage. */
  get prefix(): string[] {
    return ['sh', '-c', `echo $$ > ${join(this.#folder, 'cgroup.procs')} && exec "$0" "$@"`];
  }

  /** The most that was in use at a time, page cache included; `undefined`: the kernel does not tell. */
  get peakMib(): number | undefined {
    const text = this.#read(this.#kind.peak);
    return text === undefined ? undefined : Number(text) / mib;
  }

  /** Processes that the kernel has killed for want of memory. */
  get kills(): number {
    return Number(/^oom_kill (\d+)/m.exec(this.#read(this.#kind.kills) ?? '')?.[1] ?? 0);
  }

  #read(name: string): string | undefined {
    const file = join(this.#folder, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }

  /** Once nothing runs in it any more. */
  [Symbol.dispose](): void {
    rmdirSync(this.#folder);
  }
}
