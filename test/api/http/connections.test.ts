import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { connectionsFor } from '../../../src/api/http/server.ts';
import { TestServer } from './test-server.ts';

describe('connections', () => {
  it('are as many as the memory is enough for', () => {
    assert.deepEqual([64, 128, 256, 512, 1024].map(connectionsFor), [256, 512, 1024, 2000, 2000]);
  });

  it('beyond that are closed at once, and taken again when others have ended', async () => {
    await using server = await TestServer.start({ connections: 2 });
    const { port = 0 } = server.listener;
    const opened = async (): Promise<Socket> => {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      await once(socket, 'connect');
      return socket;
    };
    const [first, second] = [await opened(), await opened()];
    const third = await opened();
    await once(third.resume(), 'close');
    first.destroy();
    second.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
    const [answer] = (await once(second, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 200/);
    const fourth = await opened();
    fourth.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.match(String((await once(fourth, 'data'))[0]), /^HTTP\/1\.1 200/);
    for (const socket of [second, fourth]) socket.destroy();
  });
});
