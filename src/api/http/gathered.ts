import type { Piece } from './types.ts';

/** Pieces are gathered up to this many bytes or characters before they are written: a chunk costs a system call. */
const gatherSize = 16 * 1024;
/** What the last of them may bring. */
const capacity = gatherSize + 8 * 1024;

/** Buffers of answers that are over, for the next ones; more answers at a time than these make their own. */
const spare: Buffer[] = [];
const maxSpare = 4;

/**
 * The pieces of an answer that are not written yet. Several are put together as bytes, in one buffer that serves the whole
 * answer: as strings they would be held until the client has taken them, and grow old meanwhile.
 */
export class Gathered {
  /** The only piece, as it came. */
  #only: Piece | undefined;
  #buffer: Buffer | undefined;
  #size = 0;

  /** Enough for a chunk. */
  get isFull(): boolean {
    return this.#size >= gatherSize;
  }

  /** Takes a piece; false if it does not fit to what is there. */
  add(piece: Piece): boolean {
    if (piece.length === 0) return true;
    if (this.#size === 0) {
      this.#only = piece;
      this.#size = piece.length;
      return true;
    }
    const only = this.#only;
    if (only !== undefined) {
      if (!fits(only, 0)) return false;
      this.#buffer ??= spare.pop() ?? Buffer.allocUnsafeSlow(capacity);
      this.#size = put(this.#buffer, only, 0);
      this.#only = undefined;
    }
    if (this.#buffer === undefined || !fits(piece, this.#size)) return false;
    this.#size += put(this.#buffer, piece, this.#size);
    return true;
  }

  /** Gives all that is there, for good. */
  takeLast(): Piece {
    const isCopy = this.#only === undefined;
    const rest = this.take();
    return isCopy && typeof rest !== 'string' ? Buffer.from(rest) : rest;
  }

  /** Gives all that is there, to be written before the next piece is added. */
  take(): Piece {
    const all = this.#only ?? this.#buffer?.subarray(0, this.#size) ?? '';
    this.#only = undefined;
    this.#size = 0;
    return all;
  }

  /** Nothing more is added, and nothing that was taken is still being written. */
  release(): void {
    if (this.#buffer !== undefined && spare.length < maxSpare) spare.push(this.#buffer);
    this.#buffer = undefined;
  }
}

function fits(piece: Piece, at: number): boolean {
  const free = capacity - at;
  // No character of JavaScript takes more than three bytes.
  if (typeof piece !== 'string') return piece.length <= free;
  return piece.length * 3 <= free || Buffer.byteLength(piece) <= free;
}

function put(buffer: Buffer, piece: Piece, at: number): number {
  if (typeof piece === 'string') return buffer.write(piece, at);
  buffer.set(piece, at);
  return piece.length;
}
