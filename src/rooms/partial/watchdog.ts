import { millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';

/** Without a sign of life for that long, something else is tried: while an answer comes in, and while it is worked on. */
const readingPatience = millis(120_000);
/** The keys of thousands of servers are asked for, of which many may be gone for good. */
const workingPatience = millis(20 * 60_000);
/** Bytes of an answer that are a sign of life: who sends less in that time would need days. */
const bytesForASign = 128 * 1024;

/** Calls off what does not get on. */
export class Watchdog implements Disposable {
  readonly #clock: Clock;
  readonly #callOff: () => void;
  #signs = 0;
  #bytes = 0;
  #patience = readingPatience;
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
    this.working();
  }

  /** What is waited for from here on takes its time. */
  working(): void {
    this.#patience = workingPatience;
    this.#cancel();
    this.#cancel = this.#wait();
  }

  [Symbol.dispose](): void {
    this.#cancel();
  }

  #wait(): Cancel {
    const before = this.#signs;
    return this.#clock.after(this.#patience, () => {
      if (this.#signs === before) this.#callOff();
      else this.#cancel = this.#wait();
    });
  }
}
