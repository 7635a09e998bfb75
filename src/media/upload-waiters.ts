import type { Millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';

/** Downloads that wait for an announced upload. As many as there are open requests, at the most. */
export class UploadWaiters {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the upload has arrived, the time is up or the request is gone. */
  wait(mediaId: string, timeout: Millis, signal: AbortSignal): Promise<void> {
    return new Promise((done) => {
      const waiting = this.#waiting.get(mediaId) ?? new Set();
      this.#waiting.set(mediaId, waiting);
      const end = (): void => {
        cancel();
        signal.removeEventListener('abort', end);
        waiting.delete(end);
        if (waiting.size === 0) this.#waiting.delete(mediaId);
        done();
      };
      const cancel = this.#clock.after(timeout, end);
      signal.addEventListener('abort', end);
      waiting.add(end);
      if (signal.aborted) end();
    });
  }

  arrived(mediaId: string): void {
    for (const end of [...(this.#waiting.get(mediaId) ?? [])]) end();
  }
}
