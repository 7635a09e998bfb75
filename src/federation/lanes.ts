/** Leaves the lane; more than once does no harm. */
type Leave = () => void;

interface Waiting<Key> {
  readonly key: Key;
  readonly enter: () => void;
}

/**
 * Lets so many in at once for one key, and so many for all keys; the others wait in the order in which they came, those
 * of a full lane without holding up the rest. Holds one number for each key in use, and what waits, which is bounded.
 */
export class Lanes<Key> {
  readonly #perKey: number;
  readonly #overall: number;
  readonly #longestQueue: number;
  readonly #inside = new Map<Key, number>();
  #total = 0;
  #queue: Waiting<Key>[] = [];

  constructor(perKey: number, overall: number, longestQueue: number) {
    this.#perKey = perKey;
    this.#overall = overall;
    this.#longestQueue = longestQueue;
  }

  /** What ends the stay; `undefined` if too many wait already, or the signal came first. */
  enter(key: Key, signal?: AbortSignal): Promise<Leave | undefined> {
    if (signal?.aborted === true) return Promise.resolve(undefined);
    if (this.#isOpen(key)) return Promise.resolve(this.#take(key));
    if (this.#queue.length >= this.#longestQueue) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const giveUp = () => {
        this.#queue = this.#queue.filter((other) => other !== waiting);
        resolve(undefined);
      };
      const waiting: Waiting<Key> = {
        key,
        enter: () => {
          signal?.removeEventListener('abort', giveUp);
          resolve(this.#take(key));
        },
      };
      this.#queue.push(waiting);
      signal?.addEventListener('abort', giveUp, { once: true });
    });
  }

  #isOpen(key: Key): boolean {
    return this.#total < this.#overall && (this.#inside.get(key) ?? 0) < this.#perKey;
  }

  #take(key: Key): Leave {
    this.#total++;
    this.#inside.set(key, (this.#inside.get(key) ?? 0) + 1);
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      this.#total--;
      const left = (this.#inside.get(key) ?? 1) - 1;
      if (left > 0) this.#inside.set(key, left);
      else this.#inside.delete(key);
      this.#letIn();
    };
  }

  #letIn(): void {
    for (let at = 0; at < this.#queue.length && this.#total < this.#overall; ) {
      const next = this.#queue[at];
      if (next === undefined || !this.#isOpen(next.key)) {
        at++;
        continue;
      }
      this.#queue.splice(at, 1);
      next.enter();
    }
  }
}
