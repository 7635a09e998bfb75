import type { ServerNid } from '../../store/nids.ts';
import { millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';

/** `shared`: for servers that keep up; `own`: for those that are behind; `slow`: what has not been answered for a while. */
export type Lane = 'shared' | 'own' | 'slow';

/**
 * Transactions in flight, and so bodies in memory and sockets open: 32 at most, some MB; the client leaves others some
 * calls beside them. Servers that keep up and those that are behind do not wait for each other, and neither for those
 * that do not answer.
 */
const places: Readonly<Record<Lane, number>> = { shared: 16, own: 8, slow: 8 };

/** A server that has not answered for so long gives its place to others: far more than most need. */
const slowAfter = millis(3000);

interface Flight {
  lane: Lane;
  readonly controller: AbortController;
  readonly settled: Promise<void>;
}

/** What is on its way to other servers: one transaction each at a time. */
export class Lanes {
  readonly #clock: Clock;
  readonly #log: Log;
  /** In the order of their starts; one that becomes slow moves to the end. */
  readonly #flights = new Map<ServerNid, Flight>();
  readonly #used: Record<Lane, number> = { shared: 0, own: 0, slow: 0 };

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  free(lane: Lane): number {
    return places[lane] - this.#used[lane];
  }

  has(server: ServerNid): boolean {
    return this.#flights.has(server);
  }

  get size(): number {
    return this.#flights.size;
  }

  /**
   * Starts `work` for a server for which none is under way. `onSlow` is called once if it takes long; then it no
   * longer takes up a place of its lane, and it is broken off if there are too many like it.
   */
  fly(lane: Lane, server: ServerNid, work: (signal: AbortSignal) => Promise<void>, onSlow: () => void): void {
    const controller = new AbortController();
    const cancel: Cancel = this.#clock.after(slowAfter, () => {
      this.#makeSlow(server, flight);
      onSlow();
    });
    const settled = work(controller.signal)
      .catch((cause: unknown) => {
        // Not even its failure could be noted: the database is gone, and the process with it.
        this.#log.error('outbox.failed', { cause });
      })
      .finally(() => {
        cancel();
        this.#flights.delete(server);
        this.#used[flight.lane]--;
      });
    const flight: Flight = { lane, controller, settled };
    this.#flights.set(server, flight);
    this.#used[lane]++;
  }

  /** Resolves when nothing is on its way any more. */
  async idle(): Promise<void> {
    while (this.#flights.size > 0) await Promise.all([...this.#flights.values()].map(({ settled }) => settled));
  }

  breakOff(): void {
    for (const { controller } of this.#flights.values()) controller.abort();
  }

  #makeSlow(server: ServerNid, flight: Flight): void {
    if (this.free('slow') <= 0) {
      // The one that has had the most time.
      for (const other of this.#flights.values()) {
        if (other.lane !== 'slow' || other.controller.signal.aborted) continue;
        other.controller.abort();
        break;
      }
    }
    this.#used[flight.lane]--;
    flight.lane = 'slow';
    this.#used.slow++;
    this.#flights.delete(server);
    this.#flights.set(server, flight);
  }
}
