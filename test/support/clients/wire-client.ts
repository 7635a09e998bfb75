import { connect, type Socket } from 'node:net';

export interface WireAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * One HTTP/1.1 connection kept alive, one request at a time. A small client of our own, so that a load of thousands of
 * requests a second costs the measuring process less than it costs the server.
 */
export class WireConnection {
  readonly #port: number;
  #socket: Socket | undefined;
  #buffer: Buffer = Buffer.alloc(0);
  #waiting: { done: (answer: WireAnswer) => void; failed: (problem: Error) => void } | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  request(method: string, path: string, token?: string, body?: unknown): Promise<WireAnswer> {
    if (this.#waiting !== undefined) throw new Error('one request at a time');
    const text = body === undefined ? '' : JSON.stringify(body);
    const head =
      `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${this.#port}\r\n` +
      (token === undefined ? '' : `Authorization: Bearer ${token}\r\n`) +
      (body === undefined ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n`);
    return new Promise((done, failed) => {
      this.#waiting = { done, failed };
      this.#connected().write(`${head}\r\n${text}`);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #connected(): Socket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = connect(this.#port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    const gone = (problem: Error): void => {
      if (this.#socket === socket) this.#socket = undefined;
      this.#buffer = Buffer.alloc(0);
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.failed(problem);
    };
    socket.on('error', gone);
    socket.on('close', () => gone(new Error('connection closed')));
    this.#socket = socket;
    return socket;
  }

  #receive(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    const answer = parseAnswer(this.#buffer);
    if (answer === undefined) return;
    this.#buffer = Buffer.alloc(0);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.done(answer);
  }
}

function parseAnswer(buffer: Buffer): WireAnswer | undefined {
  const end = buffer.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = buffer.toString('latin1', 0, end);
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const start = end + 4;
  if (length !== undefined) {
    const total = start + Number(length);
    return buffer.length < total ? undefined : { status, body: buffer.toString('utf8', start, total) };
  }
  return /\r\ntransfer-encoding: *chunked/i.test(head) ? parseChunks(buffer, start, status) : { status, body: '' };
}

function parseChunks(buffer: Buffer, start: number, status: number): WireAnswer | undefined {
  const parts: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = buffer.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(buffer.toString('latin1', at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (buffer.length < next) return undefined;
    if (size === 0) return { status, body: Buffer.concat(parts).toString('utf8') };
    parts.push(buffer.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
}
