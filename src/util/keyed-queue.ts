/** Work that may not overlap for one key runs one after the other; different keys do not wait for each other. */
export class KeyedQueue<Key> {
  readonly #tails = new Map<Key, Promise<unknown>>();
  readonly #waiting = new Map<Key, number>();
  readonly #limit: number;

  /** `limit`: how much may wait or run for one key; what exceeds it is refused. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How much waits or runs for a key. */
  size(key: Key): number {
    return this.#waiting.get(key) ?? 0;
  }

  /** Whether nothing waits or runs. */
  get isIdle(): boolean {
    return this.#tails.size === 0;
  }

  /**
   * Runs `work` after everything that was given for the key before; its failure is the caller's and does not stop what
   * comes after. `undefined` if too much waits already.
   */
  run<T>(key: Key, work: () => Promise<T>): Promise<T> | undefined {
    const size = this.size(key);
    if (size >= this.#limit) return undefined;
    this.#waiting.set(key, size + 1);
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(work, work);
    const tail: Promise<void> = result.then(
      () => this.#ended(key, tail),
      () => this.#ended(key, tail),
    );
    this.#tails.set(key, tail);
    return result;
  }

  #ended(key: Key, tail: Promise<unknown>): void {
    const size = this.size(key) - 1;
    if (size > 0) this.#waiting.set(key, size);
    else this.#waiting.delete(key);
    if (this.#tails.get(key) === tail) this.#tails.delete(key);
  }
}
