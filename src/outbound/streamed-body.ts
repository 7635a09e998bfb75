import type { IncomingMessage } from 'node:http';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';

export interface StreamedBodyOptions {
  readonly clock: Clock;
  /** For each wait for more. */
  readonly timeout: Millis;
  /** Called once, when nothing more is read. */
  readonly ended: () => void;
}

/**
 * How long its reader may be busy with a piece: a reader that was lost must not keep a connection for ever, and one
 * that works through a large join has to wait for its turn now and then.
 */
const patience = millis(10 * 60_000);

/** The body of an answer, read once, in pieces. The connection is closed when it is left or nothing comes for long. */
export class StreamedBody implements AsyncIterable<Buffer> {
  readonly #response: IncomingMessage;
  readonly #options: StreamedBodyOptions;
  #cancel: () => void = () => {};
  #isOver = false;

  constructor(response: IncomingMessage, options: StreamedBodyOptions) {
    this.#response = response;
    this.#options = options;
    this.#watch(patience, 'nobody reads it');
  }

  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    const pieces = (this.#response as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    return {
      next: async () => {
        this.#watch(this.#options.timeout, 'nothing more comes');
        try {
          const next = await pieces.next();
          if (next.done === true) this.#finish();
          else this.#watch(patience, 'nobody reads it');
          return next;
        } catch (error) {
          this.#finish();
          throw error;
        }
      },
      // Not by way of `pieces`, which does nothing if it was never asked for anything.
      return: () => {
        this.#finish();
        this.#response.destroy();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  #watch(delay: Millis, why: string): void {
    this.#cancel();
    if (this.#isOver) return;
    this.#cancel = this.#options.clock.after(delay, () => {
      this.#response.destroy(new Error(why));
      this.#finish();
    });
  }

  #finish(): void {
    this.#cancel();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.ended();
  }
}
