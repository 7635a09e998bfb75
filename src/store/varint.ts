/** Writes integers of seven bits a byte (least significant first), and bytes. Grows as needed. */
export class ByteWriter {
  #buffer = Buffer.allocUnsafe(256);
  #length = 0;

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + count));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#buffer[this.#length++] = rest;
  }

  /** A whole number of either sign, small in either direction. */
  signed(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  bytes(data: Uint8Array): void {
    this.#reserve(data.length);
    this.#buffer.set(data, this.#length);
    this.#length += data.length;
  }

  /** Bytes with their length before them. */
  prefixed(data: Uint8Array): void {
    this.varint(data.length);
    this.bytes(data);
  }

  /** A copy of what was written. */
  finish(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }
}

/** Reads what `ByteWriter` wrote. Throws `RangeError` beyond the end. */
export class ByteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get done(): boolean {
    return this.#at >= this.#buffer.length;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    while (true) {
      const byte = this.#buffer[this.#at++];
      if (byte === undefined) throw new RangeError('the bytes end inside a number');
      if (byte < 0x80) return value + byte * scale;
      value += (byte - 0x80) * scale;
      scale *= 0x80;
    }
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bytes(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#buffer.length) throw new RangeError('the bytes end too early');
    const part = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  prefixed(): Buffer {
    return this.bytes(this.varint());
  }

  skip(count: number): void {
    this.#at += count;
  }

  rest(): Buffer {
    return this.bytes(this.#buffer.length - this.#at);
  }
}
