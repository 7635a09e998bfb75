import { inflateSync } from 'fflate/browser';

/** A text up to this size is written into memory that stays. */
const keptSize = 16 * 1024;

/**
 * Reads raw deflate with a preset dictionary, for texts of some hundred bytes by the ten thousand. zlib takes an object with
 * two streams' worth of state for each call, which dozens of times outweighs such a text and outlives it: the heap
 * grows by them until it is collected as a whole. This takes nothing for each call.
 */
export class Inflater {
  readonly #dictionary: Uint8Array;
  readonly #kept = Buffer.allocUnsafeSlow(keptSize + 1);

  constructor(dictionary: Uint8Array) {
    this.#dictionary = dictionary;
  }

  /** The text of `length` bytes that `data` holds. Throws `RangeError` if it does not. */
  text(data: Uint8Array, length: number): string {
    // A byte more than is needed, so that a longer text shows.
    const room = length <= keptSize ? this.#kept.subarray(0, length + 1) : Buffer.allocUnsafeSlow(length + 1);
    const found = this.#read(data, room);
    if (found !== length) throw new RangeError(`deflate: the text does not have ${length} bytes`);
    return room.toString('utf8', 0, length);
  }

  #read(data: Uint8Array, out: Uint8Array): number {
    try {
      return inflateSync(data, { dictionary: this.#dictionary, out }).length;
    } catch (error) {
      throw new RangeError('deflate: these bytes are no such text', { cause: error });
    }
  }
}
