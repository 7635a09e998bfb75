import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { millis } from '../../src/util/brand.ts';
import { fakeDns, httpsStub, openTransport, ownLoopback } from '../support/federation/https-net.ts';
import { World } from '../support/servers/world.ts';
import { tempFolder } from '../support/store.ts';
import { ThrowAwayCa } from '../support/throw-away-ca.ts';

let ca: ThrowAwayCa;
before(async () => {
  ca = await ThrowAwayCa.create();
});

const a = asServerName('a.test');

/** A server that answers as told, and who calls it. */
async function world(answer: (response: ServerResponse, url: string) => void) {
  const stub = await httpsStub(await ca.issue('a.test'), (request, response) => answer(response, request.url ?? ''));
  const transport = openTransport({ ca, dns: fakeDns({}), resolve: { 'a.test': `${ownLoopback}:${stub.port}` } });
  const send = (more: { signal?: AbortSignal; uri?: string } = {}) =>
    transport.send({ server: a, method: 'GET', uri: '/x', headers: {}, timeout: millis(5000), ...more });
  return {
    ...transport,
    stub,
    sendTo: send,
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      await stub[Symbol.asyncDispose]();
    },
  };
}

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
};

function endless(response: ServerResponse): void {
  const more = () => {
    while (!response.destroyed && response.write('x'.repeat(16 * 1024)));
  };
  response.on('drain', more);
  more();
}

describe('an answer of another server', () => {
  it('comes piece by piece, no faster than it is read, and leaving it closes the connection', async () => {
    await using w = await world(endless);
    const answer = await w.sendTo();
    assert.ok(answer.ok);
    let size = 0;
    for await (const piece of answer.body) {
      size += piece.length;
      if (size > 100_000) break;
    }
    await until(() => w.stub.open === 0);
  });

  it('that is left before it was begun closes the connection', async () => {
    await using w = await world(endless);
    const answer = await w.sendTo();
    assert.ok(answer.ok);
    await answer.body[Symbol.asyncIterator]().return?.();
    await until(() => w.stub.open === 0);
  });

  it('that nobody ever looks at is closed some time', async () => {
    await using w = await world(endless);
    assert.ok((await w.sendTo()).ok);
    w.clock.advance(10 * 60_000);
    await until(() => w.stub.open === 0);
  });

  it('that stops coming breaks off', async () => {
    await using w = await world((response) => response.write('{'));
    const answer = await w.sendTo();
    assert.ok(answer.ok);
    await assert.rejects(async () => {
      for await (const _ of answer.body) {
        const waiting = setImmediate(() => w.clock.advance(5000));
        waiting.unref();
      }
    }, /nothing more comes/);
    await until(() => w.stub.open === 0);
  });

  it('that does not begin is a failure', async () => {
    await using w = await world(() => {});
    const answer = w.sendTo();
    await until(() => w.stub.seen.length === 1);
    w.clock.advance(5000);
    const result = await answer;
    assert.deepEqual(result.ok || result.reason, 'timeout');
  });

  it('may be called off before and after it has begun', async () => {
    await using w = await world((response, url) => {
      if (url === '/half') response.write('{');
    });
    for (const uri of ['/nothing', '/half']) {
      const abort = new AbortController();
      const sent = w.sendTo({ uri, signal: abort.signal });
      const before = w.stub.seen.length;
      await until(() => w.stub.seen.length > before || w.stub.seen.at(-1)?.url === uri);
      if (uri === '/nothing') {
        abort.abort();
        const result = await sent;
        assert.deepEqual(result.ok || result.reason, 'aborted');
        continue;
      }
      const result = await sent;
      assert.ok(result.ok);
      abort.abort();
      await assert.rejects(async () => {
        for await (const _ of result.body);
      });
    }
  });

  it('of any status is an answer, a redirect too', async () => {
    await using w = await world((response) => response.writeHead(302, { Location: 'https://10.0.0.1/' }).end('x'));
    assert.equal(await w.get('a.test'), '302 x');
  });

  it('that breaks off throws', async () => {
    await using w = await world((response) => {
      response.writeHead(200, { 'Content-Length': '100' }).write('{');
      setImmediate(() => response.destroy());
    });
    await assert.rejects(w.get('a.test'));
  });
});

