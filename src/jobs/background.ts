import { type Millis, millis } from '../util/brand.ts';
import type { Cancel, Clock } from '../util/clock.ts';
import { isDiskFull } from '../util/disk-full.ts';
import type { Log } from '../util/log.ts';

/** Work that nobody waits for, done in slices of at most ~20 ms. */
export interface BackgroundTask {
  readonly name: string;
  /** Time from the end of one round to the start of the next. */
  readonly every: Millis;
  /** Whether it takes memory: then it waits while there is next to none. */
  readonly isHeavy?: boolean;
  /** Does a slice; true: there is more to do in this round. */
  slice(): boolean | Promise<boolean>;
}

/** A slice is followed by a rest this many times as long: background work takes a sixth of the main thread at most. */
const restFactor = 5;
const shortestRest = 5;
/** For want of memory or disk. */
const parked = millis(15_000);

/**
 * Runs the tasks, one slice at a time over all of them. A task that throws is told in the log and tried
 * next round. While the time is not known nothing runs: most of it asks how old something is.
 */
export class Background {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #mayWork: () => boolean;
  readonly #timers = new Map<string, Cancel>();
  #last: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(
    tasks: readonly BackgroundTask[],
    options: { readonly clock: Clock; readonly log: Log; readonly mayWork?: () => boolean },
  ) {
    this.#mayWork = options.mayWork ?? (() => true);
    this.#clock = options.clock;
    this.#log = options.log.child('jobs');
    for (const task of tasks) this.#schedule(task, task.every);
  }

  /** Starts nothing new; resolves when the slice under way is through. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    await this.#last;
  }

  #schedule(task: BackgroundTask, delay: Millis): void {
    if (this.#stopped) return;
    const cancel = this.#clock.after(delay, () => {
      this.#last = this.#last.then(() => this.#run(task));
    });
    this.#timers.set(task.name, cancel);
  }

  async #run(task: BackgroundTask): Promise<void> {
    if (this.#stopped) return;
    if (!this.#clock.isRight) {
      this.#schedule(task, task.every);
      return;
    }
    if (task.isHeavy === true && !this.#mayWork()) {
      this.#schedule(task, parked);
      return;
    }
    const start = this.#clock.monotonic();
    let more = false;
    let { every } = task;
    try {
      more = await task.slice();
    } catch (problem) {
      if (isDiskFull(problem)) {
        // The log may be on the same disk.
        this.#log.warn('jobs.disk_full', { task: task.name });
        every = millis(Math.max(every, parked));
      } else this.#log.error('jobs.failed', { task: task.name, cause: problem });
    }
    const took = this.#clock.monotonic() - start;
    this.#schedule(task, more ? millis(Math.max(shortestRest, took * restFactor)) : every);
  }
}
