import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { createApp } from '../../../src/api/app.ts';
import { ClientAddress } from '../../../src/api/http/client-address.ts';
import { endpoint } from '../../../src/api/http/endpoint.ts';
import { json, reply, streamedJson } from '../../../src/api/http/reply.ts';
import { HttpListener, type ListenerCertificates } from '../../../src/api/http/server.ts';
import { type Clock, systemClock } from '../../../src/util/clock.ts';
import { silentLog } from '../../../src/util/log.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

/** What the endpoints have noticed. */
export interface Seen {
  aborted: boolean;
  pulled: number;
  closed: boolean;
  /** Resolves when a long-polling request has arrived. */
  readonly waiting: Promise<void>;
}

export interface TestServerOptions {
  readonly path?: string;
  readonly tls?: ListenerCertificates;
  readonly clock?: Clock;
  readonly idleTimeout?: number;
  readonly connections?: number;
  /** This machine itself unless given. */
  readonly proxies?: readonly string[];
}

/** A listener with endpoints that show how it answers. */
export class TestServer implements AsyncDisposable {
  readonly seen: Seen;
  readonly listener: HttpListener;
  readonly #place: object;

  private constructor(listener: HttpListener, place: object, seen: Seen) {
    this.listener = listener;
    this.#place = place;
    this.seen = seen;
  }

  static async start({
    path,
    clock = systemClock,
    proxies = ['127.0.0.1'],
    ...more
  }: TestServerOptions = {}): Promise<TestServer> {
    const arrived = Promise.withResolvers<void>();
    const seen: Seen = { aborted: false, pulled: 0, closed: false, waiting: arrived.promise };
    const app = createApp(endpoints(seen, arrived.resolve), {
      gate: { authenticate: () => undefined as never },
      log: silentLog,
      random: new SeededRandom(),
    });
    const tools = { app, clients: new ClientAddress(proxies), clock, log: silentLog };
    const options = { address: path ?? '127.0.0.1', port: 0, serves: ['client'] as const, ...more };
    const listener = await HttpListener.listen(options, tools);
    const place = path === undefined ? { host: '127.0.0.1', port: listener.port } : { socketPath: path };
    return new TestServer(listener, place, seen);
  }

  ask(method: string, path: string, more: { body?: string; headers?: Record<string, string> } = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest({ ...this.#place, method, path, agent: false, headers: more.headers ?? {} });
      request.on('error', reject);
      request.on('response', (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode as number,
            headers: response.headers,
            text: Buffer.concat(pieces).toString('utf8'),
          }),
        );
      });
      request.end(more.body);
    });
  }

  get port(): number {
    return this.listener.port as number;
  }

  close(): Promise<void> {
    return this.listener.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function endpoints(seen: Seen, arrived: () => void) {
  const get = <Path extends string>(path: Path) => ({ method: 'GET', path, auth: 'none', body: 'none' }) as const;
  return [
    endpoint({ ...get('/_matrix/client/v3/small'), handler: ({ ip }) => json({ ip }) }),
    endpoint({
      ...get('/_matrix/client/v3/few'),
      handler: () => streamedJson(['{"a":', Buffer.from('"ü"'), '}']),
    }),
    endpoint({
      ...get('/_matrix/client/v3/many'),
      handler: () =>
        streamedJson(
          (async function* () {
            await Promise.resolve();
            yield '[';
            for (let i = 0; i < 20_000; i++) yield `"${i}",`;
            yield '0]';
          })(),
        ),
    }),
    endpoint({
      ...get('/_matrix/client/v3/endless'),
      handler: () =>
        reply({
          body: (function* () {
            try {
              for (;;) {
                seen.pulled++;
                yield Buffer.alloc(64 * 1024);
              }
            } finally {
              seen.closed = true;
            }
          })(),
        }),
    }),
    endpoint({
      ...get('/_matrix/client/v3/breaks/{when}'),
      handler: ({ params }) =>
        streamedJson(
          (function* () {
            if (params.when === 'late') yield 'x'.repeat(100_000);
            throw new Error('broken');
          })(),
        ),
    }),
    endpoint({
      ...get('/_matrix/client/v3/wait'),
      async handler({ signal }) {
        const gone = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        arrived();
        await gone;
        seen.aborted = true;
        return json({ done: true });
      },
    }),
    endpoint({
      method: 'POST',
      path: '/_matrix/client/v3/echo',
      auth: 'none',
      body: 'json',
      maxBody: 100,
      handler: ({ body }) => json(body),
    }),
    endpoint({
      method: 'POST',
      path: '/_matrix/client/v3/count',
      auth: 'none',
      body: 'stream',
      async handler({ stream }) {
        let bytes = 0;
        for await (const piece of stream) bytes += (piece as Buffer).length;
        return json({ bytes });
      },
    }),
    endpoint({
      method: 'POST',
      path: '/_matrix/client/v3/unread',
      auth: 'none',
      body: 'stream',
      handler: () => reply({ status: 403, body: Buffer.alloc(300_000, 'n') }),
    }),
  ];
}
