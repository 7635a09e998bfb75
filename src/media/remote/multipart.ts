/** What is wrong with an answer in parts. */
export class MultipartError extends Error {}

/** One part: its headers by lower-case name, and its bytes as they come in. */
export interface Part {
  readonly headers: ReadonlyMap<string, string>;
  /** Has to be read to its end, or left, before the next part is asked for. Throws `MultipartError`. */
  readonly body: AsyncIterable<Buffer>;
}

/** Before the first part there may be a few words for people. */
const maxPreamble = 4096;
const maxHeaderBytes = 16 * 1024;

/**
 * The boundary that a `Content-Type` of `multipart/mixed` names; `undefined` if it is of another type or names none.
 * @see https://datatracker.ietf.org/doc/html/rfc2046#section-5.1.1
 */
export function boundaryOf(contentType: string | undefined): string | undefined {
  if (contentType === undefined || contentType.length > 1024) return undefined;
  if (!/^\s*multipart\/mixed\s*;/i.test(contentType)) return undefined;
  const [, quoted, plain] = /;\s*boundary\s*=\s*(?:"([^"\\]*)"|([^\s;"]+))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  // Up to 70 letters that cannot be a line's end; the last one is no space.
  return boundary !== undefined && /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary) ? boundary : undefined;
}

/**
 * Reads `multipart/mixed` as it comes in, part by part, and holds no more of it than one chunk and one boundary. What
 * follows the last part asked for is not read.
 */
export class MultipartReader {
  readonly #source: AsyncIterator<Buffer>;
  readonly #delimiter: Buffer;
  /** Read and not yet taken. As if a line's end stood before the very first boundary. */
  #rest: Buffer = Buffer.from('\r\n');
  #state: 'before' | 'in-part' | 'between' | 'over' = 'before';

  constructor(source: AsyncIterable<Buffer>, boundary: string) {
    this.#source = source[Symbol.asyncIterator]();
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  }

  /** The next part, `undefined` after the last. Throws `MultipartError` where the text has not that form. */
  async next(): Promise<Part | undefined> {
    if (this.#state === 'before') await this.#skipPreamble();
    if (this.#state === 'in-part') {
      for await (const _ of this.#body()) {
        // What the caller left of the part before.
      }
    }
    if (this.#state === 'over' || !(await this.#delimiterLine())) return undefined;
    const headers = await this.#headers();
    this.#state = 'in-part';
    return { headers, body: this.#body() };
  }

  /** Lets go of the source. */
  async close(): Promise<void> {
    this.#state = 'over';
    await this.#source.return?.();
  }

  async #skipPreamble(): Promise<void> {
    let skipped = 0;
    for await (const piece of this.#upToDelimiter()) {
      skipped += piece.length;
      if (skipped > maxPreamble) throw new MultipartError('there is no boundary at the beginning');
    }
    this.#state = 'between';
  }

  async *#body(): AsyncGenerator<Buffer> {
    if (this.#state !== 'in-part') return;
    yield* this.#upToDelimiter();
    this.#state = 'between';
  }

  /** What stands before the next delimiter, which is taken away with it. */
  async *#upToDelimiter(): AsyncGenerator<Buffer> {
    for (;;) {
      const at = this.#rest.indexOf(this.#delimiter);
      if (at !== -1) {
        const last = this.#rest.subarray(0, at);
        this.#rest = this.#rest.subarray(at + this.#delimiter.length);
        if (last.length > 0) yield last;
        return;
      }
      // The end of what is there may be the beginning of a delimiter.
      const safe = this.#rest.length - this.#delimiter.length + 1;
      if (safe > 0) {
        const piece = this.#rest.subarray(0, safe);
        this.#rest = this.#rest.subarray(safe);
        yield piece;
      }
      await this.#more();
    }
  }

  /** What follows a boundary on its line: nothing, or two dashes after the last part. */
  async #delimiterLine(): Promise<boolean> {
    const line = await this.#line(128);
    if (line.startsWith('--')) {
      this.#state = 'over';
      return false;
    }
    if (/[^ \t]/.test(line)) throw new MultipartError('a boundary is followed by something else');
    return true;
  }

  async #headers(): Promise<Map<string, string>> {
    const headers = new Map<string, string>();
    let name: string | undefined;
    for (let left = maxHeaderBytes; ; ) {
      const line = await this.#line(left);
      left -= line.length + 2;
      if (line === '') return headers;
      if (/^[ \t]/.test(line) && name !== undefined) {
        headers.set(name, `${headers.get(name)} ${line.trim()}`);
        continue;
      }
      const colon = line.indexOf(':');
      if (colon < 1) throw new MultipartError('a part has something else than headers');
      name = line.slice(0, colon).trim().toLowerCase();
      headers.set(name, line.slice(colon + 1).trim());
    }
  }

  /** One line without its end, as UTF-8: file names are written that way. */
  async #line(limit: number): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf('\r\n');
      if (end !== -1 && end <= limit) {
        const line = this.#rest.subarray(0, end).toString('utf8');
        this.#rest = this.#rest.subarray(end + 2);
        return line;
      }
      // After the last boundary the text may just end.
      if (this.#rest.length >= 2 && this.#state === 'between' && this.#rest.toString('latin1', 0, 2) === '--')
        return '--';
      if (end !== -1 || this.#rest.length > limit) throw new MultipartError('a part has too many headers');
      await this.#more();
    }
  }

  async #more(): Promise<void> {
    const next = await this.#source.next();
    if (next.done === true) throw new MultipartError('the answer is cut off');
    this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value]);
  }
}
