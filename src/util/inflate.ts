/** https://www.rfc-editor.org/rfc/rfc1951.html#section-3.2 */
const maxBits = 15;
const endOfBlock = 256;
const lengthBase = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const lengthExtra = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const distanceExtra = [
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];
/** The order in which the lengths of the codes for code lengths are written. */
const codeLengthOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A Huffman code: how many codes there are of each length, and the symbols in the order of their codes. */
class Code {
  readonly counts = new Uint16Array(maxBits + 1);
  readonly symbols: Uint16Array;
  readonly #next = new Uint16Array(maxBits + 1);

  constructor(symbols: number) {
    this.symbols = new Uint16Array(symbols);
  }

  /** Builds the code from the lengths at `from`. */
  build(lengths: Uint8Array, from: number, count: number): this {
    const { counts, symbols } = this;
    const next = this.#next;
    counts.fill(0);
    for (let symbol = 0; symbol < count; symbol++) {
      const bits = lengths[from + symbol] as number;
      counts[bits] = (counts[bits] as number) + 1;
    }
    let left = 1;
    for (let bits = 1; bits <= maxBits; bits++) {
      left = left * 2 - (counts[bits] as number);
      if (left < 0) throw new RangeError('deflate: too many codes of one length');
    }
    next[1] = 0;
    for (let bits = 1; bits < maxBits; bits++) next[bits + 1] = (next[bits] as number) + (counts[bits] as number);
    for (let symbol = 0; symbol < count; symbol++) {
      const bits = lengths[from + symbol] as number;
      if (bits === 0) continue;
      symbols[next[bits] as number] = symbol;
      next[bits] = (next[bits] as number) + 1;
    }
    return this;
  }
}

/** An output up to this size lies in memory that stays. */
const keptSize = 16 * 1024;

/**
 * Reads raw deflate with a preset dictionary, for texts of some hundred bytes by the ten thousand. zlib takes an object with
 * two streams' worth of state for each call, which dozens of times outweighs such a text and outlives it: the heap
 * grows by them until it is collected as a whole. This takes nothing for each call.
 * @see https://www.rfc-editor.org/rfc/rfc1951.html
 */
export class Inflater {
  readonly #dictionary: Uint8Array;
  /** The dictionary and behind it the output, so that what lies before the output is looked up like the output itself. */
  readonly #kept: Buffer;
  readonly #lengths = new Uint8Array(288 + 32);
  readonly #fixed: readonly [Code, Code];
  readonly #literals = new Code(288);
  readonly #distances = new Code(32);
  #in: Uint8Array = Buffer.alloc(0);
  #at = 0;
  #bits = 0;
  #bitCount = 0;
  #out: Buffer;
  #outAt = 0;
  #outEnd = 0;

  constructor(dictionary: Uint8Array) {
    this.#dictionary = dictionary;
    this.#kept = this.#room(keptSize);
    this.#out = this.#kept;
    const lengths = this.#lengths.fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280, 288);
    const literals = new Code(288).build(lengths, 0, 288);
    this.#fixed = [literals, new Code(32).build(lengths.fill(5, 0, 30), 0, 30)];
  }

