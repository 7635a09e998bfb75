import type { StreamPos } from '../../store/nids.ts';
import type { Clock } from '../../util/clock.ts';

/** The span of the servers that keep up, and those of a few that do not. */
const kept = 4;
/** A server that is told later gets what holds then. */
const longest = 10_000;

interface Entry<T> {
  readonly from: StreamPos;
  readonly to: StreamPos;
  readonly until: number;
  readonly value: T;
}

/**
 * What a source has read of a span of the stream, for the next server that is told of the same span: thousands may be,
 * and all of them get the same words.
 */
export class SpanMemo<T> {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #entries: readonly Entry<T>[] = [];

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  get(from: StreamPos, to: StreamPos, read: () => T): T {
    const now = this.#clock.monotonic();
    const found = this.#entries.find((entry) => entry.from === from && entry.to === to && entry.until > now);
    if (found !== undefined) return found.value;
    const value = read();
    const others = this.#entries.filter((entry) => entry.until > now && (entry.from !== from || entry.to !== to));
    this.#entries = [{ from, to, until: now + longest, value }, ...others.slice(0, kept - 1)];
    return value;
  }

  forget(): void {
    this.#entries = [];
  }
}
