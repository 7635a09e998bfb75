import { parseExactJson, RawNumber } from './parse-json.ts';

/**
 * `strict`: the grammar of the specification, demanded by room versions 6 and later and by everything that is signed
 * and is not an event. `lenient`: any number is written, for events of room versions 1 to 5.
 */
export type CanonicalForm = 'strict' | 'lenient';

/** The value has no canonical form. The message says why; it never quotes the value. */
export class CanonicalJsonError extends Error {}

/**
 * The canonical JSON text of a value: shortest form, keys sorted by code point. Members that are `undefined` are left
 * out, as JSON.stringify does.
 *
 * Throws `CanonicalJsonError` for a lone surrogate (it cannot be written as UTF-8; in either form) and, in the strict
 * form, for floats, integers outside ±(2^53 - 1) and negative zero. JSON.parse hides some of these: see
 * `checkStrictNumbers`.
 * @see https://spec.matrix.org/v1.19/appendices/#canonical-json
 */
export function canonicalJson(value: unknown, form: CanonicalForm = 'strict'): string {
  return write(value, form === 'strict');
}

/**
 * The canonical form of a JSON text with its numbers as they were written: an event of room versions 1 to 5 may hold
 * integers and floats that a double cannot give back, and its hashes cover the bytes its sender wrote. Two notations
 * have one agreed spelling and get it: `-0` is `0`, and a whole number in exponent notation within ±(2^53 - 1) is
 * written out. Throws `CanonicalJsonError` if the text is not JSON.
 */
export function canonicaliseLenient(text: string): string {
  const value = parseExactJson(text);
  if (value === undefined) throw new CanonicalJsonError('not JSON');
  return canonicalJson(value, 'lenient');
}

/** What JSON must escape, and surrogates, which want a closer look. Everything else is written as it is. */
const needsCare = /[\x00-\x1f"\\\ud800-\udfff]/;

/** Up to here insertion sort beats the built-in sort; event objects are smaller. */
const smallKeyCount = 24;

// Hand-written because it runs several times for every event: it sorts, checks and writes in one pass and stays
// within a factor of two of JSON.stringify, which a sorted copy handed to JSON.stringify does not.
function write(value: unknown, strict: boolean): string {
  switch (typeof value) {
    case 'string':
      return needsCare.test(value) ? quote(value) : `"${value}"`;
    case 'number':
      return writeNumber(value, strict);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return writeArray(value, strict);
      if (value instanceof RawNumber) return writeRawNumber(value, strict);
      return writeObject(value as Readonly<Record<string, unknown>>, strict);
    default:
      throw new CanonicalJsonError(`a ${typeof value} is not JSON`);
  }
}

function writeNumber(value: number, strict: boolean): string {
  if (Number.isSafeInteger(value) && !(strict && Object.is(value, -0))) return `${value}`;
  if (strict) throw new CanonicalJsonError('numbers must be integers within ±(2^53 - 1)');
  if (!Number.isFinite(value)) throw new CanonicalJsonError('numbers must be finite');
  return `${value}`;
}

function writeRawNumber(value: RawNumber, strict: boolean): string {
  if (strict) throw new CanonicalJsonError('numbers must be integers within ±(2^53 - 1), written in digits only');
  const number = Number(value.text);
  const written = number === 0 ? !/[.eE]/.test(value.text) : !value.text.includes('.') && Number.isSafeInteger(number);
  return written ? `${number}` : value.text;
}

function writeArray(value: readonly unknown[], strict: boolean): string {
  let text = '[';
  for (let i = 0; i < value.length; i++) text += i === 0 ? write(value[i], strict) : `,${write(value[i], strict)}`;
  return `${text}]`;
}

function writeObject(value: Readonly<Record<string, unknown>>, strict: boolean): string {
  const keys = Object.keys(value);
  if (keys.length > smallKeyCount) keys.sort();
  else insertionSort(keys);
  let text = '{';
  let separator = '"';
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string;
    if (needsCare.test(key)) return writeRareObject(value, keys, strict);
    const member = value[key];
    if (member === undefined) continue;
    text += `${separator}${key}":${write(member, strict)}`;
    separator = ',"';
  }
  return `${text}}`;
}

/** The same for keys that need escapes or hold surrogates, where UTF-16 order and code-point order may differ. */
function writeRareObject(value: Readonly<Record<string, unknown>>, keys: string[], strict: boolean): string {
  const members: string[] = [];
  for (const key of keys.sort(compareCodePoints)) {
    const member = value[key];
    if (member !== undefined) members.push(`${quote(key)}:${write(member, strict)}`);
  }
  return `{${members.join(',')}}`;
}

/** The keys of an object in canonical order, those of `undefined` members left out. */
export function canonicalKeys(value: Readonly<Record<string, unknown>>): string[] {
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  return keys.some((key) => needsCare.test(key)) ? keys.sort(compareCodePoints) : keys.sort();
}

function insertionSort(keys: string[]): void {
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] as string;
    let at = i - 1;
    while (at >= 0 && (keys[at] as string) > key) {
      keys[at + 1] = keys[at] as string;
      at--;
    }
    keys[at + 1] = key;
  }
}

function quote(text: string): string {
  if (!text.isWellFormed()) throw new CanonicalJsonError('strings must not hold lone surrogates');
  return JSON.stringify(text);
}

/**
 * Orders strings by code point, which is also the byte order of their UTF-8. JavaScript's own order compares UTF-16
 * units and so puts U+10000 and above before U+E000 to U+FFFF.
 */
export function compareCodePoints(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const a = left.charCodeAt(i);
    const b = right.charCodeAt(i);
    if (a !== b) return codePointRank(a) - codePointRank(b);
  }
  return left.length - right.length;
}

/** Moves surrogates above the rest of the UTF-16 units. */
function codePointRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
