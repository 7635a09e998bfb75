import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ClientAddress } from '../../../src/api/http/client-address.ts';
import { tempFolder } from '../../support/store.ts';
import { FakeClock } from '../../support/stubs/fake-clock.ts';
import { TestServer } from './test-server.ts';

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

  it('does not wait for connections without a request when it is closed', async () => {
    // On this clock no time passes, so nothing is cut off.
    const server = await TestServer.start({ clock: new FakeClock() });
    const silent = connect(server.port, '127.0.0.1');
    const used = connect(server.port, '127.0.0.1');
    const ended = [silent, used].map((socket) => new Promise((resolve) => socket.on('close', resolve)));
    used.write('GET /_matrix/client/v3/small HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((resolve) => used.once('data', resolve));
    silent.resume();
    await server.close();
    await Promise.all(ended);
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

  it('takes 500 connections of one address, of a proxy as many as there can be', async () => {
    for (const [proxies, isTaken] of [
      [[], false],
      [['127.0.0.1'], true],
    ] as const) {
      await using server = await TestServer.start({ proxies });
      const open = (localAddress = '127.0.0.1') => connect({ host: '127.0.0.1', port: server.port, localAddress });
      const head = 'GET /_matrix/client/v3/small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
      const answered = (socket: Socket) =>
        new Promise<boolean>((resolve) => {
          socket.once('data', () => resolve(true));
          socket.once('close', () => resolve(false));
          socket.once('error', () => resolve(false));
          socket.write(head);
        });
      const held = Array.from({ length: 500 }, () => open());
      await Promise.all(held.map((socket) => once(socket, 'connect')));
      assert.equal(await answered(open()), isTaken);
      assert.equal(await answered(open('127.0.0.2')), true);
      const [first] = held as [Socket];
      assert.equal(await answered(first), true);
      if (!first.closed) await once(first, 'close');
      // In the place of one that is over, once the server has heard of that.
      let isLetIn = false;
      for (let tries = 0; tries < 200 && !isLetIn; tries++) isLetIn = await answered(open());
      assert.equal(isLetIn, true);
      for (const socket of held) socket.destroy();
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
    await using server = await TestServer.start({ path: join(folder.path, 'http.sock') });
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
