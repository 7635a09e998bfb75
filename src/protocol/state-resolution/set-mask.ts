/** Which of a fixed number of state sets hold an event: one bit a set, however many sets there are. */
export class SetMask {
  readonly #words: Uint32Array;
  readonly #count: number;
  #missing: number;

  constructor(setCount: number) {
    this.#words = new Uint32Array((setCount + 31) >>> 5);
    this.#count = setCount;
    this.#missing = setCount;
  }

  get isFull(): boolean {
    return this.#missing === 0;
  }

  add(set: number): void {
    this.#merge(set >>> 5, 1 << (set & 31));
  }

  addAll(other: SetMask): void {
    if (this.isFull) return;
    if (other.isFull) return this.fill();
    for (const [word, bits] of other.#words.entries()) this.#merge(word, bits);
  }

  fill(): void {
    for (let set = 0; set < this.#count; set++) this.add(set);
  }

  #merge(word: number, bits: number): void {
    const before = this.#words[word] ?? 0;
    const added = bits & ~before;
    if (added === 0) return;
    this.#words[word] = before | added;
    this.#missing -= bitCount(added);
  }
}

function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
