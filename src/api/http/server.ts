import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { MatrixError } from '../../protocol/errors.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import { createServer } from '../../util/node-http.ts';
import type { App } from '../app.ts';
import type { ClientAddress } from './client-address.ts';
import { errorReply } from './reply.ts';
import { send } from './send.ts';
import type { HttpCall, Interface } from './types.ts';

/** Certificate chain and key in PEM form. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface ListenOptions {
  /** An IP address or host name, or the absolute path of a unix socket. */
  readonly address: string;
  /** 0 lets the system choose; not used with a unix socket. */
  readonly port: number;
  readonly serves: readonly Interface[];
  /** With it the listener speaks TLS, with this certificate for whatever name is asked for. */
  readonly tls?: Certificate;
}

export interface ServerTools {
  readonly app: App;
  readonly clients: ClientAddress;
  readonly clock: Clock;
  readonly log: Log;
}

const limits: ServerOptions = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 30_000,
  // A large upload over a slow line takes its time.
  requestTimeout: 30 * 60_000,
  // Longer than the proxies in front keep their side open, so that it is they who close.
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 15_000,
  // Answers are written in one piece where they can be; nothing is gained by waiting for more.
  noDelay: true,
};

/** More than a small board can serve; beyond it new connections are closed at once. */
const maxConnections = 2000;

/** After this many requests a connection is closed, so that no client leans on one process part for ever. */
const maxRequestsPerConnection = 100_000;

/** On stop, how long requests that are being answered may take. */
const grace = millis(5000);

/** What is left of a body that was refused is read and dropped up to this size; beyond it the connection is closed. */
const dropAtMost = 1024 * 1024;

/** One listening address. */
export class HttpListener {
  readonly #server: Server;
  readonly #tls: TlsServer | undefined;
  readonly #tools: ServerTools;
  readonly #serves: ReadonlySet<Interface>;
  /** Grows with connections, which are limited. */
  readonly #open = new Set<Exchange>();

  private constructor(server: Server | TlsServer, serves: readonly Interface[], tools: ServerTools) {
    this.#server = server;
    this.#tls = 'setSecureContext' in server ? server : undefined;
    this.#serves = new Set(serves);
    this.#tools = tools;
    server.maxConnections = maxConnections;
    server.maxRequestsPerSocket = maxRequestsPerConnection;
    server.on('request', (request, response) => void this.#answer(request, response));
    server.on('clientError', (error, socket) => {
      tools.log.debug('http.client_error', { cause: error });
      const status = statusOf(error);
      if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    });
  }

  /** Listens; rejects if the address cannot be had. */
  static async listen(options: ListenOptions, tools: ServerTools): Promise<HttpListener> {
    // node:https costs 4 MB, which most boards behind a proxy never need.
    const server = options.tls
      ? (await import('node:https')).createServer({ ...limits, ...options.tls })
      : createServer(limits);
    const listener = new HttpListener(server, options.serves, tools);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      const place = options.address.startsWith('/')
        ? { path: options.address }
        : { host: options.address, port: options.port };
      server.listen(place, () => {
        server.off('error', reject);
        resolve();
      });
    });
    server.on('error', (error) => tools.log.error('http.listener', { cause: error }));
    return listener;
  }

  /** The port that is listened on; `undefined` on a unix socket. */
  get port(): number | undefined {
    const address = this.#server.address();
    return typeof address === 'object' ? address?.port : undefined;
  }

  /** Uses another certificate for new connections. Throws if key and certificate do not go together. */
  useCertificate(certificate: Certificate): void {
    if (this.#tls === undefined) throw new Error('this listener does not speak TLS');
    this.#tls.setSecureContext({ ...certificate });
  }

  /** Takes no more connections, lets waiting requests end at once and gives the others a few seconds. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const exchange of this.#open) exchange.abort();
    this.#server.closeIdleConnections();
    const cancel = this.#tools.clock.after(grace, () => this.#server.closeAllConnections());
    await closed;
    cancel();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = new Exchange(request, this.#tools.clients.of(request.socket.remoteAddress, request.headers));
    this.#open.add(exchange);
    // A connection that is still open may bring another request after `close`: it is answered, but waits for nothing.
    if (!this.#server.listening) exchange.abort();
    response.once('close', () => {
      this.#open.delete(exchange);
      if (!response.writableFinished) exchange.abort();
    });
    try {
      const answer = await this.#tools.app.handle(exchange, this.#serves);
      if (response.destroyed) return;
      if (!this.#server.listening || hasMuchLeft(request)) response.setHeader('Connection', 'close');
      await send(response, answer, request.method !== 'HEAD');
    } catch (error) {
      this.#breakOff(error, request, response);
    }
  }

  /** The body of an answer failed. Once part of it is out, only a cut connection can tell the client. */
  #breakOff(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    const path = request.url?.split('?')[0];
    this.#tools.log.error('http.body', { method: request.method, path, cause: error });
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const known = error instanceof MatrixError ? error : new MatrixError(500, 'M_UNKNOWN', 'Internal server error');
    const answer = errorReply(known);
    response.writeHead(answer.status, answer.headers);
    response.end(answer.body);
  }
}

/** What a connection that brings no proper request is told before it is closed. */
function statusOf(error: Error): string {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
}

/** True if so much of the body is still to come that it is cheaper to hang up. */
function hasMuchLeft(request: IncomingMessage): boolean {
  if (request.complete) return false;
  const declared = request.headers['content-length'];
  return declared === undefined ? request.headers['transfer-encoding'] !== undefined : Number(declared) > dropAtMost;
}

class Exchange implements HttpCall {
  readonly stream: IncomingMessage;
  readonly ip: string;
  #controller: AbortController | undefined;
  #aborted = false;

  constructor(request: IncomingMessage, ip: string) {
    this.stream = request;
    this.ip = ip;
  }

  get method(): string {
    return this.stream.method ?? 'GET';
  }

  get url(): string {
    return this.stream.url ?? '/';
  }

  get headers() {
    return this.stream.headers;
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
}
