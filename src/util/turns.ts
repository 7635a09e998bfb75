/**
 * Long jobs of one kind take turns: however many there are, each turn of the process has a piece of one of them, and not
 * of all. In the order in which they ask.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];

  /** Resolves in a later turn of the process, in which nobody else's does. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(this.#give);
    });
  }

  readonly #give = (): void => {
    const first = this.#waiting.shift();
    if (this.#waiting.length > 0) setImmediate(this.#give);
    first?.();
  };
}
