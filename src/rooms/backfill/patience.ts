import type { Clock } from '../../util/clock.ts';

/** How long a client may be kept waiting for one thing: others may take their time with each of many answers. */
export class Patience {
  readonly #clock: Clock;
  readonly #end: number;

  /** In milliseconds from now. */
  constructor(clock: Clock, time: number) {
    this.#clock = clock;
    this.#end = clock.monotonic() + time;
  }

  get isOver(): boolean {
    return this.#clock.monotonic() > this.#end;
  }
}
