import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from './clock.ts';

/** What a long job may take of the main thread at once, milliseconds: whoever wants something meanwhile waits as long. */
const share = 8;

/** Does something with one after the other, and lets others have their turn whenever its own has been long enough. */
export async function unhurried<T>(clock: Clock, items: Iterable<T>, each: (item: T) => void): Promise<void> {
  const turn = new Turn(clock);
  for (const item of items) {
    each(item);
    if (turn.isOver) await turn.next();
  }
}

/** The same for a loop that is written out. */
export class Turn {
  readonly #clock: Clock;
  #start: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#start = clock.monotonic();
  }

  /** Whether it has been long enough. */
  get isOver(): boolean {
    return this.#clock.monotonic() - this.#start >= share;
  }

  /** Lets others have theirs. */
  async next(): Promise<void> {
    await nextTurn();
    this.#start = this.#clock.monotonic();
  }
}

/**
 * How many pieces of a job's work fit into one turn: found out while it goes on, as boards are of all speeds, and
 * events of all sizes.
 */
export class SliceSize {
  readonly #clock: Clock;
  readonly #most: number;
  #size: number;

  /** Begins with `first`, and never takes more than `most`. */
  constructor(clock: Clock, { first, most }: { readonly first: number; readonly most: number }) {
    this.#clock = clock;
    this.#size = first;
    this.#most = most;
  }

  get size(): number {
    return this.#size;
  }

  /** Does a slice of so many pieces and learns from how long it takes. */
  measure<T>(pieces: number, work: () => T): T {
    const start = this.#clock.monotonic();
    const result = work();
    const took = this.#clock.monotonic() - start;
    const fits = took > 0 ? Math.floor((pieces * share) / took) : this.#most;
    // Short ones in between, as a last page, say little about more.
    this.#size = Math.max(1, Math.min(this.#most, fits, this.#size * 2));
    return result;
  }
}
