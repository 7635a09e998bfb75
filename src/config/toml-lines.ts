/** A key of a TOML document and the way to it: table names, indexes of arrays of tables, key parts. */
export type KeyPath = readonly (string | number)[];

/** Says on which line of a TOML document a key, or the nearest thing around it, was written. */
export interface TomlLines {
  lineOf(path: KeyPath): number | undefined;
}

const idOf = (path: KeyPath) => JSON.stringify(path.map(String));

/**
 * Finds the lines of all keys and table headers. The TOML parser gives no positions, and an admin wants the line.
 * `source` has already been parsed: what is looked for here is only where statements begin and end.
 */
export function findTomlLines(source: string): TomlLines {
  const scanner = new Scanner(source);
  scanner.run();
  return {
    lineOf(path) {
      for (let length = path.length; length > 0; length--) {
        const line = scanner.lines.get(idOf(path.slice(0, length)));
        if (line !== undefined) return line;
      }
      return undefined;
    },
  };
}

class Scanner {
  readonly lines = new Map<string, number>();
  readonly #source: string;
  readonly #counts = new Map<string, number>();
  #at = 0;
  #line = 1;
  #table: KeyPath = [];

  constructor(source: string) {
    this.#source = source;
  }

  run(): void {
    while (this.#at < this.#source.length) {
      const char = this.#source[this.#at];
      if (char === '\n' || char === ' ' || char === '\t' || char === '\r') this.#step();
      else if (char === '#') this.#skipLine();
      else if (char === '[') this.#header();
      else this.#keyValue();
    }
  }

  #step(): void {
    if (this.#source[this.#at] === '\n') this.#line++;
    this.#at++;
  }

  #skipLine(): void {
    while (this.#at < this.#source.length && this.#source[this.#at] !== '\n') this.#at++;
  }

  #header(): void {
    const line = this.#line;
    const isArray = this.#source.startsWith('[[', this.#at);
    this.#at += isArray ? 2 : 1;
    const written = this.#key(']');
    const base = this.#withIndexes(written.slice(0, -1));
    const path: KeyPath = [...base, ...written.slice(-1)];
    if (isArray) {
      const index = this.#counts.get(idOf(path)) ?? 0;
      this.#counts.set(idOf(path), index + 1);
      this.#note(path, line);
      this.#table = [...path, index];
    } else {
      this.#table = this.#withIndexes(written);
    }
    this.#note(this.#table, line);
    this.#skipLine();
  }

  /** In `[a.b]` after `[[a]]`, `a` means its newest element. */
  #withIndexes(parts: KeyPath): KeyPath {
    let path: KeyPath = [];
    for (const part of parts) {
      path = [...path, part];
      const count = this.#counts.get(idOf(path));
      if (count !== undefined) path = [...path, count - 1];
    }
    return path;
  }

  #keyValue(): void {
    const line = this.#line;
    const parts = this.#key('=');
    for (let length = 1; length <= parts.length; length++)
      this.#note([...this.#table, ...parts.slice(0, length)], line);
    this.#at++;
    this.#skipValue();
  }

  #note(path: KeyPath, line: number): void {
    const id = idOf(path);
    if (!this.lines.has(id)) this.lines.set(id, line);
  }

  /** Reads a bare, quoted or dotted key up to `end`, which is left unread. */
  #key(end: string): KeyPath {
    const parts: string[] = [];
    let part = '';
    while (this.#at < this.#source.length && this.#source[this.#at] !== end && this.#source[this.#at] !== '\n') {
      const char = this.#source[this.#at] ?? '';
      if (char === '"' || char === "'") {
        const from = this.#at;
        this.#skipString();
        const quoted = this.#source.slice(from, this.#at);
        part += char === '"' ? unquote(quoted) : quoted.slice(1, -1);
        continue;
      }
      if (char === '.') {
        parts.push(part);
        part = '';
      } else if (char !== ' ' && char !== '\t') part += char;
      this.#at++;
    }
    return [...parts, part];
  }

  /** Goes to the end of a value: the first line end outside strings, arrays and inline tables. */
  #skipValue(): void {
    let depth = 0;
    while (this.#at < this.#source.length) {
      const char = this.#source[this.#at];
      if (char === '"' || char === "'") {
        this.#skipString();
        continue;
      }
      if (char === '#') {
        this.#skipLine();
        continue;
      }
      if (char === '[' || char === '{') depth++;
      else if (char === ']' || char === '}') depth--;
      const ends = char === '\n' && depth <= 0;
      this.#step();
      if (ends) return;
    }
  }

  #skipString(): void {
    const quote = this.#source[this.#at] ?? '';
    const isLong = this.#source.startsWith(quote.repeat(3), this.#at);
    const close = isLong ? quote.repeat(3) : quote;
    this.#at += close.length;
    while (this.#at < this.#source.length && !this.#source.startsWith(close, this.#at)) {
      if (quote === '"' && this.#source[this.#at] === '\\') this.#step();
      this.#step();
    }
    this.#at += close.length;
    // A long string may end in up to two quotes of its own: `""""` closes with the last three.
    while (isLong && this.#source[this.#at] === quote) this.#at++;
  }
}

function unquote(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted.slice(1, -1);
  }
}
