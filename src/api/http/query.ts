import { invalidParam, missingParam } from '../../protocol/errors.ts';

/**
 * The query of a URL. Parsed when first looked at; a name given twice keeps both values, in order.
 * Percent-encoding that is no UTF-8 is 400 M_INVALID_PARAM.
 */
export class Query {
  readonly #text: string;
  #values: Map<string, string[]> | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  has(name: string): boolean {
    return this.#parsed().has(name);
  }

  /** The first value, or `undefined`. */
  get(name: string): string | undefined {
    return this.#parsed().get(name)?.[0];
  }

  all(name: string): readonly string[] {
    return this.#parsed().get(name) ?? [];
  }

  /** The first value; 400 M_MISSING_PARAM without one. */
  required(name: string): string {
    const value = this.get(name);
    if (value === undefined) throw missingParam(`Missing query parameter ${name}`);
    return value;
  }

  /** A whole number, at least 0 unless `min` says otherwise; above `max` it counts as `max`. 400 M_INVALID_PARAM else. */
  integer(name: string, options: { readonly min?: number; readonly max?: number } = {}): number | undefined {
    const text = this.get(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) {
      throw invalidParam(`Query parameter ${name} must be a whole number`);
    }
    const min = options.min ?? 0;
    if (value < min) throw invalidParam(`Query parameter ${name} must be at least ${min}`);
    return options.max === undefined ? value : Math.min(value, options.max);
  }

  /** `true` or `false`; 400 M_INVALID_PARAM else. */
  flag(name: string): boolean | undefined {
    const text = this.get(name);
    if (text === undefined) return undefined;
    if (text !== 'true' && text !== 'false') throw invalidParam(`Query parameter ${name} must be true or false`);
    return text === 'true';
  }

  /** One of the given words; 400 M_INVALID_PARAM else. */
  oneOf<Word extends string>(name: string, words: readonly Word[]): Word | undefined {
    const text = this.get(name);
    if (text === undefined) return undefined;
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw invalidParam(`Query parameter ${name} must be one of ${words.join(', ')}`);
    return word;
  }

  #parsed(): Map<string, string[]> {
    this.#values ??= parseQuery(this.#text);
    return this.#values;
  }
}

function parseQuery(text: string): Map<string, string[]> {
  const values = new Map<string, string[]>();
  for (const pair of text === '' ? [] : text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1));
    const known = values.get(name);
    if (known) known.push(value);
    else values.set(name, [value]);
  }
  return values;
}

function decode(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch (cause) {
    throw invalidParam('The query is not percent-encoded UTF-8', { cause });
  }
}
