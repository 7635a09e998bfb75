import { type Millis, millis } from '../../../src/util/brand.ts';
import type { Cancel, Clock } from '../../../src/util/clock.ts';

interface Timer {
  due: number;
  order: number;
  task: () => void;
}

/** A clock that stands still until it is moved by hand. */
export class FakeClock implements Clock {
  #wall: number;
  #elapsed = 0;
  #order = 0;
  #timers: Timer[] = [];

  constructor(start = Date.UTC(2026, 10, 21)) {
    this.#wall = start;
  }

  now(): Millis {
    return millis(Math.floor(this.#wall));
  }

  /** The clock of a system, which does not know better. */
  get isRight(): boolean {
    return true;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(delay: Millis, task: () => void): Cancel {
    const timer = { due: this.#elapsed + Math.max(0, delay), order: this.#order++, task };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets time pass; timers fire in the order of their due times, those set on the way too. */
  advance(by: number): void {
    const end = this.#elapsed + by;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.due <= end);
      const next = due.sort((a, b) => a.due - b.due || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#move(Math.max(0, next.due - this.#elapsed));
      next.task();
    }
    this.#move(end - this.#elapsed);
  }

  /** Sets the wall clock, as when the board learns the time from the network; timers do not notice. */
  set(now: number): void {
    this.#wall = now;
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }

  #move(by: number): void {
    this.#elapsed += by;
    this.#wall += by;
  }
}
