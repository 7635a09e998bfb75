import assert from 'node:assert/strict';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { Agent, request as httpsRequest } from 'node:https';
import { before, describe, it } from 'node:test';
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls';
import { FakeClock } from '../../support/stubs/fake-clock.ts';
import { type IssuedCertificate, ThrowAwayCa } from '../../support/throw-away-ca.ts';
import { TestServer, type TestServerOptions } from './test-server.ts';

let ca: ThrowAwayCa;
let main: IssuedCertificate;
let other: IssuedCertificate;

const small = '/_matrix/client/v3/small';

before(async () => {
  ca = await ThrowAwayCa.create();
  main = await ca.issue('main.test', '127.0.0.1');
  other = await ca.issue('other.test', '*.wild.test');
});

const start = (more: TestServerOptions = {}) => TestServer.start({ tls: [main, other], ...more });

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

/** A client that speaks HTTP/2. */
class Client implements Disposable {
  readonly session: ClientHttp2Session;

  constructor(server: TestServer, options: ConnectionOptions & { settings?: object } = {}) {
    this.session = connect(`https://127.0.0.1:${server.port}`, { ca: ca.cert, ...options });
    this.session.on('error', () => {});
  }

  open(headers: OutgoingHttpHeaders, endStream = true): ClientHttp2Stream {
    const stream = this.session.request(headers, { endStream });
    stream.on('error', () => {});
    return stream;
  }

  async ask(method: string, path: string, body?: string | Buffer, more: OutgoingHttpHeaders = {}): Promise<Answer> {
    const stream = this.open({ ':method': method, ':path': path, ...more }, body === undefined);
    if (body !== undefined) stream.end(body);
    return gather(stream);
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function gather(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let headers: IncomingHttpHeaders = {};
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (given) => {
      headers = given;
    });
    stream.on('data', (piece: string) => {
      text += piece;
    });
    stream.on('error', reject);
    stream.on('close', () => {
      if (stream.rstCode !== 0) reject(new Error(`ended with ${stream.rstCode}`));
      else resolve({ status: Number(headers[':status']), headers, text });
    });
  });
}

/** The name on the certificate that is shown to one who asks for a host. */
function shownTo(server: TestServer, servername: string, more: ConnectionOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect(
      { host: '127.0.0.1', port: server.port, servername, ca: ca.cert, checkServerIdentity: () => undefined, ...more },
      () => {
        resolve(`${String(socket.getPeerCertificate().subject.CN)} ${socket.getProtocol()} ${socket.alpnProtocol}`);
        socket.destroy();
      },
    );
    socket.on('error', reject);
  });
}

