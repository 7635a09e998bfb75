import { isUtf8 } from 'node:buffer';
import type { JsonValue } from '../util/json.ts';
import { notJson } from './errors.ts';

export interface JsonLimits {
  /** Deepest nesting of arrays and objects that is accepted. */
  readonly maxDepth: number;
}

/**
 * 1,000 levels. Not less, because peers accept up to about that (Python's limit), and an event that they take and we
 * refuse would split the room; not more, because everything that walks JSON here recurses, JSON.stringify too, and
 * the stack holds a few thousand levels. The memory a deep text can take is bounded by the limit on its size.
 */
export const defaultJsonLimits: JsonLimits = { maxDepth: 1000 };

/** A number whose text says more than the double it is read as: kept so that hashes cover the received bytes. */
export class RawNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): number {
    return Number(this.text);
  }
}

/**
 * Reads JSON from outside: UTF-8 bytes or a text. Throws 400 M_NOT_JSON for bad UTF-8, a byte-order mark, anything
 * that is not one JSON value, and nesting beyond the limit. A key given twice keeps its last value. `__proto__` is an
 * ordinary own key of the result; code that copies members by assignment must mind it.
 */
export function parseJson(data: string | Uint8Array, limits: JsonLimits = defaultJsonLimits): JsonValue {
  const value = tryParseJson(data, limits);
  if (value === undefined) throw notJson('Not valid JSON');
  return value;
}

/** The same with `undefined` for what `parseJson` throws at: for answers of others, where it is not the client's fault. */
export function tryParseJson(data: string | Uint8Array, limits: JsonLimits = defaultJsonLimits): JsonValue | undefined {
  const text = typeof data === 'string' ? data : decodeUtf8(data);
  if (text === undefined) return undefined;
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
  // Every level takes two characters, so most texts need no walk.
  if (text.length >= 2 * limits.maxDepth && nestsDeeper(value, limits.maxDepth)) return undefined;
  return value;
}

/** The text of UTF-8 bytes, or `undefined` if they are not UTF-8. A byte-order mark stays, and is no JSON. */
export function decodeUtf8(data: Uint8Array): string | undefined {
  if (!isUtf8(data)) return undefined;
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8');
}

/** Whether arrays and objects lie in each other more than so many levels deep. */
export function nestsDeeper(value: JsonValue, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) {
    for (const item of value) if (nestsDeeper(item, levels - 1)) return true;
    return false;
  }
  for (const key in value) if (nestsDeeper(value[key] as JsonValue, levels - 1)) return true;
  return false;
}

/**
 * Whether every number of a JSON text is an integer within ±(2^53 - 1) written in digits only. JSON.parse hides
 * `1.0`, `1e2` and `-0` and rounds long integers, so the text has to be looked at. The text must be valid JSON.
 */
export function checkStrictNumbers(text: string): boolean {
  // A number follows a colon, comma, bracket or white space (or begins the text). Inside strings this finds too much,
  // never too little, and hardly ever anything; only then is the text scanned properly.
  return !suspiciousNumber.test(text) || !hasOddNumber(text);
}

const suspiciousNumber = /(?:^|[:,[\s])(?:-?\d+[.eE]|-0|-?\d{16})/;

const quoteUnit = 0x22;
const backslashUnit = 0x5c;

/** Walks over a valid JSON text, strings skipped, and looks at each number. */
function hasOddNumber(text: string): boolean {
  let at = 0;
  while (at < text.length) {
    const unit = text.charCodeAt(at);
    if (unit === quoteUnit) {
      at = endOfString(text, at);
    } else if (unit === 0x2d || (unit >= 0x30 && unit <= 0x39)) {
      const end = endOfNumber(text, at);
      if (!isStrictNumber(text.slice(at, end))) return true;
      at = end;
    } else {
      at++;
    }
  }
  return false;
}

/** The index after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === backslashUnit) backslashes++;
    if (backslashes % 2 === 0) return end + 1;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && '0123456789.eE+-'.includes(text.charAt(end))) end++;
  return end;
}

function isStrictNumber(number: string): boolean {
  return /^(?:0|-?[1-9]\d{0,15})$/.test(number) && Number.isSafeInteger(Number(number));
}

/** The reviver's third argument, which the type library does not know yet. */
type ParseExactly = (
  text: string,
  reviver: (this: unknown, key: string, value: unknown, context: { readonly source?: string }) => unknown,
) => unknown;

/**
 * Reads JSON like `tryParseJson`, with each number that a double does not give back as it was written replaced by a
 * `RawNumber`. Without such numbers the result is plain JSON. Only for hashing: everything else reads the plain value.
 */
export function parseExactJson(data: string | Uint8Array, limits: JsonLimits = defaultJsonLimits): unknown {
  const text = typeof data === 'string' ? data : decodeUtf8(data);
  if (text === undefined) return undefined;
  const value = tryParseJson(text, limits);
  if (value === undefined || checkStrictNumbers(text)) return value;
  return (JSON.parse as ParseExactly)(text, (_key, member, context) =>
    typeof member === 'number' && context.source !== undefined && context.source !== String(member)
      ? new RawNumber(context.source)
      : member,
  );
}

/** Whether something that `parseExactJson` read holds a number that is not a plain one. */
export function holdsRawNumber(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return value instanceof RawNumber || Object.values(value).some(holdsRawNumber);
}
