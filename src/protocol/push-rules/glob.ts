/**
 * Glob patterns: `*` stands for any number of characters, `?` for exactly one. Patterns come from users and run on
 * every message, so they are never turned into regular expressions, which could take exponential time: parts between
 * stars are searched from left to right, and the earliest place is always as good as a later one.
 * @see https://spec.matrix.org/v1.19/appendices/#glob-style-matching
 */

/** The parts of a pattern between its stars, in lower case. */
interface Part {
  readonly text: string;
  /** No `?` in it. */
  readonly literal: boolean;
}

export type TextTest = (value: string) => boolean;

/** Matches a whole value, without regard to case. */
export function wholeGlob(pattern: string): TextTest {
  const lower = pattern.toLowerCase();
  if (!/[*?]/.test(lower)) return literalTest(lower);
  const parts = split(lower);
  return (value) => matchWhole(parts, value.toLowerCase());
}

/**
 * Matches any substring that starts and ends at a word boundary, without regard to case. A boundary is the start or
 * end of the value or any character but `A-Z`, `a-z`, `0-9` and `_`.
 */
export function wordGlob(pattern: string): TextTest {
  const parts = split(pattern.toLowerCase());
  return (value) => matchWords(parts, value.toLowerCase());
}

/** Whether `words`, which is no pattern, stands in the value between word boundaries, without regard to case. */
export function containsWords(value: string, words: string): boolean {
  return matchWords([{ text: words.toLowerCase(), literal: true }], value.toLowerCase());
}

/**
 * Matches a whole value, minding case: for filters, where `*` is the only wildcard.
 */
export function starPattern(pattern: string): TextTest {
  if (!pattern.includes('*')) return (value) => value === pattern;
  const parts = pattern.split('*').map((text) => ({ text, literal: true }));
  return (value) => matchWhole(parts, value);
}

function literalTest(lower: string): TextTest {
  const plain = /^[\x20-\x7e]*$/.test(lower);
  return (value) => {
    if (value === lower) return true;
    // Lower case changes the length of no text that could become plain ASCII.
    if (plain && value.length !== lower.length) return false;
    return value.toLowerCase() === lower;
  };
}

function split(lower: string): Part[] {
  return lower.split('*').map((text) => ({ text, literal: !text.includes('?') }));
}

function matchWhole(parts: readonly Part[], value: string): boolean {
  const first = parts[0] as Part;
  let at = partAt(first, value, 0);
  if (parts.length === 1) return at === value.length;
  if (at < 0) return false;
  for (let i = 1; i < parts.length - 1; i++) {
    at = findPart(parts[i] as Part, value, at);
    if (at < 0) return false;
  }
  const last = parts[parts.length - 1] as Part;
  return endsWithPart(last, value, at);
}

/** Whether the part matches at the very end of the value, starting no earlier than `from`. */
function endsWithPart(part: Part, value: string, from: number): boolean {
  if (part.literal) return value.length - from >= part.text.length && value.endsWith(part.text);
  // A `?` may be one or two UTF-16 units long.
  const longest = Math.max(from, value.length - 2 * part.text.length);
  for (let start = longest; start <= value.length - part.text.length; start++) {
    if (partAt(part, value, start) === value.length) return true;
  }
  return false;
}

function matchWords(parts: readonly Part[], value: string): boolean {
  const first = parts[0] as Part;
  const only = parts.length === 1;
  for (let start = 0; start <= value.length; start++) {
    if (first.literal) {
      start = value.indexOf(first.text, start);
      if (start < 0) return false;
    }
    if (!isBoundary(value, start)) continue;
    const end = partAt(first, value, start);
    if (end < 0) continue;
    // Only the first match of the first part need be tried: a later one leaves less for the rest.
    if (!only) return matchRest(parts, value, end);
    if (isBoundary(value, end)) return true;
  }
  return false;
}

/** The parts after the first; the last one must end at a word boundary. */
function matchRest(parts: readonly Part[], value: string, from: number): boolean {
  let at = from;
  for (let i = 1; i < parts.length - 1; i++) {
    at = findPart(parts[i] as Part, value, at);
    if (at < 0) return false;
  }
  const last = parts[parts.length - 1] as Part;
  if (last.text === '') return true;
  for (let start = at; start + last.text.length <= value.length; start++) {
    if (last.literal) {
      start = value.indexOf(last.text, start);
      if (start < 0) return false;
    }
    const end = partAt(last, value, start);
    if (end >= 0 && isBoundary(value, end)) return true;
  }
  return false;
}

/** The end of the earliest match at or after `from`, or -1. */
function findPart(part: Part, value: string, from: number): number {
  if (part.literal) {
    const at = value.indexOf(part.text, from);
    return at < 0 ? -1 : at + part.text.length;
  }
  for (let start = from; start + part.text.length <= value.length; start++) {
    const end = partAt(part, value, start);
    if (end >= 0) return end;
  }
  return -1;
}

/** The end of the match that starts at `start`, or -1. */
function partAt(part: Part, value: string, start: number): number {
  if (part.literal) return value.startsWith(part.text, start) ? start + part.text.length : -1;
  let at = start;
  for (let i = 0; i < part.text.length; i++) {
    if (at >= value.length) return -1;
    if (part.text.charCodeAt(i) === 0x3f) {
      at += (value.codePointAt(at) as number) > 0xffff ? 2 : 1;
    } else if (part.text.charCodeAt(i) === value.charCodeAt(at)) {
      at++;
    } else {
      return -1;
    }
  }
  return at;
}

/** Whether a match may start or end at `at`: the edge of the value, or a character beside it that is in no word. */
function isBoundary(value: string, at: number): boolean {
  return at === 0 || at === value.length || !isWord(value.charCodeAt(at - 1)) || !isWord(value.charCodeAt(at));
}

function isWord(unit: number): boolean {
  return (
    (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x30 && unit <= 0x39) || unit === 0x5f || (unit >= 0x41 && unit <= 0x5a)
  );
}
