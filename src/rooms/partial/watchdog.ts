import { millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';

/** Without a sign of life for that long, something else is tried. */
const patience = millis(120_000);
/** Bytes of an answer that are a sign of life: who sends less in that time would need days. */
const bytesForASign = 128 * 1024;

/** Calls off what does not get on. */
export class Watchdog implements Disposable {
  readonly #clock: Clock;
  readonly #callOff: () => void;
  #signs = 0;
  #bytes = 0;
  #cancel: Cancel;

  constructor(clock: Clock, callOff: () => void) {
    this.#clock = clock;
    this.#callOff = callOff;
    this.#cancel = this.#wait();
  }

  /** It gets on. */
  sign(): void {
    this.#signs++;
  }

  /** An answer that is read: it has to come with a certain speed. */
  async *watched(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of body) {
      this.#bytes += chunk.length;
      if (this.#bytes >= bytesForASign) {
        this.#bytes = 0;
        this.sign();
      }
      yield chunk;
    }
    this.sign();
  }

  [Symbol.dispose](): void {
    this.#cancel();
  }

  #wait(): Cancel {
    const before = this.#signs;
    return this.#clock.after(patience, () => {
      if (this.#signs === before) this.#callOff();
      else this.#cancel = this.#wait();
    });
  }
}
