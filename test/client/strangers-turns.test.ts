import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { World } from '../support/servers/world.ts';
import { nobodyTransport } from '../support/stubs/nobody.ts';

const v3 = '/_matrix/client/v3';

/** Requests without a token that other servers are asked something for. */
const requests: readonly ((server: string) => readonly [method: string, path: string, body?: unknown])[] = [
  (server) => ['GET', `${v3}/profile/@a:${server}`],
  (server) => ['GET', `${v3}/profile/@a:${server}/displayname`],
  (server) => ['GET', `${v3}/directory/room/%23a:${server}`],
  (server) => ['GET', `${v3}/publicRooms?server=${server}`],
  (server) => ['GET', `/_matrix/client/v1/room_summary/!a:${server}?via=${server}`],
];

/** The same for keys, of which we have need ourselves. */
const keyRequests: typeof requests = [
  (server) => ['GET', `/_matrix/key/v2/query/${server}`],
  (server) => ['POST', '/_matrix/key/v2/query', { server_keys: { [server]: {} } }],
];

/** A server to which others do not answer before they are told to. */
async function openWorld() {
  const asked = new Set<string>();
  const { promise: told, resolve: answer } = Promise.withResolvers<void>();
  const transport: typeof nobodyTransport = {
    ...nobodyTransport,
    async send(request) {
      asked.add(request.server);
      await told;
      return nobodyTransport.send(request);
    },
  };
  const world = await World.open({}, { transport });
  return { world, asked, answer };
}

const turns = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('what a stranger has other servers asked for', () => {
  for (const request of [...requests, ...keyRequests]) {
    const [method, path] = request('…');
    const atOnce = keyRequests.includes(request) ? 4 : 6;
    it(`takes ${atOnce} calls at a time, and the others wait: ${method} ${path}`, async () => {
      const { world, asked, answer } = await openWorld();
      await using _ = world;
      const answers = Array.from({ length: 20 }, (_none, i) => {
        const [verb, url, body] = request(`slow${i}.test`);
        return world.call(verb, url, { body });
      });
      await turns();
      assert.equal(asked.size, atOnce);
      answer();
      for (const { status } of await Promise.all(answers)) assert.notEqual(status, 429);
      assert.equal(asked.size, 20);
    });
  }

  it('takes four calls at a time where one request asks about the keys of a hundred servers', async () => {
    const { world, asked, answer } = await openWorld();
    await using _ = world;
    const servers = Array.from({ length: 100 }, (_none, i) => [`slow${i}.test`, {}] as const);
    const body = { server_keys: Object.fromEntries([...servers, ['localhost', {}] as const]) };
    const answered = world.call('POST', '/_matrix/key/v2/query', { body });
    await turns();
    assert.equal(asked.size, 4);
    answer();
    assert.equal((await answered).status, 200);
    assert.equal(asked.size, 100);
  });

  it('takes a third of all calls at most, from however many addresses', async () => {
    const { world, asked, answer } = await openWorld();
    await using _ = world;
    const answers = Array.from({ length: 40 }, (_none, i) =>
      world.call('GET', `${v3}/profile/@a:slow${i}.test`, { ip: `198.51.100.${i}` }),
    );
    await turns();
    assert.equal(asked.size, 16);
    answer();
    await Promise.all(answers);
    assert.equal(asked.size, 40);
  });

  it('keeps nobody waiting who asks for what is known here', async () => {
    const { world, answer } = await openWorld();
    await using _ = world;
    await world.register('alice');
    const answers = Array.from({ length: 20 }, (_none, i) => world.call('GET', `${v3}/profile/@a:slow${i}.test`));
    await turns();
    assert.equal((await world.call('GET', `${v3}/profile/@alice:localhost`)).status, 200);
    assert.equal((await world.call('GET', `${v3}/directory/room/%23a:localhost`)).status, 404);
    assert.equal((await world.call('GET', `${v3}/publicRooms`)).status, 200);
    answer();
    await Promise.all(answers);
  });
});
