import type { TextQuery } from '../store/search/message-text.ts';
import { fold, pairsOf, wordsOf } from '../util/words.ts';

/** Words of a query that are looked at; the rest would only narrow down what is narrow already. */
const maxWords = 20;
/** How far the parts of a rank count. */
const weights = { whole: 1, phrase: 2, density: 1 } as const;

/** How a text matches. */
export interface TextMatch {
  /** Higher is closer. */
  readonly rank: number;
  /** Words of the text that answer to one of the query, in lower case. */
  readonly words: readonly string[];
}

/** What somebody searches for. A text matches if each word of the query is in it, or begins a word of it. */
export class SearchTerm {
  readonly #beginnings: readonly string[];
  /** Stretches of scripts without spaces, which may be anywhere in one. */
  readonly #stretches: readonly string[];
  readonly #whole: string;

  constructor(text: string) {
    const words = [...wordsOf(text)].slice(0, maxWords);
    this.#beginnings = [...new Set(words.filter(({ spaced }) => spaced).map(({ folded }) => folded))];
    this.#stretches = [...new Set(words.filter(({ spaced }) => !spaced).map(({ folded }) => folded))];
    this.#whole = fold(text).trim();
  }

  /** Nothing can match. */
  get isEmpty(): boolean {
    return this.#beginnings.length === 0 && this.#stretches.length === 0;
  }

  get query(): Pick<TextQuery, 'beginnings' | 'tokens'> {
    const beginnings = [...this.#beginnings];
    const tokens: string[] = [];
    for (const stretch of this.#stretches) {
      const pairs = pairsOf(stretch);
      // The last one is a single letter, which a text has in a pair unless it ends there.
      if (pairs.length === 1) beginnings.push(stretch);
      else tokens.push(...pairs.slice(0, -1));
    }
    return { beginnings, tokens };
  }

  /** The words to highlight even where nothing is found. */
  get words(): readonly string[] {
    return [...this.#beginnings, ...this.#stretches];
  }

  /** `undefined` if the text does not match: the index knows pairs of letters and not their order. */
  match(text: string): TextMatch | undefined {
    const words = [...wordsOf(text)];
    const matching = new Set<string>();
    let found = 0;
    let whole = 0;
    for (const beginning of this.#beginnings) {
      const hits = words.filter(({ folded }) => folded.startsWith(beginning));
      if (hits.length === 0) return undefined;
      found += hits.length;
      if (hits.some(({ folded }) => folded === beginning)) whole++;
      for (const { written } of hits) matching.add(written.toLowerCase());
    }
    for (const stretch of this.#stretches) {
      const hits = words.filter(({ folded }) => folded.includes(stretch));
      if (hits.length === 0) return undefined;
      found += hits.length;
      whole++;
      matching.add(stretch);
    }
    const terms = this.#beginnings.length + this.#stretches.length;
    const rank =
      (weights.whole * whole) / terms +
      (terms > 1 && fold(text).includes(this.#whole) ? weights.phrase : 0) +
      (weights.density * found) / (words.length + 4);
    return { rank, words: [...matching] };
  }
}
