/** Bits of a chunk. Small chunks, so that a few numbers far apart do not cost much. */
const chunkBits = 4096;
const chunkWords = chunkBits / 32;

/**
 * A set of NIDs as bits: at most an eighth of a byte for each number that was ever given out, however many it holds. For
 * walks over events that would not fit into a `Set`.
 */
export class NidSet<Nid extends number> {
  readonly #chunks: (Uint32Array | undefined)[] = [];
  /** No chunk above this one holds anything. */
  #top = -1;

  /** False if it was in the set already. */
  add(nid: Nid): boolean {
    const at = Math.floor(nid / chunkBits);
    let chunk = this.#chunks[at];
    if (chunk === undefined) {
      chunk = new Uint32Array(chunkWords);
      this.#chunks[at] = chunk;
    }
    if (at > this.#top) this.#top = at;
    const word = (nid % chunkBits) >>> 5;
    const bit = 1 << (nid & 31);
    const before = chunk[word] as number;
    chunk[word] = before | bit;
    return (before & bit) === 0;
  }

  has(nid: Nid): boolean {
    const word = this.#chunks[Math.floor(nid / chunkBits)]?.[(nid % chunkBits) >>> 5] ?? 0;
    return (word & (1 << (nid & 31))) !== 0;
  }

  /** Takes at most `limit` of the highest numbers out of the set, highest first. */
  takeHighest(limit: number): Nid[] {
    const taken: Nid[] = [];
    for (; this.#top >= 0 && taken.length < limit; this.#top--) {
      const chunk = this.#chunks[this.#top];
      if (chunk === undefined) continue;
      this.#takeFrom(chunk, limit, taken);
      if (taken.length >= limit) return taken;
      this.#chunks[this.#top] = undefined;
    }
    return taken;
  }

  #takeFrom(chunk: Uint32Array, limit: number, taken: Nid[]): void {
    for (let word = chunkWords - 1; word >= 0; word--) {
      let bits = chunk[word] as number;
      while (bits !== 0 && taken.length < limit) {
        const bit = 31 - Math.clz32(bits);
        bits &= ~(1 << bit);
        taken.push((this.#top * chunkBits + word * 32 + bit) as Nid);
      }
      chunk[word] = bits;
      if (taken.length >= limit) return;
    }
  }
}
