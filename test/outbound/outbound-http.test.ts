import assert from 'node:assert/strict';
import { createServer as createPlain, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { type AddressInfo, createServer as createRaw } from 'node:net';
import { describe, it } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { AddressRanges } from '../../src/outbound/address-ranges.ts';
import { OutboundHttp, type OutboundHttpOptions } from '../../src/outbound/outbound-http.ts';
import type { OutboundRequest } from '../../src/outbound/types.ts';
import { millis } from '../../src/util/brand.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';
import { testCertificate } from '../support/test-certificate.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Stub extends AsyncDisposable {
  readonly port: number;
  connections: number;
}

async function serve(handler: Handler, secure = false): Promise<Stub> {
  const server = secure ? createSecure(testCertificate, handler) : createPlain(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stub: Stub = {
    port: (server.address() as AddressInfo).port,
    connections: 0,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  server.on('connection', () => stub.connections++);
  return stub;
}

/** A client whose names all lead to this machine, unless the table says otherwise. */
function client(
  options: { allowed?: string[]; names?: Record<string, string[]>; slots?: number } & Partial<OutboundHttpOptions> = {},
) {
  const { allowed = ['127.0.0.0/8'], names = {}, ...more } = options;
  const clock = new FakeClock();
  const asked: string[] = [];
  const http = new OutboundHttp({
    ranges: new AddressRanges(allowed),
    resolveDns(name) {
      asked.push(name);
      const found = names[name] ?? ['127.0.0.1'];
      return found.length > 0 ? Promise.resolve(found) : Promise.reject(new Error('queryA ENOTFOUND'));
    },
    clock,
    tls: { authorities: { only: testCertificate.cert } },
    ...more,
  });
  const get = (url: string, request: Partial<OutboundRequest> = {}) =>
    http.request({ method: 'GET', url, timeout: millis(5000), maxBytes: 1000, plainHttp: 'anywhere', ...request });
  return { http, clock, asked, get, [Symbol.dispose]: () => http.close() };
}

const text = (result: { ok: boolean; body?: Buffer }) => (result.ok ? String(result.body) : result);

describe('requests to the outside', () => {
  it('go to the address that was looked up, with the host of the URL', async () => {
    await using stub = await serve((request, response) => response.end(`${request.headers.host} ${request.url}`));
    using c = client();
    const result = await c.get(`http://push.example.org:${stub.port}/a?b=c`);
    assert.equal(text(result), `push.example.org:${stub.port} /a?b=c`);
    assert.deepEqual(c.asked, ['push.example.org']);
  });

  it('tell the name of the URL in TLS and verify the certificate for it', async () => {
    await using stub = await serve((request, response) => {
      response.end(String((request.socket as TLSSocket & { servername: string }).servername));
    }, true);
    using c = client();
    assert.equal(text(await c.get(`https://push.test:${stub.port}/`)), 'push.test');
    const other = await c.get(`https://other.test:${stub.port}/`);
    assert.deepEqual([other.ok, !other.ok && other.reason], [false, 'tls']);
    using stranger = client({ tls: {} });
    const unknown = await stranger.get(`https://push.test:${stub.port}/`);
    assert.deepEqual([unknown.ok, !unknown.ok && unknown.reason], [false, 'tls']);
  });

  it('send a body, headers, and no encoding that would have to be undone', async () => {
    await using stub = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { 'content-length': length, 'x-a': a, 'accept-encoding': encoding } = request.headers;
        response.statusCode = 201;
        response.end(JSON.stringify([request.method, Buffer.concat(chunks).toString(), length, a, encoding]));
      });
    });
    using c = client();
    const result = await c.get(`http://a.test:${stub.port}/`, { method: 'POST', body: 'ä', headers: { 'X-A': '1' } });
    assert.equal(result.ok && result.status, 201);
    assert.deepEqual(JSON.parse(text(result) as string), ['POST', 'ä', '2', '1', 'identity']);
  });

  it('use an open connection again', async () => {
    await using stub = await serve((_, response) => response.end('x'));
    using c = client();
    for (let i = 0; i < 3; i++) await c.get(`http://a.test:${stub.port}/`);
    assert.equal(stub.connections, 1);
  });

  it('are made anew when the open connection had been closed by the other side', async () => {
    let count = 0;
    await using stub = await serve((request, response) => {
      if (++count === 2) request.socket.resetAndDestroy();
      else response.end(`${count}`);
    });
    using c = client();
    await c.get(`http://a.test:${stub.port}/`);
    assert.equal(text(await c.get(`http://a.test:${stub.port}/`)), '3');
  });

  const denied: readonly [string, string, string[]][] = [
    ['a name that leads to this machine', 'http://evil.test:1/', ['127.0.0.1']],
    ['a name that leads to a private network', 'http://evil.test:1/', ['10.0.0.1', 'fd00::1']],
    ['an address of this machine', 'http://127.0.0.1:1/', []],
    ['the same in another form', 'http://0x7f.1:1/', []],
    ['the same as a number', 'http://2130706433:1/', []],
    ['the same in IPv6', 'http://[::1]:1/', []],
    ['the same, mapped', 'http://[::ffff:127.0.0.1]:1/', []],
  ];
  for (const [what, url, addresses] of denied) {
    it(`do not go to ${what}`, async () => {
      using c = client({ allowed: [], names: { 'evil.test': addresses } });
      const result = await c.get(url);
      assert.deepEqual(result.ok || [result.reason, result.retryable], ['denied', false]);
    });
  }

  it('pass over the addresses of a name that may not be connected to', async () => {
    await using stub = await serve((_, response) => response.end('here'));
    using c = client({ names: { 'both.test': ['10.0.0.1', '127.0.0.1'] } });
    assert.equal(text(await c.get(`http://both.test:${stub.port}/`)), 'here');
  });

  it('are checked again after a redirect', async () => {
    await using stub = await serve((_, response) => response.writeHead(302, { Location: 'http://inside.test/' }).end());
    using c = client({ names: { 'inside.test': ['10.0.0.1'] } });
    const result = await c.get(`http://a.test:${stub.port}/`, { maxRedirects: 3 });
    assert.deepEqual(result.ok || result.reason, 'denied');
    assert.deepEqual(c.asked, ['a.test', 'inside.test']);
  });

  it('follow redirects only as often as they may, without the secrets for another host', async () => {
    const seen: unknown[] = [];
    await using stub = await serve((request, response) => {
      seen.push([request.headers.host?.split(':')[0], request.method, request.headers.authorization]);
      if (request.url === '/end') response.end('end');
      else response.writeHead(303, { Location: request.url === '/1' ? '/2' : `http://b.test:${stub.port}/end` }).end();
    });
    using c = client();
    const url = `http://a.test:${stub.port}/1`;
    const request = { method: 'POST', body: 'x', headers: { Authorization: 'secret' } } as const;
    assert.equal(text(await c.get(url, { ...request, maxRedirects: 2 })), 'end');
    assert.deepEqual(seen, [
      ['a.test', 'POST', 'secret'],
      ['a.test', 'GET', 'secret'],
      ['b.test', 'GET', undefined],
    ]);
    const short = await c.get(url, { maxRedirects: 1 });
    assert.deepEqual(short.ok || short.reason, 'redirects');
    const none = await c.get(url);
    assert.equal(none.ok && none.status, 303);
  });

  it('do not leave TLS by a redirect', async () => {
    await using stub = await serve(
      (_, response) => response.writeHead(307, { Location: 'http://a.test/' }).end(),
      true,
    );
    using c = client();
    const result = await c.get(`https://push.test:${stub.port}/`, { maxRedirects: 1 });
    assert.deepEqual(result.ok || result.reason, 'redirects');
  });

  it('without TLS go only where they may', async () => {
    await using stub = await serve((_, response) => response.end('x'));
    using c = client({ names: { 'public.test': ['8.8.8.8'] } });
    const inside = await c.get(`http://a.test:${stub.port}/`, { plainHttp: 'allowed-ranges' });
    assert.equal(inside.ok, true);
    const outside = await c.get('http://public.test/', { plainHttp: 'allowed-ranges' });
    assert.deepEqual(outside.ok || outside.reason, 'denied');
    const nowhere = await c.get(`http://a.test:${stub.port}/`, { plainHttp: 'nowhere' });
    assert.deepEqual(nowhere.ok || nowhere.reason, 'url');
  });

  it('fail with an answer that is longer than wanted, told or not', async () => {
    await using stub = await serve((request, response) => {
      if (request.url === '/told') response.end('x'.repeat(1001));
      else for (let i = 0; i < 100; i++) response.write('x'.repeat(100));
    });
    using c = client();
    for (const path of ['/told', '/streamed']) {
      const result = await c.get(`http://a.test:${stub.port}${path}`);
      assert.deepEqual(result.ok || [result.reason, result.retryable], ['too-large', false]);
    }
  });

  it('fail when it takes too long: looking up, connecting, answering', async () => {
    let arrived = (): void => {};
    const asked = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    await using stub = await serve((request, response) => {
      if (request.url === '/half') response.write('half');
      arrived();
    });
    for (const path of ['/nothing', '/half']) {
      using c = client();
      const result = c.get(`http://a.test:${stub.port}${path}`);
      await asked;
      c.clock.advance(5000);
      const { ok, ...rest } = (await result) as { ok: boolean; reason?: string; retryable?: boolean };
      assert.deepEqual([ok, rest.reason, rest.retryable], [false, 'timeout', true]);
    }
    using slow = client({ resolveDns: () => new Promise(() => {}) });
    const lookup = slow.get('http://a.test/');
    await new Promise((resolve) => setImmediate(resolve));
    slow.clock.advance(5000);
    const result = await lookup;
    assert.deepEqual(result.ok || result.reason, 'timeout');
  });

  it('fail as values that say whether another try makes sense', async () => {
    await using stub = await serve((request) => request.socket.destroy());
    using c = client({ names: { 'no.test': [] } });
    const outcome = async (url: string) => {
      const result = await c.get(url);
      return result.ok ? 'ok' : [result.reason, result.retryable];
    };
    assert.deepEqual(await outcome('http://no.test/'), ['dns', true]);
    assert.deepEqual(await outcome(`http://a.test:${stub.port}/`), ['connection', true]);
    assert.deepEqual(await outcome('http://a.test:1/'), ['connection', true]);
    assert.deepEqual(await outcome('ftp://a.test/'), ['url', false]);
    assert.deepEqual(await outcome('http://u:p@a.test/'), ['url', false]);
    assert.deepEqual(await outcome('nonsense'), ['url', false]);
  });

  const noAnswers: readonly [string, string][] = [
    ['an offer of another protocol', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
    ['what is no HTTP', 'hello\r\n\r\n'],
    ['half an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel'],
    ['headers without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
  ];
  for (const [what, bytes] of noAnswers) {
    it(`fail with ${what}`, async () => {
      const server = createRaw((socket) =>
        socket
          .on('error', () => {})
          .resume()
          .end(bytes),
      );
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      using c = client();
      const result = await c.get(`http://a.test:${(server.address() as AddressInfo).port}/`);
      assert.deepEqual(result.ok || [result.reason, result.retryable], ['connection', true]);
      await new Promise((resolve) => server.close(resolve));
    });
  }

  it('are called off by their caller and when the server stops', async () => {
    await using stub = await serve(() => {});
    using c = client();
    const abort = new AbortController();
    const called = c.get(`http://a.test:${stub.port}/`, { signal: abort.signal });
    const other = c.get(`http://a.test:${stub.port}/`);
    abort.abort();
    const result = await called;
    assert.deepEqual(result.ok || result.reason, 'aborted');
    c.http.close();
    const stopped = await other;
    assert.deepEqual(stopped.ok || stopped.reason, 'aborted');
  });

  it('are so many at once, in the order in which they came', async () => {
    const held: ServerResponse[] = [];
    const seen: string[] = [];
    let wake = (): void => {};
    await using stub = await serve((request, response) => {
      seen.push(request.url ?? '');
      held.push(response);
      wake();
    });
    using c = client({ slots: 2 });
    const results = [1, 2, 3, 4].map((i) => c.get(`http://a.test:${stub.port}/${i}`));
    for (let finished = 0; finished < 4; finished++) {
      while (held.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      assert.ok(seen.length - finished <= 2);
      held.shift()?.end('x');
      await results[finished];
    }
    assert.ok((await Promise.all(results)).every(({ ok }) => ok));
    assert.deepEqual([...seen].sort(), ['/1', '/2', '/3', '/4']);
  });
});
