import { createHash } from 'node:crypto';
import type { Random } from '../../src/util/random.ts';

/** Chance that is the same in every run: SHA-256 of the seed and a counter. */
export class SeededRandom implements Random {
  readonly #seed: string;
  #counter = 0;
  #pool = Buffer.alloc(0);

  constructor(seed = 'hearth') {
    this.#seed = seed;
  }

  bytes(count: number): Buffer {
    while (this.#pool.length < count) {
      const block = createHash('sha256')
        .update(`${this.#seed}/${this.#counter++}`)
        .digest();
      this.#pool = Buffer.concat([this.#pool, block]);
    }
    const bytes = Buffer.from(this.#pool.subarray(0, count));
    this.#pool = this.#pool.subarray(count);
    return bytes;
  }

  below(limit: number): number {
    return this.bytes(6).readUIntBE(0, 6) % limit;
  }
}
