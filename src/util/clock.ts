import { type Millis, millis } from './brand.ts';

/** Cancels a timer that has not fired yet; harmless afterwards. */
export type Cancel = () => void;

/** The only source of time. Tests replace it by a clock moved by hand. */
export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. May jump when the board gets its time from the network. */
  now(): Millis;
  /** False while the time is known to be wrong: then nothing is signed, and no certificate or key is judged. */
  readonly isRight: boolean;
  /** Monotonic milliseconds with a fraction, for durations. */
  monotonic(): number;
  /** Calls `task` once after `delay`. A pending timer never keeps the process alive. */
  after(delay: Millis, task: () => void): Cancel;
}

export const systemClock: Clock = {
  now: () => millis(Date.now()),
  isRight: true,
  monotonic: () => performance.now(),
  after(delay, task) {
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      timer = setTimeout(left > longestTimer ? () => wait(left - longestTimer) : task, Math.min(left, longestTimer));
      timer.unref();
    };
    wait(delay);
    return () => clearTimeout(timer);
  },
};

/** Node takes a longer one, some 25 days, for one that is due at once. */
const longestTimer = 2 ** 31 - 1;

/** A time as HTTP headers have it: `Sat, 21 Nov 2026 11:00:00 GMT`. */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}
