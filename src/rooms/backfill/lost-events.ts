import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { Lru } from '../../util/lru.ts';

/** Ends of histories where nobody goes on; one that is forgotten is only asked for once more. */
const entries = 2000;
const firstWait = 60_000;
const longestWait = 60 * 60_000;

/** Events that nobody had when they were asked for: not asked for again for a while, so that scrolling costs nothing. */
export class LostEvents<Key> {
  readonly #clock: Clock;
  readonly #lost = new Lru<Key, { readonly until: Millis; readonly wait: number }>(entries);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(event: Key): boolean {
    const entry = this.#lost.get(event);
    return entry !== undefined && entry.until > this.#clock.now();
  }

  /** Each time in a row it is left alone for twice as long. */
  add(event: Key): void {
    const before = this.#lost.get(event);
    const wait = before === undefined ? firstWait : Math.min(longestWait, before.wait * 2);
    this.#lost.set(event, { until: millis(this.#clock.now() + wait), wait });
  }

  found(event: Key): void {
    this.#lost.delete(event);
  }
}
