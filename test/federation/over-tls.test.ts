import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { HttpListener } from '../../src/api/http/server.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { silentLog } from '../../src/util/log.ts';
import { ownLoopback } from '../support/federation/https-net.ts';
import { World } from '../support/servers/world.ts';
import { tempFolder } from '../support/store.ts';
import { ThrowAwayCa } from '../support/throw-away-ca.ts';

/** A port of this process's own address that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, ownLoopback, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A whole server behind a listener with TLS. */
async function open(name: string, port: number, ca: ThrowAwayCa, federation: Readonly<Record<string, unknown>>) {
  const world = await World.open({ server_name: name, federation }, { transport: undefined as never });
  const { app, clients } = world.hs;
  const tls = [await ca.issue(name)] as const;
  const listener = await HttpListener.listen(
    { address: ownLoopback, port, serves: ['federation'], tls },
    { app, clients, clock: world.clock, log: silentLog },
  );
  return {
    world,
    async [Symbol.asyncDispose]() {
      await listener.close();
      await world[Symbol.asyncDispose]();
    },
  };
}

describe('two servers over TLS', () => {
  it('find each other, and know who calls by the keys that they fetch', async () => {
    using folder = tempFolder();
    const ca = await ThrowAwayCa.create();
    const file = join(folder.path, 'ca.pem');
    writeFileSync(file, ca.cert);
    const ports = { a: await freePort(), b: await freePort() };
    const resolve = { 'a.test': `${ownLoopback}:${ports.a}`, 'b.test': `${ownLoopback}:${ports.b}` };
    const federation = { resolve, custom_ca_files: [file] };
    await using a = await open('a.test', ports.a, ca, federation);
    await using b = await open('b.test', ports.b, ca, federation);
    // Nobody knows where this one is, so nobody can know that it is who it says.
    await using c = await open('c.test', 0, ca, federation);
    const call = async ({ world }: { readonly world: World }) => {
      const answer = await world.hs.services.federation.client.call({
        server: asServerName('b.test'),
        method: 'GET',
        path: '/_matrix/federation/v1/query/profile',
        query: { user_id: '@nobody:b.test' },
      });
      return answer.ok || [answer.status, answer.errcode];
    };
    assert.deepEqual(await call(a), [404, 'M_NOT_FOUND']);
    assert.deepEqual(await call(c), [401, 'M_UNAUTHORIZED']);
    const { reachability } = b.world.hs.services.federation;
    assert.equal(reachability.lastAnswered(asServerName('a.test')), b.world.clock.now());
    assert.equal(reachability.lastAnswered(asServerName('c.test')), undefined);
  });
});
