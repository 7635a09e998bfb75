import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LimitedAction } from '../../src/api/http/rate-limits.ts';
import type { Endpoint } from '../../src/api/http/types.ts';
import type { Injected } from '../support/clients/inject.ts';
import { shapeOf, specRows } from '../support/endpoint-list.ts';
import { World } from '../support/servers/world.ts';

const actions: readonly LimitedAction[] = [
  'messages',
  'joins',
  'rooms',
  'invites',
  'media',
  'login',
  'registration',
  'reading',
  'other',
  'federation',
];

/** One at once, and ten seconds for the next. */
const tight = { per_second: 0.1, burst: 1 };

/** Something in the place of each parameter; what the request answers but for the limit does not matter. */
const examples: Readonly<Record<string, string>> = {
  roomId: '!room:localhost',
  roomIdOrAlias: '!room:localhost',
  userId: '@alice:localhost',
  kind: 'override',
};

describe('the endpoints that the specification limits', () => {
  let world: World;
  let served: Map<string, Endpoint>;
  const limited = specRows()
    // Files are given to users only, so the old way to ask for them costs nothing: it is always 404.
    .filter((row) => row.limited && !/^\/_matrix\/media\/v3\/(download|thumbnail)/.test(row.path))
    .map((row) => ({ ...row, path: row.path.replace(/ \(.*\)$/, '') }));
  /** A limit counts for an address too, so each request comes from its own. */
  let address = 0;

  before(async () => {
    const tables = Object.fromEntries(actions.map((action) => [action, tight]));
    world = await World.open({ rate_limits: { enabled: true, ...tables } });
    served = new Map(
      world.hs.app.endpoints.flatMap((each) => each.paths.map((path) => [shapeOf(each.method, path), each] as const)),
    );
  });
  after(() => world[Symbol.asyncDispose]());

  async function newcomer(): Promise<string> {
    const name = `user${address}`;
    const body = { username: name, password: `password of ${name}`, auth: { type: 'm.login.dummy' } };
    const answer = await world.call('POST', '/_matrix/client/v3/register', { body, ip: `198.51.${address >> 8}.9` });
    assert.equal(answer.status, 200, answer.text);
    world.clock.advance(10_000);
    return answer.json.access_token as string;
  }

  for (const { method, path, released, deprecated } of limited) {
    it(`${method} ${path} answers 429 M_LIMIT_EXCEEDED with the time to wait`, async (t) => {
      const endpoint = served.get(shapeOf(method, path.split('?')[0] ?? ''));
      if (endpoint === undefined) {
        // What comes with other features; docs/endpoints.md names them.
        assert.ok(deprecated || !released || /auth_metadata|preview_url|\/events|sso/.test(path), 'it is served');
        return t.diagnostic('not served');
      }
      address += 1;
      const token = endpoint.auth === 'none' ? undefined : await newcomer();
      const url = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(examples[name] ?? 'x'));
      const ip = `203.0.${address >> 8}.${address & 255}`;
      const body = endpoint.body === 'json' || endpoint.body === 'optional-json' ? {} : undefined;
      const ask = (): Promise<Injected> => world.call(method, url, { token, body, ip });
      assert.notEqual((await ask()).status, 429, 'the first is let in');
      const refused = await ask();
      assert.deepEqual([refused.status, refused.json.errcode], [429, 'M_LIMIT_EXCEEDED'], refused.text);
      assert.equal(refused.json.retry_after_ms, 10_000);
      assert.equal(refused.headers['retry-after'], '10');
      world.clock.advance(10_000);
      assert.notEqual((await ask()).status, 429, 'whoever has waited is let in');
    });
  }
});
