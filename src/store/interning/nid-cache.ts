import { Lru } from '../../util/lru.ts';

/** Look-ups of one kind of string in both directions, bounded. */
export class NidCache<N extends number, T> {
  readonly #byKey: Lru<string, N>;
  readonly #byNid: Lru<N, T>;

  constructor(limit: number) {
    this.#byKey = new Lru(limit);
    this.#byNid = new Lru(limit);
  }

  nid(key: string): N | undefined {
    return this.#byKey.get(key);
  }

  value(nid: N): T | undefined {
    return this.#byNid.get(nid);
  }

  setNid(key: string, nid: N): void {
    this.#byKey.set(key, nid);
  }

  setValue(nid: N, value: T): void {
    this.#byNid.set(nid, value);
  }

  /** Forgets a pair whose row is gone. */
  delete(key: string, nid: N): void {
    this.#byKey.delete(key);
    this.#byNid.delete(nid);
  }

  clear(): void {
    this.#byKey.clear();
    this.#byNid.clear();
  }
}
