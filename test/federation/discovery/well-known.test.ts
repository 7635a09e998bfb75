import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { before, describe, it } from 'node:test';
import { lifetimeOf } from '../../../src/federation/discovery/well-known.ts';
import { millis } from '../../../src/util/brand.ts';
import {
  fakeDns,
  httpsStub,
  openTransport,
  ownLoopback,
  type TransportOptions,
} from '../../support/federation/https-net.ts';
import { ThrowAwayCa } from '../../support/throw-away-ca.ts';

const minute = 60_000;
const hour = 60 * minute;

let ca: ThrowAwayCa;
before(async () => {
  ca = await ThrowAwayCa.create();
});

/** `a.test` with a web server, and the homeserver that it may delegate to. */
async function world(
  answer: (request: IncomingMessage, response: ServerResponse, port: number) => void,
  options: Partial<TransportOptions> = {},
) {
  const server = await httpsStub(await ca.issue('a.test', 'd.test'), (_, response) => response.end('hello'));
  const web = await httpsStub(await ca.issue('a.test', 'w.test'), (request, response) =>
    answer(request, response, server.port),
  );
  const here = [ownLoopback];
  const dns = fakeDns(
    { 'a.test': here, 'd.test': here, 'w.test': here, 'inside.test': ['10.0.0.1'] },
    { '_matrix-fed._tcp.a.test': [{ name: 'a.test', port: server.port }] },
  );
  const transport = openTransport({ ca, dns, wellKnownPort: web.port, ...options });
  return {
    ...transport,
    /** The `Host` header of a call: `d.test` if it was delegated. */
    async host() {
      const answer = await transport.get('a.test');
      return answer === '200 hello' ? server.seen.at(-1)?.host?.split(':')[0] : answer;
    },
    /** Minutes later, long after what is in memory is forgotten. */
    later: (time: number) => transport.clock.advance(time),
    web,
    server,
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await web[Symbol.asyncDispose]();
    },
  };
}

const delegation = (port: number) => JSON.stringify({ 'm.server': `d.test:${port}` });

describe('/.well-known/matrix/server of another server', () => {
  it('is asked for once in 24 hours, restarts included', async () => {
    await using w = await world((_, response, port) => response.end(delegation(port)));
    assert.equal(await w.host(), 'd.test');
    w.later(23 * hour);
    w.restart();
    assert.equal(await w.host(), 'd.test');
    assert.equal(w.web.seen.length, 1);
    assert.deepEqual([w.web.seen[0]?.url, w.web.seen[0]?.sni], ['/.well-known/matrix/server', 'a.test']);
    w.later(hour + 1);
    assert.equal(await w.host(), 'd.test');
    assert.equal(w.web.seen.length, 2);
  });

  const useless: readonly [string, (response: ServerResponse) => void][] = [
    ['an error', (response) => response.writeHead(404).end('{"m.server":"d.test:1"}')],
    ['no JSON', (response) => response.end('<html>')],
    ['no object', (response) => response.end('["d.test:1"]')],
    ['another key', (response) => response.end('{"server":"d.test:1"}')],
    ['no server name', (response) => response.end('{"m.server":"https://d.test:1/"}')],
    ['no text', (response) => response.end('{"m.server":1}')],
    ['a megabyte', (response) => response.end(`{"m.server":"d.test:1","x":"${'x'.repeat(1024 * 1024)}"}`)],
    ['a body without end', (response) => endless(response)],
    ['nothing', (response) => response.destroy()],
    ['a redirect in a circle', (response) => response.writeHead(302, { Location: '/.well-known/matrix/server' }).end()],
    ['a redirect to a private address', (response) => response.writeHead(302, { Location: 'https://10.0.0.1/' }).end()],
    [
      'a redirect to a name with a private address',
      (response) => response.writeHead(302, { Location: 'https://inside.test/' }).end(),
    ],
  ];
  for (const [what, answer] of useless) {
    it(`is passed over if it is ${what}, for five minutes at first and for an hour at most`, async () => {
      await using w = await world((_, response) => answer(response));
      assert.equal(await w.host(), 'a.test');
      const once = w.web.seen.length;
      w.later(5 * minute - 1);
      assert.equal(await w.host(), 'a.test');
      assert.equal(w.web.seen.length, once);
      w.later(1);
      assert.equal(await w.host(), 'a.test');
      assert.equal(w.web.seen.length, 2 * once);
      for (let i = 3; i <= 7; i++) {
        w.later(hour);
        assert.equal(await w.host(), 'a.test');
        assert.equal(w.web.seen.length, i * once);
      }
    });
  }

  it('may be found by redirects', async () => {
    await using w = await world((request, response, port) => {
      if (request.headers.host?.startsWith('w.test') === true) response.end(delegation(port));
      else response.writeHead(301, { Location: `https://w.test:${w.web.port}/elsewhere` }).end();
    });
    assert.equal(await w.host(), 'd.test');
  });

  it('is not read over a redirect to plain HTTP', async () => {
    const plain = createServer((_, response) => response.end('{"m.server":"d.test:1"}'));
    await new Promise<void>((resolve) => plain.listen(0, ownLoopback, resolve));
    const { port } = plain.address() as AddressInfo;
    await using w = await world((_, response) => response.writeHead(302, { Location: `http://w.test:${port}/` }).end());
    assert.equal(await w.host(), 'a.test');
    await new Promise((resolve) => plain.close(resolve));
  });

  it('is asked for again when its time is over, and the old answer stays while nobody answers, up to 48 hours', async () => {
    let isUp = true;
    await using w = await world((_, response, port) => {
      if (isUp) response.setHeader('Cache-Control', 'max-age=3600').end(delegation(port));
      else response.writeHead(503).end();
    });
    assert.equal(await w.host(), 'd.test');
    isUp = false;
    for (let i = 0; i < 40; i++) {
      w.later(hour);
      assert.equal(await w.host(), 'd.test', `after ${i + 1} hours`);
    }
    assert.ok(w.web.seen.length > 10);
    w.later(9 * hour);
    assert.equal(await w.host(), 'a.test');
  });

  it('may not lead to a private address', async () => {
    await using w = await world((_, response) => response.end('{"m.server":"10.0.0.1:8448"}'), {
      allowed: [ownLoopback],
    });
    assert.equal(await w.host(), 'denied');
  });

  it('is not asked for at a private address', async () => {
    await using w = await world((_, response, port) => response.end(delegation(port)), { allowed: [] });
    assert.equal(await w.host(), 'denied');
    assert.equal(w.web.connections, 0);
  });
});

