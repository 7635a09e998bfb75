/** Lets so many in at a time, in the order in which they came; who comes when the queue is full is turned away. */
export class Slots {
  #free: number;
  readonly #longestQueue: number;
  readonly #queue: (() => void)[] = [];

  constructor(slots: number, longestQueue: number) {
    this.#free = slots;
    this.#longestQueue = longestQueue;
  }

  /** Resolves to `true` once there is a place, which has to be given back; to `false` if too many wait. */
  take(): Promise<boolean> {
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(true);
    }
    if (this.#queue.length >= this.#longestQueue) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#queue.push(() => resolve(true));
    });
  }

  giveBack(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
