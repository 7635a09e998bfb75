/** Splits texts into words for finding them again, in languages with and without spaces between words. */

const run = /[\p{L}\p{N}\p{M}]+/gu;
/** Scripts that are written without spaces between words. */
const unspaced =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]+|[^\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]+/gu;
const isUnspaced = /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;

/** Longer words (keys, addresses) are found by their beginning; what is behind it makes an index grow for nothing. */
const maxWordLength = 32;

/** A stretch of letters of one kind. */
export interface Word {
  /** As `fold` has it; at most 32 characters of a spaced script, any number of an unspaced one. */
  readonly folded: string;
  /** As it was written. */
  readonly written: string;
  /** Whether its script has spaces between words, so that this is a word and not a sentence. */
  readonly spaced: boolean;
}

/** A text without what a reader who searches does not care about: case, accents, width, ligatures. */
export function fold(text: string): string {
  return text
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .replaceAll('ς', 'σ');
}

/** The words of a text in their order. */
export function* wordsOf(text: string): Generator<Word> {
  for (const [stretch] of text.matchAll(run)) {
    for (const [written] of stretch.matchAll(unspaced)) {
      const spaced = !isUnspaced.test(written);
      // Folding may bring in signs that are no letters ("№", "½").
      for (const [folded] of fold(written).matchAll(run)) {
        yield { folded: spaced ? Array.from(folded).slice(0, maxWordLength).join('') : folded, written, spaced };
      }
    }
  }
}

/**
 * What an index keeps of a text, each once: spaced words whole; of unspaced stretches every two letters that follow each
 * other, and the last one, so that any part of them is found.
 */
export function indexTokens(text: string): Set<string> {
  const tokens = new Set<string>();
  for (const { folded, spaced } of wordsOf(text)) {
    if (spaced) tokens.add(folded);
    else for (const pair of pairsOf(folded)) tokens.add(pair);
  }
  return tokens;
}

/** `ABC` → `AB`, `BC`, `C`. */
export function pairsOf(stretch: string): string[] {
  const letters = Array.from(stretch);
  return letters.map((letter, at) => letter + (letters[at + 1] ?? ''));
}