function endless(response: ServerResponse): void {
  const more = () => {
    while (!response.destroyed && response.write('x'.repeat(16 * 1024)));
  };
  response.on('drain', more);
  more();
}

describe('how long a well-known document is kept', () => {
  const now = Date.UTC(2026, 10, 21);
  const cases: readonly [headers: Record<string, string>, hours: number][] = [
    [{}, 24],
    [{ 'cache-control': 'public, max-age=7200' }, 2],
    [{ 'cache-control': 'max-age=7200, s-maxage="10800"' }, 2],
    [{ 'cache-control': 'max-age=99999999' }, 48],
    [{ 'cache-control': 'max-age=0' }, 1 / 12],
    [{ 'cache-control': 'no-store' }, 1 / 12],
    [{ 'cache-control': 'no-cache="x"' }, 1 / 12],
    [{ 'cache-control': 'private' }, 24],
    [{ expires: new Date(now + 3 * hour).toUTCString() }, 3],
    [{ expires: new Date(now + 300 * hour).toUTCString() }, 48],
    [{ expires: '0' }, 1 / 12],
    [{ 'cache-control': 'max-age=3600', expires: new Date(now + 3 * hour).toUTCString() }, 1],
  ];
  for (const [headers, hours] of cases) {
    it(`is ${hours} hours with ${JSON.stringify(headers)}`, () => {
      assert.equal(lifetimeOf(headers, millis(now)), hours * hour);
    });
  }
});

describe('what is kept of well-known documents', () => {
  it('is bounded, and what is over first goes first', async () => {
    await using w = await world((_, response) => response.end());
    const { db, stores } = w.store;
    const row = (expires: number) => ({ delegated: null, fetched: millis(0), expires: millis(expires), failures: 1 });
    db.write<void>(() => {
      for (let i = 1; i <= 500; i++) stores.discovery.put(`${i}.test`, row(i), 100);
      for (let i = 1; i <= 500; i++) stores.discovery.put('500.test', row(500), 100);
    });
    const kept = Array.from({ length: 500 }, (_, i) => stores.discovery.get(`${i + 1}.test`) !== undefined);
    const count = kept.filter(Boolean).length;
    assert.ok(count > 80 && count <= 100, `${count} are kept`);
    assert.ok(kept.slice(-count).every(Boolean));
  });
});