describe('where calls to other servers may go', () => {
  const inside = ['10.0.0.1'];

  it('is no private address that a name or an SRV record leads to', async () => {
    const dns = fakeDns(
      { 'a.test': inside, 's.test': inside, 'six.test': ['fd00::1', '::ffff:127.0.0.1'] },
      {
        '_matrix-fed._tcp.b.test': [{ name: 's.test', port: 8448 }],
        '_matrix._tcp.c.test': [{ name: '127.0.0.1', port: 1 }],
      },
    );
    await using transport = openTransport({ dns: { ...dns }, allowed: [] });
    for (const server of ['a.test:8448', 'six.test:1', '127.0.0.1', '10.0.0.1:1', '[::1]', '[::ffff:10.0.0.1]:1']) {
      assert.equal(await transport.get(server), 'denied', server);
    }
    for (const server of ['b.test', 'c.test']) assert.equal(await transport.get(server), 'denied', server);
  });

  it('is a private address that the admin has settled', async () => {
    await using stub = await httpsStub(await ca.issue('a.test'), (_, response) => response.end('hello'));
    const resolve = { 'a.test': `inside.test:${stub.port}` };
    await using transport = openTransport({ ca, dns: fakeDns({ 'inside.test': [ownLoopback] }), resolve, allowed: [] });
    assert.equal(await transport.get('a.test'), '200 hello');
  });

  it('is the next place if one does not answer', async () => {
    await using stub = await httpsStub(await ca.issue('a.test'), (_, response) => response.end('hello'));
    const dns = fakeDns(
      { 's.test': [ownLoopback], 'in.test': inside },
      {
        '_matrix-fed._tcp.a.test': [
          { name: 'in.test', port: 1, priority: 1 },
          { name: 'gone.test', port: 1, priority: 2 },
          { name: 's.test', port: 1, priority: 3 },
          { name: 's.test', port: stub.port, priority: 4 },
        ],
      },
    );
    await using transport = openTransport({ ca, dns });
    assert.equal(await transport.get('a.test'), '200 hello');
  });

  it('is IPv6, too', async () => {
    await using stub = await httpsStub(await ca.issue('::1'), (_, response) => response.end('hello'), {
      address: '::1',
    });
    await using transport = openTransport({ ca, dns: fakeDns({}), allowed: ['::1'] });
    assert.equal(await transport.get(`[::1]:${stub.port}`), '200 hello');
    assert.deepEqual([stub.seen[0]?.host, stub.seen[0]?.sni], [`[::1]:${stub.port}`, false]);
  });
});

describe('connections to other servers', () => {
  it('that stay open are so many, however many servers there are', async () => {
    const names = Array.from({ length: 60 }, (_, i) => `s${i}.test`);
    await using stub = await httpsStub(await ca.issue(...names), (_, response) => response.end('hello'));
    const place = `${ownLoopback}:${stub.port}`;
    const resolve = Object.fromEntries(names.map((name) => [name, place]));
    await using transport = openTransport({ ca, dns: fakeDns({}), resolve });
    for (const name of names) assert.equal(await transport.get(name), '200 hello');
    await until(() => stub.open <= 24);
    assert.ok(stub.open > 10);
    await Promise.all(names.map(async (name) => assert.equal(await transport.get(name), '200 hello')));
    assert.equal(await transport.get('s0.test'), '200 hello');
    await until(() => stub.open <= 25);
  });
});

describe('federation.custom_ca_files', () => {
  /** The real one. */
  const network = { transport: undefined as never };

  it('are trusted in addition to the usual authorities', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'ca.pem');
    writeFileSync(file, ca.cert);
    await using stub = await httpsStub(await ca.issue('a.test'), (_, response) => response.end('{"x":1}'));
    const resolve = { 'a.test': `${ownLoopback}:${stub.port}` };
    for (const files of [[file], []]) {
      await using world = await World.open({ federation: { resolve, custom_ca_files: files } }, network);
      const { client } = world.hs.services.federation;
      const answer = await client.call({ server: a, method: 'GET', path: '/_matrix/x' });
      assert.deepEqual(answer.ok ? answer.value : answer.kind, files.length === 1 ? { x: 1 } : 'unreachable');
    }
  });

  it('that hold no certificate stop the start', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'ca.pem');
    writeFileSync(file, 'hello');
    await assert.rejects(World.open({ federation: { custom_ca_files: [file] } }), /ca\.pem holds no certificate/);
  });
});
