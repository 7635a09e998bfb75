import type { IncomingMessage } from 'node:http';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';

export interface StreamedBodyOptions {
  readonly clock: Clock;
  /** For each wait for more. */
  readonly timeout: Millis;
  /** Breaks it off. */
  readonly signal: AbortSignal;
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
  #cancel: () => void;
  #isOver = false;

  constructor(response: IncomingMessage, options: StreamedBodyOptions) {
    this.#response = response;
    this.#options = options;
    this.#cancel = this.#destroyAfter(patience, 'nobody reads it');
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    const pieces = (this.#response as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    try {
      for (;;) {
        this.#cancel();
        this.#cancel = this.#destroyAfter(this.#options.timeout, 'nothing more comes');
        const next = await pieces.next();
        this.#cancel();
        if (next.done === true) return;
        this.#cancel = this.#destroyAfter(patience, 'nobody reads it');
        yield next.value;
      }
    } finally {
      this.#finish();
      await pieces.return?.();
    }
  }

  #destroyAfter(delay: Millis, why: string): () => void {
    return this.#options.clock.after(delay, () => {
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
