import { type Millis, millis } from '../../util/brand.ts';
import type { Cancel, Clock } from '../../util/clock.ts';

/** Without a sign of life for that long, something else is tried: while an answer comes in, and while it is worked on. */
const readingPatience = millis(120_000);
/** The keys of thousands of servers are asked for, of which many may be gone for good. */
const workingPatience = millis(20 * 60_000);
/** Bytes of an answer that are a sign of life: who sends less in that time would need days. */
const bytesForASign = 1024 * 1024;
/** All of an answer: 40 MB over a line of 128 kbit/s. Who draws out a larger one is not waited for. */
const longestReading = millis(45 * 60_000);

/** Calls off what does not get on. */
export class Watchdog implements Disposable {
  readonly #clock: Clock;
  readonly #callOff: () => void;
  #signs = 0;
  #bytes = 0;
  #patience = readingPatience;
  #cancel: Cancel;
  readonly #longestReading: Millis;

  /** `longest`: for reading all of an answer. */
  constructor(clock: Clock, callOff: () => void, longest = longestReading) {
    this.#clock = clock;
    this.#callOff = callOff;
    this.#longestReading = longest;
    this.#cancel = this.#wait();
  }

  /** It gets on. */
  sign(): void {
    this.#signs++;
  }

  /** An answer that is read: it has to come with a certain speed. */
  async *watched(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const cancel = this.#clock.after(this.#longestReading, this.#callOff);
    try {
      for await (const chunk of body) {
        this.#bytes += chunk.length;
        if (this.#bytes >= bytesForASign) {
          this.#bytes = 0;
          this.sign();
        }
        yield chunk;
      }
    } finally {
      cancel();
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
