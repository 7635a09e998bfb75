/** Lets so many in at a time, in the order in which they came; who comes when the queue is full is turned away. */
export class Slots {
  #size: number;
  /** Below 0 while more are in than may be. */
  #free: number;
  readonly #longestQueue: number;
  readonly #queue: (() => void)[] = [];

  constructor(slots: number, longestQueue: number) {
    this.#size = slots;
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
    this.#free++;
    this.#letIn();
  }

  /** How many may be in from now on; who is in already stays. */
  resize(slots: number): void {
    this.#free += slots - this.#size;
    this.#size = slots;
    this.#letIn();
  }

  #letIn(): void {
    while (this.#free > 0) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      this.#free--;
      next();
    }
  }
}
