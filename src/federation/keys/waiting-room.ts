import { Slots } from '../../outbound/slots.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';

export interface WaitingRoomSizes {
  /** Done at once. */
  readonly atOnce: number;
  /** Besides these, work that has taken longer than a second. */
  readonly slowAtOnce: number;
  /** Work that waits for its turn; more is left undone. */
  readonly longestQueue: number;
}

const patience = millis(1000);

/**
 * Lets so much work be done at once. What takes longer than others, as it waits for an answer that may never come, lets the
 * next one in: to wait costs little, but for the connection.
 */
export class WaitingRoom {
  readonly #clock: Clock;
  readonly #slots: Slots;
  readonly #slowAtOnce: number;
  #slow = 0;

  constructor(clock: Clock, { atOnce, slowAtOnce, longestQueue }: WaitingRoomSizes) {
    this.#clock = clock;
    this.#slots = new Slots(atOnce, longestQueue);
    this.#slowAtOnce = slowAtOnce;
  }

  /** Resolves when the work is done, or is not to be done because too much waits already. */
  async run(work: () => Promise<void>): Promise<void> {
    if (!(await this.#slots.take())) return;
    let isSlow = false;
    const cancel = this.#clock.after(patience, () => {
      if (this.#slow >= this.#slowAtOnce) return;
      isSlow = true;
      this.#slow++;
      this.#slots.giveBack();
    });
    try {
      await work();
    } finally {
      cancel();
      if (isSlow) this.#slow--;
      else this.#slots.giveBack();
    }
  }
}