describe('a listener with TLS', () => {
  it('answers HTTP/2 and HTTP/1.1 on one port, as each client can', async () => {
    await using server = await start();
    using client = new Client(server);
    const answer = await client.ask('GET', small);
    assert.deepEqual([answer.status, answer.text], [200, '{"ip":"127.0.0.1"}']);
    assert.equal(answer.headers['content-length'], '18');
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.equal(client.session.alpnProtocol, 'h2');
    const old = await overHttp1(server, 'GET', small);
    assert.deepEqual([old.status, old.text, old.version], [200, '{"ip":"127.0.0.1"}', '1.1']);
    assert.equal((await overHttp1(server, 'POST', '/_matrix/client/v3/echo', '{"a":1}')).text, '{"a":1}');
  });

  it('believes a trusted proxy who the client is', async () => {
    await using server = await start();
    using client = new Client(server);
    const answer = await client.ask('GET', small, undefined, { 'x-forwarded-for': '203.0.113.9' });
    assert.equal(answer.text, '{"ip":"203.0.113.9"}');
  });

  it('shows each client the certificate for the name it asks for, and the first to all others', async () => {
    await using server = await start();
    const rows = [
      ['main.test', 'main.test'],
      ['other.test', 'other.test'],
      ['a.wild.test', 'other.test'],
      ['a.b.wild.test', 'main.test'],
      ['unknown.test', 'main.test'],
    ] as const;
    for (const [asked, shown] of rows) {
      assert.equal(await shownTo(server, asked, { ALPNProtocols: ['h2'] }), `${shown} TLSv1.3 h2`, asked);
    }
  });

  it('shows renewed certificates on new connections, and keeps the old ones if a new one is broken', async () => {
    await using server = await start();
    using client = new Client(server);
    await client.ask('GET', small);
    const renewed = await ca.issue('newer.test');
    assert.throws(() => server.listener.useCertificates([renewed, { cert: other.cert, key: main.key }]), /key/);
    assert.match(await shownTo(server, 'unknown.test'), /^main\.test /);
    server.listener.useCertificates([renewed, await ca.issue('newest.test')]);
    assert.match(await shownTo(server, 'unknown.test'), /^newer\.test /);
    assert.match(await shownTo(server, 'newest.test'), /^newest\.test /);
    assert.equal((await client.ask('GET', small)).status, 200);
  });

  it('takes TLS 1.2 with forward secrecy, and nothing older or weaker', async () => {
    await using server = await start();
    const tls12 = { maxVersion: 'TLSv1.2' } as const;
    const chacha = 'ECDHE-ECDSA-CHACHA20-POLY1305';
    assert.match(await shownTo(server, 'main.test', { ...tls12, ciphers: chacha }), / TLSv1\.2 /);
    const cbc = { ...tls12, ciphers: 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0' };
    await assert.rejects(shownTo(server, 'main.test', cbc), /handshake failure/i);
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    await assert.rejects(shownTo(server, 'main.test', old), /protocol version|no protocols/i);
  });
});

describe('a request over HTTP/2', () => {
  it('gets a large answer in pieces, many at a time on one connection', async () => {
    await using server = await start();
    using client = new Client(server);
    const answers = await Promise.all(Array.from({ length: 20 }, () => client.ask('GET', '/_matrix/client/v3/many')));
    for (const { text } of answers) assert.equal(JSON.parse(text).length, 20_001);
  });

  it('gets HEAD, pre-flight and unknown paths answered', async () => {
    await using server = await start();
    using client = new Client(server);
    for (const path of ['small', 'many', 'endless']) {
      const answer = await client.ask('HEAD', `/_matrix/client/v3/${path}`);
      assert.deepEqual([answer.status, answer.text], [200, ''], path);
    }
    assert.equal(server.seen.pulled, 0);
    assert.equal((await client.ask('OPTIONS', small)).status, 204);
    assert.equal((await client.ask('GET', '/_matrix/client/v3/nothing')).status, 404);
  });

  it('has its body read with and without a length, and refused if it is too large', async () => {
    await using server = await start();
    using client = new Client(server);
    const echo = '/_matrix/client/v3/echo';
    assert.equal((await client.ask('POST', echo, '{"a":1}')).text, '{"a":1}');
    assert.equal((await client.ask('POST', echo, '{"a":1}', { 'content-length': 7 })).text, '{"a":1}');
    assert.equal((await client.ask('POST', echo, '{"a":1}', { expect: '100-continue' })).text, '{"a":1}');
    assert.equal((await client.ask('POST', echo)).status, 400);
    const large = JSON.stringify({ a: 'x'.repeat(1000) });
    for (const headers of [{}, { 'content-length': large.length }]) {
      const answer = await client.ask('POST', echo, large, headers);
      assert.deepEqual([answer.status, JSON.parse(answer.text).errcode], [413, 'M_TOO_LARGE']);
    }
    const upload = Buffer.alloc(5_000_000, 'u');
    assert.equal((await client.ask('POST', '/_matrix/client/v3/count', upload)).text, '{"bytes":5000000}');
  });

  it('gets the whole answer to a body that nobody read, and is over then', async () => {
    await using server = await start();
    using client = new Client(server);
    const stream = client.open({ ':method': 'POST', ':path': '/_matrix/client/v3/unread' }, false);
    stream.write(Buffer.alloc(10_000));
    const answer = await gather(stream);
    assert.deepEqual([answer.status, answer.text.length], [403, 300_000]);
    assert.equal((await client.ask('GET', small)).status, 200);
  });

  it('is asked for no more pieces than the client takes, which ends when it goes', async () => {
    await using server = await start();
    using client = new Client(server);
    const stream = client.open({ ':path': '/_matrix/client/v3/endless' });
    await new Promise((resolve) => stream.once('data', resolve));
    stream.pause();
    let last = -1;
    while (server.seen.pulled !== last) {
      last = server.seen.pulled;
      for (let n = 0; n < 50; n++) await turn();
    }
    assert.ok(server.seen.pulled < 100);
    // Others on the same connection go on.
    assert.equal((await client.ask('GET', small)).status, 200);
    stream.close(constants.NGHTTP2_CANCEL);
    await until(() => server.seen.closed);
  });

  it('gets 500 for a body that breaks before anything is out, and an error later', async () => {
    await using server = await start();
    using client = new Client(server);
    const early = await client.ask('GET', '/_matrix/client/v3/breaks/early');
    assert.deepEqual([early.status, JSON.parse(early.text).errcode], [500, 'M_UNKNOWN']);
    await assert.rejects(client.ask('GET', '/_matrix/client/v3/breaks/late'), /INTERNAL_ERROR/);
    assert.equal((await client.ask('GET', small)).status, 200);
  });

  for (const [how, go] of [
    ['calls it off', (stream: ClientHttp2Stream) => stream.close(constants.NGHTTP2_CANCEL)],
    ['hangs up', (stream: ClientHttp2Stream) => stream.session?.destroy()],
  ] as const) {
    it(`tells the handler when the client ${how}`, async () => {
      await using server = await start();
      using client = new Client(server);
      const stream = client.open({ ':path': '/_matrix/client/v3/wait' });
      await server.seen.waiting;
      go(stream);
      await until(() => server.seen.aborted);
    });
  }

  it('that waits is answered when the listener is closed, and the connection ends', async () => {
    const server = await start();
    using client = new Client(server);
    const answer = client.ask('GET', '/_matrix/client/v3/wait');
    await server.seen.waiting;
    await Promise.all([server.close(), answer]);
    assert.deepEqual(JSON.parse((await answer).text), { done: true });
    await until(() => client.session.closed);
  });

  it('is refused beyond what one client may have open', async () => {
    await using server = await start();
    using client = new Client(server, { settings: { enablePush: false } });
    await client.ask('GET', small);
    assert.equal(client.session.remoteSettings.maxConcurrentStreams, 100);
    assert.equal(client.session.remoteSettings.maxHeaderListSize, 16 * 1024);
    const answer = client.ask('GET', small, undefined, { 'x-large': 'x'.repeat(20_000) });
    await assert.rejects(answer.then(({ status }) => assert.equal(status, 200)));
  });

  it('waits for news as long as it likes, while idle connections and clients that take nothing are let go', async () => {
    await using server = await start({ idleTimeout: 100 });
    using idle = new Client(server);
    using waiting = new Client(server);
    using stuck = new Client(server);
    await idle.ask('GET', small);
    const poll = waiting.open({ ':path': '/_matrix/client/v3/wait' });
    await server.seen.waiting;
    const upload = stuck.open({ ':method': 'POST', ':path': '/_matrix/client/v3/count' }, false);
    const endless = stuck.open({ ':path': '/_matrix/client/v3/endless' });
    endless.once('data', () => endless.pause());
    await until(() => idle.session.destroyed && stuck.session.destroyed);
    assert.deepEqual([upload.closed, endless.closed, poll.closed, waiting.session.closed], [true, true, false, false]);
    assert.ok(server.seen.closed);
  });

  it('is given up if its body takes longer than half an hour', async () => {
    const clock = new FakeClock();
    await using server = await start({ clock });
    using client = new Client(server);
    const stream = client.open({ ':method': 'POST', ':path': '/_matrix/client/v3/count' }, false);
    stream.write('x');
    const gone = new Promise((resolve) => stream.once('close', resolve));
    await until(() => clock.pendingTimers > 0);
    clock.advance(30 * 60_000);
    await gone;
    assert.equal(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR);
    assert.equal(clock.pendingTimers, 0);
  });
});

function overHttp1(server: TestServer, method: string, path: string, body?: string) {
  return new Promise<{ status: number; text: string; version: string }>((resolve, reject) => {
    const agent = new Agent({ ca: ca.cert });
    const request = httpsRequest({ host: '127.0.0.1', port: server.port, method, path, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => {
        agent.destroy();
        resolve({ status: response.statusCode as number, text, version: response.httpVersion });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}
