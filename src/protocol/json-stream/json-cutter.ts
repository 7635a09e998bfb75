import { decodeUtf8 } from '../parse-json.ts';

/** The text is not what was expected, or larger or deeper than was agreed. */
export class JsonCutError extends Error {}

/** A value cut out of the text: its bytes as they came. */
export interface JsonPiece {
  /** The member of the outermost object that it is, or lies in. */
  readonly key: string;
  /** Whether it is an item of a member that is cut up. */
  readonly isItem: boolean;
  /** Not checked beyond brackets and quotes: whoever parses it does that. Lives as long as the chunk it came in. */
  readonly bytes: Buffer;
}

export interface CutOptions {
  /** Members whose value is an array to be cut into its items. */
  readonly arrays: ReadonlySet<string>;
  /** Members that are wanted whole; all others are skipped. */
  readonly members: ReadonlySet<string>;
  /** Of one item or member; what is skipped is not limited. */
  readonly maxBytes: number;
  /** Of one item or member: arrays and objects in each other. */
  readonly maxDepth: number;
}

const expects = {
  start: 0,
  firstKey: 1,
  nextKey: 2,
  colon: 3,
  value: 4,
  memberEnd: 5,
  firstItem: 6,
  nextItem: 7,
  itemEnd: 8,
  end: 9,
} as const;
type Expected = (typeof expects)[keyof typeof expects];

/** What kind of value is being read. */
const noValue = 0;
const container = 1;
const text = 2;
const scalar = 3;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
const endsScalar = (byte: number): boolean =>
  byte === comma || byte === closeArray || byte === closeObject || isSpace(byte);

/** What a key may take; no key that anybody asks for is longer. */
const maxKeyBytes = 1024;

/**
 * Cuts a JSON object that comes in chunks into pieces, without ever holding more than one of them: the items of some
 * of its arrays, one at a time, and some members whole. Bytes are looked at once. A wanted member that comes twice is
 * refused. Everything wrong throws `JsonCutError`, after which the cutter is of no use.
 */
export class JsonCutter {
  readonly #options: CutOptions;
  readonly #seen = new Set<string>();
  #expected: Expected = expects.start;
  #key = '';
  /** The value being read: its kind, brackets open, and what came of it in earlier chunks. */
  #kind = noValue;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #parts: Buffer[] = [];
  #size = 0;
  #limit = 0;
  #keeps = false;

  constructor(options: CutOptions) {
    this.#options = options;
  }