  /** The text of `length` bytes that `data` holds. Throws `RangeError` if it does not. */
  text(data: Uint8Array, length: number): string {
    const start = this.#dictionary.length;
    this.#in = data;
    this.#at = 0;
    this.#bits = 0;
    this.#bitCount = 0;
    this.#out = length <= keptSize ? this.#kept : this.#room(length);
    this.#outAt = start;
    this.#outEnd = start + length;
    try {
      while (!this.#block());
      if (this.#outAt !== this.#outEnd) throw new RangeError('deflate: the text is shorter than it should be');
      return this.#out.toString('utf8', start, this.#outEnd);
    } finally {
      this.#out = this.#kept;
    }
  }

  #room(length: number): Buffer {
    const room = Buffer.allocUnsafeSlow(this.#dictionary.length + length);
    room.set(this.#dictionary);
    return room;
  }

  /** Reads a block; true if it was the last. */
  #block(): boolean {
    const isLast = this.#take(1) === 1;
    const kind = this.#take(2);
    if (kind === 0) this.#stored();
    else if (kind === 1) this.#compressed(this.#fixed[0], this.#fixed[1]);
    else if (kind === 2) {
      this.#codes();
      this.#compressed(this.#literals, this.#distances);
    } else throw new RangeError('deflate: an unknown kind of block');
    return isLast;
  }

  #take(count: number): number {
    let bits = this.#bits;
    while (this.#bitCount < count) {
      const byte = this.#in[this.#at++];
      if (byte === undefined) throw new RangeError('deflate: the bytes end too early');
      bits |= byte << this.#bitCount;
      this.#bitCount += 8;
    }
    this.#bits = bits >>> count;
    this.#bitCount -= count;
    return bits & ((1 << count) - 1);
  }

  #symbol({ counts, symbols }: Code): number {
    let code = 0;
    let first = 0;
    let index = 0;
    let bits = this.#bits;
    let left = this.#bitCount;
    for (let length = 1; length <= maxBits; length++) {
      if (left === 0) {
        const byte = this.#in[this.#at++];
        if (byte === undefined) throw new RangeError('deflate: the bytes end too early');
        bits = byte;
        left = 8;
      }
      code |= bits & 1;
      bits >>>= 1;
      left--;
      const count = counts[length] as number;
      if (code - count < first) {
        this.#bits = bits;
        this.#bitCount = left;
        return symbols[index + code - first] as number;
      }
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw new RangeError('deflate: no such code');
  }

  #stored(): void {
    this.#bits = 0;
    this.#bitCount = 0;
    const length = this.#take(16);
    if (this.#take(16) !== (length ^ 0xffff)) throw new RangeError('deflate: a length that is not confirmed');
    if (this.#at + length > this.#in.length) throw new RangeError('deflate: the bytes end too early');
    this.#reserve(length);
    this.#out.set(this.#in.subarray(this.#at, this.#at + length), this.#outAt);
    this.#at += length;
    this.#outAt += length;
  }

  #reserve(count: number): void {
    if (this.#outAt + count > this.#outEnd) throw new RangeError('deflate: the text is longer than it should be');
  }

  /** Reads the codes of a block that has its own. */
  #codes(): void {
    const lengths = this.#lengths;
    const literals = this.#take(5) + 257;
    const distances = this.#take(5) + 1;
    const count = this.#take(4) + 4;
    if (literals > 286 || distances > 30) throw new RangeError('deflate: too many symbols');
    lengths.fill(0, 0, codeLengthOrder.length);
    for (let i = 0; i < count; i++) lengths[codeLengthOrder[i] as number] = this.#take(3);
    const code = this.#literals.build(lengths, 0, codeLengthOrder.length);
    let at = 0;
    while (at < literals + distances) {
      const symbol = this.#symbol(code);
      if (symbol < 16) {
        lengths[at++] = symbol;
        continue;
      }
      if (symbol === 16 && at === 0) throw new RangeError('deflate: nothing to repeat');
      const repeated = symbol === 16 ? (lengths[at - 1] as number) : 0;
      const times = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7);
      if (at + times > literals + distances) throw new RangeError('deflate: too many symbols');
      lengths.fill(repeated, at, at + times);
      at += times;
    }
    this.#literals.build(lengths, 0, literals);
    this.#distances.build(lengths, literals, distances);
  }

  #compressed(literals: Code, distances: Code): void {
    const out = this.#out;
    while (true) {
      const symbol = this.#symbol(literals);
      if (symbol < endOfBlock) {
        this.#reserve(1);
        out[this.#outAt++] = symbol;
      } else if (symbol === endOfBlock) return;
      else {
        const length = this.#extended(symbol - endOfBlock - 1, lengthBase, lengthExtra);
        const distance = this.#extended(this.#symbol(distances), distanceBase, distanceExtra);
        const from = this.#outAt - distance;
        if (from < 0) throw new RangeError('deflate: a distance to before the beginning');
        this.#reserve(length);
        // Byte by byte: what is copied may overlap what is written.
        for (let i = 0; i < length; i++) out[this.#outAt + i] = out[from + i] as number;
        this.#outAt += length;
      }
    }
  }

  #extended(symbol: number, bases: readonly number[], extras: readonly number[]): number {
    const base = bases[symbol];
    if (base === undefined) throw new RangeError('deflate: no such length or distance');
    return base + this.#take(extras[symbol] as number);
  }
}
