import assert from 'node:assert/strict';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createApp } from '../../../src/api/app.ts';
import { ClientAddress } from '../../../src/api/http/client-address.ts';
import { endpoint } from '../../../src/api/http/endpoint.ts';
import { json, reply, streamedJson } from '../../../src/api/http/reply.ts';
import { HttpListener } from '../../../src/api/http/server.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { silentLog } from '../../../src/util/log.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { tempFolder } from '../../support/store.ts';

interface Seen {
  aborted: boolean;
  pulled: number;
  closed: boolean;
  /** Resolves when a long-polling request has arrived. */
  readonly waiting: Promise<void>;
}

class TestServer implements AsyncDisposable {
  readonly seen: Seen;
  readonly #listener: HttpListener;
  readonly #place: object;

  private constructor(listener: HttpListener, place: object, seen: Seen) {
    this.#listener = listener;
    this.#place = place;
    this.seen = seen;
  }

  static async start(path?: string): Promise<TestServer> {
    const arrived = Promise.withResolvers<void>();
    const seen: Seen = { aborted: false, pulled: 0, closed: false, waiting: arrived.promise };
    const app = createApp(endpoints(seen, arrived.resolve), {
      gate: { authenticate: () => undefined as never },
      log: silentLog,
      random: new SeededRandom(),
    });
    const tools = { app, clients: new ClientAddress(['127.0.0.1']), clock: systemClock, log: silentLog };
    const options = { address: path ?? '127.0.0.1', port: 0, serves: ['client'] as const };
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
    return this.#listener.port as number;
  }

  close(): Promise<void> {
    return this.#listener.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

interface Answer {
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
  ];
}

describe('a listener', () => {
  it('answers a small body whole, with its length', async () => {
    await using server = await TestServer.start();
    const answer = await server.ask('GET', '/_matrix/client/v3/small');
    assert.equal(answer.text, '{"ip":"127.0.0.1"}');
    assert.equal(answer.headers['content-length'], '18');
    assert.equal(answer.headers['access-control-allow-origin'], '*');
  });

  it('answers a body in few pieces whole, with its length in bytes', async () => {
    await using server = await TestServer.start();
    const answer = await server.ask('GET', '/_matrix/client/v3/few');
    assert.equal(answer.text, '{"a":"ü"}');
    assert.equal(answer.headers['content-length'], '10');
  });

  it('writes a large body in pieces', async () => {
    await using server = await TestServer.start();
    const answer = await server.ask('GET', '/_matrix/client/v3/many');
    assert.equal(answer.headers['transfer-encoding'], 'chunked');
    assert.equal(JSON.parse(answer.text).length, 20_001);
  });

  it('answers HEAD like GET without the body', async () => {
    await using server = await TestServer.start();
    for (const path of ['small', 'many', 'endless']) {
      const answer = await server.ask('HEAD', `/_matrix/client/v3/${path}`);
      assert.deepEqual([answer.status, answer.text], [200, ''], path);
    }
    assert.equal(server.seen.pulled, 0);
  });

  it('asks for no more pieces than the client takes, and ends them when it goes', async () => {
    await using server = await TestServer.start();
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET /_matrix/client/v3/endless HTTP/1.1\r\nHost: x\r\n\r\n');
    // The client reads one piece, then no more: what is under way fills the buffers of the two sockets and stops.
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    let before = -1;
    while (server.seen.pulled !== before) {
      before = server.seen.pulled;
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(server.seen.pulled < 1000);
    socket.destroy();
    while (!server.seen.closed) await new Promise((resolve) => setImmediate(resolve));
  });

  it('answers 500 for a body that breaks before anything is out, and hangs up later', async () => {
    await using server = await TestServer.start();
    const early = await server.ask('GET', '/_matrix/client/v3/breaks/early');
    assert.deepEqual([early.status, JSON.parse(early.text).errcode], [500, 'M_UNKNOWN']);
    await assert.rejects(server.ask('GET', '/_matrix/client/v3/breaks/late'), /aborted|hang up/);
  });

  it('tells the handler when the client has gone', async () => {
    await using server = await TestServer.start();
    const socket = connect(server.port, '127.0.0.1');
    socket.write('GET /_matrix/client/v3/wait HTTP/1.1\r\nHost: x\r\n\r\n');
    await server.seen.waiting;
    socket.destroy();
    while (!server.seen.aborted) await new Promise((resolve) => setImmediate(resolve));
  });

  it('lets waiting requests end with an answer when it is closed', async () => {
    const server = await TestServer.start();
    const answer = server.ask('GET', '/_matrix/client/v3/wait');
    await server.seen.waiting;
    await Promise.all([server.close(), answer]);
    assert.deepEqual(JSON.parse((await answer).text), { done: true });
    assert.equal((await answer).headers.connection, 'close');
  });

  it('reads bodies with and without a length, and refuses those that are too large', async () => {
    await using server = await TestServer.start();
    const body = '{"a":1}';
    const echo = '/_matrix/client/v3/echo';
    assert.equal((await server.ask('POST', echo, { body })).text, body);
    const chunked = { 'transfer-encoding': 'chunked' };
    assert.equal((await server.ask('POST', echo, { body, headers: chunked })).text, body);
    const large = JSON.stringify({ a: 'x'.repeat(100) });
    for (const headers of [{}, chunked]) {
      const answer = await server.ask('POST', echo, { body: large, headers });
      assert.deepEqual([answer.status, JSON.parse(answer.text).errcode], [413, 'M_TOO_LARGE']);
    }
  });

  it('hangs up on what is no HTTP', async () => {
    await using server = await TestServer.start();
    const text = await new Promise<string>((resolve) => {
      const socket = connect(server.port, '127.0.0.1');
      let got = '';
      socket.setEncoding('utf8').on('data', (piece: string) => {
        got += piece;
      });
      socket.on('close', () => resolve(got));
      socket.write('nonsense\r\n\r\n');
    });
    assert.match(text, /^HTTP\/1.1 400 /);
  });

  it('listens on a unix socket, where the proxy tells who the client is', async () => {
    using folder = tempFolder();
    await using server = await TestServer.start(join(folder.path, 'http.sock'));
    const headers = { 'x-forwarded-for': '203.0.113.9' };
    const answer = await server.ask('GET', '/_matrix/client/v3/small', { headers });
    assert.equal(answer.text, '{"ip":"203.0.113.9"}');
  });
});

describe('the address of a client', () => {
  const clients = new ClientAddress(['127.0.0.1', '::1', '10.0.0.0/8', 'fd00::/8']);
  const rows: [peer: string | undefined, forwarded: string | undefined, address: string][] = [
    ['203.0.113.9', undefined, '203.0.113.9'],
    ['203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['127.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['::1', '2001:db8::1', '2001:db8::1'],
    ['::ffff:127.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['127.0.0.1', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['127.0.0.1', '1.1.1.1, 198.51.100.1, 10.2.3.4', '198.51.100.1'],
    ['10.9.9.9', '10.2.3.4', '10.2.3.4'],
    ['fd00::1', '198.51.100.1,', 'fd00::1'],
    ['127.0.0.1', 'nonsense', '127.0.0.1'],
    ['127.0.0.1', '198.51.100.1, nonsense, 10.1.1.1', '10.1.1.1'],
    [undefined, '198.51.100.1', '198.51.100.1'],
    [undefined, undefined, ''],
  ];
  for (const [peer, forwarded, address] of rows) {
    it(`is ${address || 'unknown'} for peer ${peer} forwarding ${forwarded}`, () => {
      assert.equal(clients.of(peer, forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }), address);
    });
  }
});
