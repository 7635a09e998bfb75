import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import type { HttpCall, Piece, Reply } from './types.ts';

/** Where an answer is written to. */
export interface Outlet {
  /** The client has gone: nothing reaches it any more. */
  readonly isGone: boolean;
  readonly headSent: boolean;
  head(status: number, headers: Readonly<Record<string, string | number>>): void;
  /**
   * Calls back once, when the piece is on its way (nothing of it is left in this process), or the client has gone; one that
   * takes nothing is cut off.
   */
  write(piece: Piece, taken: () => void): void;
  end(piece?: Piece): void;
}

/** A client that takes nothing for this long has gone. */
const stallTimeout = 60_000;

/** What is left of a body that was refused is read and dropped up to this size; beyond it the connection is closed. */
const dropAtMost = 1024 * 1024;

/** A request and the way back to who sent it. */
export abstract class Exchange implements HttpCall, Outlet {
  readonly ip: string;
  abstract readonly method: string;
  abstract readonly url: string;
  abstract readonly headers: IncomingHttpHeaders;
  abstract readonly stream: Readable;
  abstract readonly isGone: boolean;
  abstract readonly headSent: boolean;
  #controller: AbortController | undefined;
  #aborted = false;

  constructor(ip: string) {
    this.ip = ip;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort();
    }
    return this.#controller.signal;
  }

  abort(): void {
    this.#aborted = true;
    this.#controller?.abort();
  }

  /** The answer is about to be written; with `isLast` the client should bring nothing more on this connection. */
  abstract begin(isLast: boolean): void;
  abstract head(status: number, headers: Reply['headers']): void;
  abstract write(piece: Piece, taken: () => void): void;
  abstract end(piece?: Piece): void;
  /** Ends without the rest of the answer, so that the client sees that something is missing. */
  abstract cut(): void;
}

/** One request over HTTP/1. */
export class Http1Exchange extends Exchange {
  readonly stream: IncomingMessage;
  readonly #response: ServerResponse;

  /** `over` is called when nothing more can be written: when the answer is out or the client has gone. */
  constructor(request: IncomingMessage, response: ServerResponse, ip: string, over: (exchange: Exchange) => void) {
    super(ip);
    this.stream = request;
    this.#response = response;
    response.once('close', () => {
      over(this);
      if (!response.writableFinished) this.abort();
    });
  }

  get method(): string {
    return this.stream.method ?? 'GET';
  }

  get url(): string {
    return this.stream.url ?? '/';
  }

  get headers(): IncomingHttpHeaders {
    return this.stream.headers;
  }

  get isGone(): boolean {
    return this.#response.destroyed;
  }

  get headSent(): boolean {
    return this.#response.headersSent;
  }

  begin(isLast: boolean): void {
    if (isLast || this.#hasMuchLeft()) this.#response.setHeader('Connection', 'close');
  }

  head(status: number, headers: Readonly<Record<string, string | number>>): void {
    this.#response.writeHead(status, headers);
  }

  write(piece: Piece, taken: () => void): void {
    const response = this.#response;
    const { socket } = response;
    const stalled = () => response.destroy();
    const done = once(() => {
      response.off('close', done);
      socket?.setTimeout(0).off('timeout', stalled);
      taken();
    });
    response.on('close', done).write(piece, done);
    socket?.setTimeout(stallTimeout).on('timeout', stalled);
  }

  end(piece?: Piece): void {
    if (piece === undefined) this.#response.end();
    else this.#response.end(piece);
  }

  cut(): void {
    this.#response.destroy();
  }

  /** True if so much of the body is still to come that it is cheaper to hang up. */
  #hasMuchLeft(): boolean {
    const { complete, headers } = this.stream;
    if (complete) return false;
    const declared = headers['content-length'];
    return declared === undefined ? headers['transfer-encoding'] !== undefined : Number(declared) > dropAtMost;
  }
}

/** https://www.rfc-editor.org/rfc/rfc9113.html#section-7 */
const noError = 0;

/** One request over HTTP/2: a stream of a connection that has others. */
export class Http2Exchange extends Exchange {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly #hasBody: boolean;
  /** A piece is being written that the client has not taken. */
  #isOffering = false;

  /** `over` as with `Http1Exchange`. */
  constructor(
    stream: ServerHttp2Stream,
    { headers, ip }: { headers: IncomingHttpHeaders; ip: string },
    over: (exchange: Exchange) => void,
  ) {
    super(ip);
    this.stream = stream;
    this.headers = headers;
    this.#hasBody = !stream.endAfterHeaders;
    // Handlers read the words of HTTP/1.
    headers.host ??= textOf(headers[':authority']);
    if (this.#hasBody && headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked';
    if (headers.expect === '100-continue') stream.additionalHeaders({ ':status': 100 });
    stream.once('close', () => {
      over(this);
      if (!stream.writableFinished || stream.rstCode !== noError) this.abort();
    });
    // What is left of a body that was not read to its end would keep the stream open.
    stream.once('finish', () => {
      if (this.#hasBody && !stream.readableEnded) stream.close(noError);
    });
  }

  get method(): string {
    return textOf(this.headers[':method']) ?? 'GET';
  }

  get url(): string {
    return textOf(this.headers[':path']) ?? '/';
  }

  get isGone(): boolean {
    return this.stream.destroyed || this.stream.closed;
  }

  get headSent(): boolean {
    return this.stream.headersSent;
  }

  /** True if nothing is waited for but the client. */
  get isClientsTurn(): boolean {
    const { headersSent, writableEnded, readableEnded, readableLength } = this.stream;
    if (headersSent) return writableEnded || this.#isOffering;
    return this.#hasBody && !readableEnded && readableLength === 0;
  }

  begin(): void {}

  head(status: number, headers: Readonly<Record<string, string | number>>): void {
    if (!this.isGone) this.stream.respond({ ...headers, ':status': status });
  }

  write(piece: Piece, taken: () => void): void {
    const { stream } = this;
    const stalled = () => this.cut();
    const done = once(() => {
      stream.off('close', done).off('timeout', stalled).setTimeout(0);
      this.#isOffering = false;
      taken();
    });
    this.#isOffering = true;
    stream.on('close', done).on('timeout', stalled).setTimeout(stallTimeout);
    stream.write(piece, done);
  }

  end(piece?: Piece): void {
    // An answer to HEAD, and one that has no body, has ended with its head.
    if (this.isGone || this.stream.writableEnded) return;
    if (piece === undefined) this.stream.end();
    else this.stream.end(piece);
  }

  cut(): void {
    // `close` would end what was written properly before it says that something was wrong.
    this.stream.destroy(new Error('the answer is cut off'));
  }
}

function once(call: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    call();
  };
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
