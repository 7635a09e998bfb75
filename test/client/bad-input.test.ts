import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { clientEndpoints } from '../../src/api/client/index.ts';
import type { Endpoint } from '../../src/api/http/types.ts';
import type { Injected } from '../support/clients/inject.ts';
import { World } from '../support/servers/world.ts';

/** A path of the endpoint with something in the place of each parameter. */
function exampleOf(endpoint: Endpoint): string {
  return (endpoint.paths[0] as string).replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(examples[name] ?? 'x'),
  );
}

const examples: Readonly<Record<string, string>> = {
  roomId: '!room:localhost',
  roomIdOrAlias: '!room:localhost',
  roomAlias: '#room:localhost',
  userId: '@alice:localhost',
  eventId: '$event',
  serverName: 'localhost',
  kind: 'override',
};

function assertRefused(answer: Injected, status: number, errcode: string): void {
  assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], answer.text);
  assert.equal(typeof answer.json.error, 'string');
  assert.equal(answer.headers['access-control-allow-origin'], '*');
  assert.equal(answer.headers['content-type'], 'application/json');
}

/** What holds for every endpoint, whatever it does; each one's own errors stand in its own test. */
describe('every endpoint of the Client-Server API', () => {
  let world: World;
  let token: string;
  let endpoints: Endpoint[];
  before(async () => {
    world = await World.open();
    token = await world.register('alice');
    endpoints = clientEndpoints(world.hs.services);
  });
  after(() => world[Symbol.asyncDispose]());

  const withAuth = () => endpoints.filter((endpoint) => endpoint.auth === 'user');
  const withJson = () => endpoints.filter((endpoint) => endpoint.body === 'json' || endpoint.body === 'optional-json');
  const tokenFor = (endpoint: Endpoint) => (endpoint.auth === 'none' ? {} : { token });

  it('is there: the list is not empty', () => assert.ok(endpoints.length > 80, `${endpoints.length}`));

  it('answers 401 M_MISSING_TOKEN without a token where one is needed', async () => {
    for (const endpoint of withAuth()) {
      const answer = await world.call(endpoint.method, exampleOf(endpoint), { body: '{}' });
      assertRefused(answer, 401, 'M_MISSING_TOKEN');
    }
  });

  it('answers 401 M_UNKNOWN_TOKEN to a token that is not one of ours', async () => {
    for (const endpoint of withAuth()) {
      const answer = await world.call(endpoint.method, exampleOf(endpoint), { token: 'hat_nobody', body: '{}' });
      assertRefused(answer, 401, 'M_UNKNOWN_TOKEN');
      assert.equal(answer.json.soft_logout, false);
    }
  });

  const noJson: [string, string | Buffer][] = [
    ['text', 'hello'],
    ['half an object', '{"a":'],
    ['bad UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['an object nested 100,000 deep', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`.slice(0, 250_000)],
  ];
  for (const [what, body] of noJson) {
    it(`answers 400 M_NOT_JSON to ${what}`, async () => {
      for (const endpoint of withJson()) {
        // As much of it as is read of whoever has no token.
        const given = endpoint.auth === 'none' ? body.slice(0, 16_000) : body;
        const answer = await world.call(endpoint.method, exampleOf(endpoint), { ...tokenFor(endpoint), body: given });
        assertRefused(answer, 400, 'M_NOT_JSON');
      }
    });
  }

  it('answers 400 M_BAD_JSON to a body that is no object', async () => {
    for (const endpoint of withJson()) {
      for (const body of ['[]', '1', '"a"', 'null']) {
        const answer = await world.call(endpoint.method, exampleOf(endpoint), { ...tokenFor(endpoint), body });
        assertRefused(answer, 400, 'M_BAD_JSON');
      }
    }
  });

  it('answers 413 M_TOO_LARGE to a body without end', async () => {
    for (const endpoint of withJson()) {
      const body = `{"a":"${'a'.repeat(20_000_000)}"}`;
      const answer = await world.call(endpoint.method, exampleOf(endpoint), { ...tokenFor(endpoint), body });
      assertRefused(answer, 413, 'M_TOO_LARGE');
      break;
    }
  });

  it('answers 405 M_UNRECOGNIZED to a method that the path does not have, with what it has', async () => {
    for (const endpoint of endpoints) {
      const path = exampleOf(endpoint);
      const answer = await world.call('PATCH', path, { token });
      assertRefused(answer, 405, 'M_UNRECOGNIZED');
      assert.ok(answer.headers['allow']?.split(', ').includes(endpoint.method), path);
    }
  });

  it('lets a browser ask beforehand', async () => {
    for (const endpoint of endpoints) {
      const answer = await world.call('OPTIONS', exampleOf(endpoint));
      assert.ok(answer.status === 200 || answer.status === 204);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.match(answer.headers['access-control-allow-methods'] ?? '', new RegExp(endpoint.method));
      assert.match(answer.headers['access-control-allow-headers'] ?? '', /Authorization/);
    }
  });

  it('is served under r0 too, where old clients look for it', async () => {
    for (const endpoint of endpoints) {
      const path = exampleOf(endpoint);
      if (!path.startsWith('/_matrix/client/v3/') && !path.startsWith('/_matrix/media/v3/')) continue;
      const answer = await world.call('PATCH', path.replace('/v3/', '/r0/'), { token });
      assertRefused(answer, 405, 'M_UNRECOGNIZED');
    }
  });

  it('never answers 500 to odd parameters', async () => {
    const odd = [
      '%00',
      '%F0%9F%94%A5',
      '%2F',
      '..%2F..',
      '-1',
      '9'.repeat(40),
      'a'.repeat(2000),
      '%20',
      "';--",
      '__proto__',
    ];
    for (const endpoint of endpoints) {
      for (const value of odd) {
        const path = (endpoint.paths[0] as string).replace(/\{\w+\}/g, value);
        const query = `?limit=${value}&from=${value}&since=${value}&filter=${value}&dir=${value}&ts=${value}&timeout=0&width=${value}&height=${value}`;
        const answer = await world.call(endpoint.method, path + query, { ...tokenFor(endpoint), body: '{}' });
        assert.notEqual(answer.status, 500, `${endpoint.method} ${path}`);
        if (path.includes('logout') || path.includes('deactivate')) token = await login(world);
      }
    }
  });

  for (const path of [
    '/_matrix/client/v3/nothing',
    '/_matrix/nothing',
    '/_matrix/media/v3/nothing',
    '/_matrix',
    '/nothing',
    '/_matrix/client/v3/rooms',
  ]) {
    it(`does not hide that ${path} is none: 404 M_UNRECOGNIZED`, async () => {
      assertRefused(await world.call('GET', path, { token }), 404, 'M_UNRECOGNIZED');
    });
  }

  it('does not serve what is not built', async () => {
    const path = '/_matrix/client/v1/media/preview_url?url=https%3A%2F%2Fexample.org';
    assertRefused(await world.call('GET', path, { token }), 404, 'M_UNRECOGNIZED');
  });
});

async function login(world: World): Promise<string> {
  const body = {
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: 'alice' },
    password: 'password of alice',
  };
  const answer = await world.call('POST', '/_matrix/client/v3/login', { body });
  assert.equal(answer.status, 200, answer.text);
  return answer.json.access_token as string;
}
