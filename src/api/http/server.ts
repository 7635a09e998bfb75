import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Http2SecureServer, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { MatrixError } from '../../protocol/errors.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import { createServer } from '../../util/node-http.ts';
import { Turns } from '../../util/turns.ts';
import type { App } from '../app.ts';
import type { ClientAddress } from './client-address.ts';
import { type Exchange, Http1Exchange, Http2Exchange } from './exchange.ts';
import { addressKey } from './rate-limits.ts';
import { errorReply } from './reply.ts';
import { send } from './send.ts';
import { type Certificate, createTlsServer, type TlsDoor } from './tls.ts';
import type { Interface } from './types.ts';

/** At least one; the first is shown to who asks for a name that none is for. */
export type ListenerCertificates = readonly [Certificate, ...Certificate[]];

export interface ListenOptions {
  /** An IP address or host name, or the absolute path of a unix socket. */
  readonly address: string;
  /** 0 lets the system choose; not used with a unix socket. */
  readonly port: number;
  readonly serves: readonly Interface[];
  /** With them the listener speaks TLS, and HTTP/2 with those who can. */
  readonly tls?: ListenerCertificates;
  /** Connections at a time; beyond them new ones are closed at once. As many as a board of half a gigabyte can hold unless given. */
  readonly connections?: number;
  /** How long a connection over HTTP/2 on which nothing moves is kept; 75 seconds unless given. */
  readonly idleTimeout?: number;
}

export interface ServerTools {
  readonly app: App;
  readonly clients: ClientAddress;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long a request may take to come. A large upload over a slow line takes its time. */
const requestTimeout = millis(30 * 60_000);

/** How long a connection may lie idle: longer than the proxies in front keep their side open, so that it is they who close. */
const idleFor = 75_000;

const limits: ServerOptions = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 30_000,
  requestTimeout,
  keepAliveTimeout: idleFor,
  connectionsCheckingInterval: 15_000,
  // Answers are written in one piece where they can be; nothing is gained by waiting for more.
  noDelay: true,
};

const mostConnections = 2000;
/** One that says nothing takes some 50 KB with TLS: a fifth of the budget if there are so many. */
const connectionsPerMb = 4;

/** Connections that a listener takes at a time with so much memory for all of the server. */
export function connectionsFor(budgetMb: number): number {
  return Math.min(mostConnections, budgetMb * connectionsPerMb);
}

/** Of one address, which may be that of a household or of a large server: whoever takes more keeps others out. */
const maxOfOneAddress = 500;

/** Requests over HTTP/2 that are open at one time on a listener; further ones are refused, and clients try again. */
const maxOpenStreams = 2000;
const refused = 7;

/** After this many requests a connection is closed, so that no client leans on one process part for ever. */
const maxRequestsPerConnection = 100_000;

/** On stop, how long requests that are being answered may take. */
const grace = millis(5000);

/** One listening address. */
export class HttpListener {
  readonly #server: Server | Http2SecureServer;
  readonly #tls: TlsDoor | undefined;
  readonly #tools: ServerTools;
  readonly #serves: ReadonlySet<Interface>;
  /** Of answers that take long to make. */
  readonly #turns = new Turns();
  /** Bounded by connections and by `maxOpenStreams`. */
  readonly #open = new Set<Exchange>();
  readonly #sockets = new Set<Socket>();
  /** How many of them each address has, but for those of proxies. */
  readonly #heldBy = new Map<string, number>();
  /** Those of them, or what TLS has made of them, on which one request follows the other. */
  readonly #inTurn = new Set<Socket>();

