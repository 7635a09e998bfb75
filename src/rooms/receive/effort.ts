import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';

/** Longest time for which the events of one transaction wait for what they cite. */
const longest = millis(25_000);
/** Events fetched for the sake of those of one transaction, and their bytes: what is in memory at once. */
const mostEvents = 1000;
const mostBytes = 8 * 1024 * 1024;

/** How much may still be done to complete some events, and who may be asked. */
export class Effort implements Disposable {
  /** Whom to ask, the likeliest first. */
  readonly servers: readonly ServerName[];
  /** Events that servers gave, but that are not right or rest on such: nobody need be asked again. */
  readonly hopeless = new Set<EventId>();
  readonly #abort = new AbortController();
  readonly #cancel: () => void;
  readonly #outer: AbortSignal | undefined;
  #events = mostEvents;
  #bytes = mostBytes;
  #missingEventsCalls = 0;

  constructor(servers: readonly ServerName[], clock: Clock, signal?: AbortSignal, time: Millis = longest) {
    this.servers = servers;
    this.#outer = signal;
    this.#cancel = clock.after(time, this.#end);
    signal?.addEventListener('abort', this.#end, { once: true });
    if (signal?.aborted) this.#end();
  }

  readonly #end = () => this.#abort.abort();

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isOver(): boolean {
    return this.#abort.signal.aborted || this.#events <= 0 || this.#bytes <= 0;
  }

  get eventsLeft(): number {
    return Math.max(0, this.#events);
  }

  /** Another event of so many bytes came in. */
  spend(bytes: number): void {
    this.#events--;
    this.#bytes -= bytes;
  }

  /** Whether to go on asking for the events in between: what is farther behind is left to backfill. */
  mayAskForMissing(most: number): boolean {
    return !this.isOver && this.#missingEventsCalls++ < most;
  }

  [Symbol.dispose](): void {
    this.#cancel();
    this.#outer?.removeEventListener('abort', this.#end);
  }
}
