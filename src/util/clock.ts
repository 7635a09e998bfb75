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
    const timer = setTimeout(task, delay);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** A time as HTTP headers have it: `Sat, 21 Nov 2026 11:00:00 GMT`. */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}