  private constructor(
    { serves, tls, idleTimeout = idleFor, connections = mostConnections }: ListenOptions,
    tools: ServerTools,
  ) {
    this.#tls = tls && createTlsServer(tls, limits);
    const server = this.#tls?.server ?? createServer(limits);
    this.#server = server;
    this.#serves = new Set(serves);
    this.#tools = tools;
    server.maxConnections = connections;
    Object.assign(server, { maxRequestsPerSocket: maxRequestsPerConnection });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      this.#count(socket);
    });
    server.on(this.#tls ? 'secureConnection' : 'connection', (socket: Socket | TLSSocket) => {
      if ('alpnProtocol' in socket && socket.alpnProtocol === 'h2') return;
      this.#inTurn.add(socket);
      socket.once('close', () => this.#inTurn.delete(socket));
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#request(request, response));
    server.on('clientError', (error: Error, socket: Socket) => {
      tools.log.debug('http.client_error', { cause: error });
      const status = statusOf(error);
      if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    });
    if (this.#tls) this.#takeStreams(this.#tls.server, idleTimeout);
  }

  /** Listens; rejects if the address cannot be had. */
  static async listen(options: ListenOptions, tools: ServerTools): Promise<HttpListener> {
    const listener = new HttpListener(options, tools);
    const server = listener.#server;
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
    server.on('error', (error: Error) => tools.log.error('http.listener', { cause: error }));
    return listener;
  }

  /** The port that is listened on; `undefined` on a unix socket. */
  get port(): number | undefined {
    const address = this.#server.address();
    return typeof address === 'object' ? address?.port : undefined;
  }

  /** Uses other certificates for new connections. Throws if a key does not go with its certificate. */
  useCertificates(certificates: ListenerCertificates): void {
    if (this.#tls === undefined) throw new Error('this listener does not speak TLS');
    this.#tls.use(certificates);
  }

  /** Takes no more connections, lets waiting requests end at once and gives the others a few seconds. */
  async close(): Promise<void> {
    // Clients that speak HTTP/2 are told to bring nothing more here.
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const exchange of this.#open) exchange.abort();
    this.#closeIdle();
    const cancel = this.#tools.clock.after(grace, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await closed;
    cancel();
  }

  /** Hangs up on an address that has too many connections. */
  #count(socket: Socket): void {
    const { remoteAddress } = socket;
    const { clients } = this.#tools;
    if (clients.isProxy(remoteAddress)) return;
    const key = addressKey(clients.of(remoteAddress, {}));
    const held = (this.#heldBy.get(key) ?? 0) + 1;
    this.#heldBy.set(key, held);
    socket.once('close', () => {
      const left = (this.#heldBy.get(key) ?? 1) - 1;
      if (left > 0) this.#heldBy.set(key, left);
      else this.#heldBy.delete(key);
    });
    if (held > maxOfOneAddress) socket.destroy();
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const ip = this.#tools.clients.of(request.socket.remoteAddress, request.headers);
    const over = (exchange: Exchange) => {
      this.#open.delete(exchange);
      // Its answer may have gone out with the promise to keep the connection open.
      if (!this.#server.listening) this.#closeIdle();
    };
    void this.#answer(new Http1Exchange(request, response, ip, over));
  }

  /**
   * Closes connections that wait for a request. Node's own `closeIdleConnections` leaves those alone that have not
   * brought any yet, which clients open in advance.
   */
  #closeIdle(): void {
    const busy = new Set<Socket>();
    for (const exchange of this.#open) if (exchange instanceof Http1Exchange) busy.add(exchange.stream.socket);
    for (const socket of this.#inTurn) if (!busy.has(socket)) socket.destroySoon();
  }

  #takeStreams(server: Http2SecureServer, idleTimeout: number): void {
    // Listening to requests has made Node dress streams up as requests, which end in other ways than they do.
    server.removeAllListeners('stream');
    server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => this.#stream(stream, headers));
    server.on('session', (session: ServerHttp2Session) => {
      session.setTimeout(idleTimeout, () => this.#idle(session));
    });
    server.on('sessionError', (error: Error) => this.#tools.log.debug('http.client_error', { cause: error }));
  }

  #stream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', (error: Error) => this.#tools.log.debug('http.client_error', { cause: error }));
    if (this.#open.size >= maxOpenStreams) {
      stream.close(refused);
      return;
    }
    const { clients, clock } = this.#tools;
    const ip = clients.of(stream.session?.socket.remoteAddress, headers);
    const exchange = new Http2Exchange(stream, { headers, ip }, () => {
      this.#open.delete(exchange);
      tooSlow();
    });
    const tooSlow = stream.endAfterHeaders ? () => {} : clock.after(requestTimeout, () => exchange.cut());
    stream.once('end', tooSlow);
    void this.#answer(exchange);
  }

  /** Nothing has moved on a connection for long: what waits for the client is given up, and so is one with no requests. */
  #idle(session: ServerHttp2Session): void {
    let waiting = 0;
    for (const exchange of this.#open) {
      if (!(exchange instanceof Http2Exchange) || exchange.stream.session !== session) continue;
      if (exchange.isClientsTurn) exchange.cut();
      else waiting++;
    }
    if (waiting === 0) session.close();
  }

  async #answer(exchange: Exchange): Promise<void> {
    this.#open.add(exchange);
    // A connection that is still open may bring another request after `close`: it is answered, but waits for nothing.
    if (!this.#server.listening) exchange.abort();
    try {
      const answer = await this.#tools.app.handle(exchange, this.#serves);
      if (exchange.isGone) return;
      exchange.begin(!this.#server.listening);
      await send(exchange, answer, exchange.method !== 'HEAD', this.#turns);
    } catch (error) {
      this.#breakOff(error, exchange);
    }
  }

  /** The body of an answer failed. Once part of it is out, only a cut connection can tell the client. */
  #breakOff(error: unknown, exchange: Exchange): void {
    const path = exchange.url.split('?')[0];
    this.#tools.log.error('http.body', { method: exchange.method, path, cause: error });
    if (exchange.headSent) {
      exchange.cut();
      return;
    }
    const known = error instanceof MatrixError ? error : new MatrixError(500, 'M_UNKNOWN', 'Internal server error');
    const { status, headers, body } = errorReply(known);
    exchange.head(status, headers);
    exchange.end(body as string);
  }
}

/** What a connection that brings no proper request is told before it is closed. */
function statusOf(error: Error): string {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request';
}