  /** The pieces that are complete with this chunk. */
  *push(chunk: Buffer): Generator<JsonPiece> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#kind === noValue) {
        at = this.#structure(chunk, at);
        continue;
      }
      const start = at;
      at = this.#valueEnd(chunk, at);
      const ended = at >= 0;
      if (!ended) at = chunk.length;
      this.#keep(chunk, start, at, ended);
      if (!ended) return;
      const piece = this.#finish(chunk, start, at);
      if (piece !== undefined) yield piece;
    }
  }

  /** Throws unless the object is complete. */
  end(): void {
    if (this.#expected !== expects.end || this.#kind !== noValue) throw new JsonCutError('the text ends too early');
  }

  /** One byte between values; answers where to go on. */
  #structure(chunk: Buffer, at: number): number {
    const byte = chunk[at] as number;
    if (isSpace(byte)) return at + 1;
    switch (this.#expected) {
      case expects.start:
        return this.#take(byte === openObject, expects.firstKey, at);
      case expects.firstKey:
        if (byte === closeObject) return this.#take(true, expects.end, at);
        return this.#beginKey(byte, at);
      case expects.nextKey:
        return this.#beginKey(byte, at);
      case expects.colon:
        return this.#take(byte === colon, expects.value, at);
      case expects.value:
        return this.#beginMember(byte, at);
      case expects.memberEnd:
        if (byte === closeObject) return this.#take(true, expects.end, at);
        return this.#take(byte === comma, expects.nextKey, at);
      case expects.firstItem:
        if (byte === closeArray) return this.#take(true, expects.memberEnd, at);
        return this.#begin(byte, at, true);
      case expects.nextItem:
        return this.#begin(byte, at, true);
      case expects.itemEnd:
        if (byte === closeArray) return this.#take(true, expects.memberEnd, at);
        return this.#take(byte === comma, expects.nextItem, at);
      default:
        throw new JsonCutError('something follows the object');
    }
  }

  #take(fits: boolean, next: Expected, at: number): number {
    if (!fits) throw new JsonCutError('not the JSON that was expected');
    this.#expected = next;
    return at + 1;
  }

  #beginKey(byte: number, at: number): number {
    if (byte !== quote) throw new JsonCutError('an object has something that is no key');
    this.#expected = expects.firstKey;
    this.#begin(byte, at, true);
    this.#limit = maxKeyBytes;
    return at;
  }

  #beginMember(byte: number, at: number): number {
    const { arrays, members } = this.#options;
    const isArray = arrays.has(this.#key);
    const isWanted = isArray || members.has(this.#key);
    if (isWanted && this.#seen.has(this.#key)) throw new JsonCutError(`${this.#key} is there twice`);
    if (isWanted) this.#seen.add(this.#key);
    if (isArray) return this.#take(byte === openArray, expects.firstItem, at);
    return this.#begin(byte, at, isWanted);
  }

  #begin(byte: number, at: number, keeps: boolean): number {
    if (byte === openObject || byte === openArray) this.#kind = container;
    else if (byte === quote) this.#kind = text;
    else if (endsScalar(byte) || byte === colon) throw new JsonCutError('a value is missing');
    else this.#kind = scalar;
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
    this.#limit = this.#options.maxBytes;
    this.#keeps = keeps;
    return at;
  }

  /** Where the value being read ends in the chunk, or -1. */
  #valueEnd(chunk: Buffer, from: number): number {
    if (this.#kind === scalar) {
      for (let at = from; at < chunk.length; at++) if (endsScalar(chunk[at] as number)) return at;
      return -1;
    }
    let at = from;
    while (at < chunk.length) {
      if (this.#inString) {
        at = this.#stringEnd(chunk, at);
        if (at < 0) return -1;
        this.#inString = false;
        if (this.#depth === 0) return at;
      }
      at = this.#nesting(chunk, at);
      if (!this.#inString && this.#depth === 0) return at;
    }
    return -1;
  }

  /** Behind the closing quote of the string that is open, or -1. */
  #stringEnd(chunk: Buffer, from: number): number {
    const { length } = chunk;
    let at = from;
    if (this.#escaped && at < length) {
      at++;
      this.#escaped = false;
    }
    while (at < length) {
      const byte = chunk[at] as number;
      if (byte === quote) return at + 1;
      at += byte === backslash ? 2 : 1;
    }
    this.#escaped = at > length;
    return -1;
  }

  /** Runs on behind the next opening quote, behind the value's last bracket, or to the end of the chunk. */
  #nesting(chunk: Buffer, from: number): number {
    const { length } = chunk;
    for (let at = from; at < length; at++) {
      const byte = chunk[at] as number;
      if (byte === quote) {
        this.#inString = true;
        return at + 1;
      }
      if (byte === openObject || byte === openArray) {
        if (++this.#depth > this.#options.maxDepth && this.#keeps) throw new JsonCutError('nested too deep');
      } else if ((byte === closeObject || byte === closeArray) && --this.#depth === 0) {
        return at + 1;
      }
    }
    return length;
  }

  #keep(chunk: Buffer, start: number, end: number, ended: boolean): void {
    if (!this.#keeps) return;
    this.#size += end - start;
    if (this.#size > this.#limit) throw new JsonCutError('a part is too large');
    // A copy: the chunk's memory is not held for the sake of its end.
    if (!ended || this.#parts.length > 0) this.#parts.push(Buffer.from(chunk.subarray(start, end)));
  }

  /** The value ends at `end`: what it was, and what comes next. */
  #finish(chunk: Buffer, start: number, end: number): JsonPiece | undefined {
    const bytes = this.#parts.length > 0 ? Buffer.concat(this.#parts) : chunk.subarray(start, end);
    this.#parts = [];
    this.#size = 0;
    this.#kind = noValue;
    switch (this.#expected) {
      case expects.firstKey:
        this.#key = readKey(bytes);
        this.#expected = expects.colon;
        return undefined;
      case expects.value:
        this.#expected = expects.memberEnd;
        return this.#keeps ? { key: this.#key, isItem: false, bytes } : undefined;
      default:
        this.#expected = expects.itemEnd;
        return { key: this.#key, isItem: true, bytes };
    }
  }
}

function readKey(bytes: Buffer): string {
  const written = decodeUtf8(bytes);
  try {
    if (written !== undefined) return JSON.parse(written) as string;
  } catch {
    // Falls through: a control character or a bad escape.
  }
  throw new JsonCutError('an object has something that is no key');
}
