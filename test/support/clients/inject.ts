import { appendFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import type { App } from '../../../src/api/app.ts';
import type { Piece, ReplyBody } from '../../../src/api/http/types.ts';

export interface InjectOptions {
  readonly method?: string;
  /** Path and query. */
  readonly path: string;
  readonly token?: string | undefined;
  /** An object is sent as JSON; text and bytes as they are. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly ip?: string;
  readonly signal?: AbortSignal;
}

export interface Injected {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly text: string;
  /** The body as JSON; throws if it is not. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every form
  readonly json: any;
}

/** Sends a request through the whole HTTP layer without a port. */
export async function inject(app: App, options: InjectOptions): Promise<Injected> {
  const body = toBytes(options.body);
  const headers: Record<string, string> = { ...options.headers };
  if (body !== undefined) headers['content-length'] = String(body.length);
  if (options.token !== undefined) headers['authorization'] = `Bearer ${options.token}`;
  const method = options.method ?? (body === undefined ? 'GET' : 'POST');
  const answer = await app.handle({
    method,
    url: options.path,
    headers,
    stream: body === undefined || body.length === 0 ? Readable.from([]) : Readable.from([body]),
    ip: options.ip ?? '192.0.2.1',
    signal: options.signal ?? new AbortController().signal,
  });
  const bytes = await gather(answer.body);
  record(method, options.path, answer.status, bytes);
  return {
    status: answer.status,
    headers: Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), value])),
    bytes,
    text: bytes.toString('utf8'),
    get json() {
      return JSON.parse(bytes.toString('utf8'));
    },
  };
}

/**
 * Notes what was asked and answered in the file that the environment names: docs/endpoints.md is made of it. Room and
 * event IDs in the paths do no harm, as what counts is the endpoint that they lead to.
 */
function record(method: string, path: string, status: number, bytes: Buffer): void {
  const file = process.env['RECORD_REQUESTS'];
  if (file === undefined) return;
  // Found by its form, as most bodies are large and none of our business.
  const errcode = status >= 400 ? (/"errcode":"(\w+)"/.exec(bytes.toString('latin1', 0, 2000))?.[1] ?? '') : '';
  // The one parameter that makes a row of its own in the inventory.
  const query = /[?&]room_id=/.test(path) ? '?room_id=' : '';
  appendFileSync(file, `${method}\t${path.split('?', 1)[0]}${query}\t${status}\t${errcode}\n`);
}

function toBytes(body: unknown): Buffer | undefined {
  if (body === undefined) return undefined;
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

async function gather(body: ReplyBody): Promise<Buffer> {
  if (typeof body === 'string') return Buffer.from(body);
  if (Buffer.isBuffer(body)) return body;
  const pieces: Buffer[] = [];
  for await (const piece of body as AsyncIterable<Piece>) pieces.push(Buffer.from(piece as string));
  return Buffer.concat(pieces);
}
