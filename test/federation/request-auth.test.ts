import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { createApp } from '../../src/api/app.ts';
import { BodyBudget, bodyPatience, serversBodies } from '../../src/api/http/body-budget.ts';
import { endpoint } from '../../src/api/http/endpoint.ts';
import { json } from '../../src/api/http/reply.ts';
import { limitExceeded, MatrixError } from '../../src/protocol/errors.ts';
import { asKeyId } from '../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { RawNumber } from '../../src/protocol/parse-json.ts';
import { SigningKey } from '../../src/protocol/signing/keys.ts';
import { signRequest } from '../../src/protocol/signing/request.ts';
import { silentLog } from '../../src/util/log.ts';
import { inject } from '../support/clients/inject.ts';
import type { ScriptedServer } from '../support/federation/scripted-server.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { Universe } from '../support/servers/universe.ts';

const a = asServerName('a.test');

/** A server with two endpoints for other servers, and another server that signs requests. */
async function world(settings: Readonly<Record<string, unknown>> = {}) {
  const universe = await Universe.open(['a.test'], settings);
  const { requestAuth, reachability } = universe.world('a.test').hs.services.federation;
  const b = universe.script('b.test');
  const seen: unknown[] = [];
  const counted: string[] = [];
  const bodies = new BodyBudget(universe.clock, serversBodies);
  const app = createApp(
    [
      endpoint({
        method: 'PUT',
        path: '/_matrix/federation/v1/put/{id}',
        auth: 'server',
        body: 'json',
        maxBody: 1000,
        limit: 'federation',
        handler({ origin, body, params, requester }) {
          seen.push(body['x']);
          return json({ origin, id: params.id, requester: requester === undefined });
        },
      }),
      endpoint({
        method: 'GET',
        path: '/_matrix/federation/v1/get',
        auth: 'server',
        body: 'none',
        handler: ({ origin, query }) => json({ origin, q: query.get('q') }),
      }),
    ],
    {
      gate: {
        authenticate: () => assert.fail('no user calls here'),
        admit: (action, ip) => void counted.push(`${action} ${ip}`),
        servers: {
          bodies,
          begin: (header, admit) => requestAuth.begin(header, admit),
          verify: (header, request) => requestAuth.verify(header, request),
          admit(action, origin) {
            counted.push(`${action} ${origin}`);
            if (counted.filter((each) => each === 'federation b.test').length > 3) throw limitExceeded(1000);
          },
        },
      },
      log: silentLog,
      random: new SeededRandom(),
    },
  );
  return {
    universe,
    app,
    b,
    seen,
    counted,
    bodies,
    reachability,
    [Symbol.asyncDispose]: () => universe[Symbol.asyncDispose](),
  };
}

interface Sent {
  readonly method?: string;
  readonly uri?: string;
  readonly body?: string;
  readonly authorization?: string | undefined;
}

interface GoodRequest extends Sent {
  readonly method: string;
  readonly uri: string;
  readonly body: string;
  readonly authorization: string;
}

const uri = '/_matrix/federation/v1/put/1?q=2';
const content = { x: 1 };

/** A good request, as its sender signs it. */
function good(b: ScriptedServer): GoodRequest {
  const signed = { method: 'PUT', uri, origin: b.name, destination: a, content };
  return { method: 'PUT', uri, body: JSON.stringify(content), authorization: signRequest(signed, b.key) };
}

async function send(app: Parameters<typeof inject>[0], sent: Sent) {
  const { authorization } = sent;
  const answer = await inject(app, {
    method: sent.method ?? 'PUT',
    path: sent.uri ?? uri,
    body: sent.body,
    headers: authorization === undefined ? {} : { authorization },
  });
  return { status: answer.status, json: answer.json };
}

const stranger = new SigningKey(asKeyId('ed25519:s1'), Buffer.alloc(32, 9));

/** What is done to a good request, and what comes of it. */
const cases: readonly [
  what: string,
  change: (request: GoodRequest, b: ScriptedServer) => Sent,
  status: number,
  errcode?: string,
][] = [
  ['as it is', (r) => r, 200],
  ['in another notation', (r) => ({ ...r, body: ' {"x" : 1 } ' }), 200],
  [
    'from an older server that names no destination',
    (r) => ({ ...r, authorization: r.authorization.replace(',destination="a.test"', '') }),
    200,
  ],
  ['without a header', (r) => ({ ...r, authorization: undefined }), 401, 'M_UNAUTHORIZED'],
  ['with a token of a user', (r) => ({ ...r, authorization: 'Bearer abc' }), 401, 'M_UNAUTHORIZED'],
  ['with half a header', (r) => ({ ...r, authorization: 'X-Matrix origin="b.test"' }), 401, 'M_UNAUTHORIZED'],
  [
    'meant for another server',
    (r, b) => ({
      ...r,
      authorization: signRequest(
        { method: 'PUT', uri, origin: b.name, destination: asServerName('c.test'), content },
        b.key,
      ),
    }),
    401,
    'M_UNAUTHORIZED',
  ],
  [
    'meant for another server, with our name put in its place',
    (r, b) => ({
      ...r,
      authorization: signRequest(
        { method: 'PUT', uri, origin: b.name, destination: asServerName('c.test'), content },
        b.key,
      ).replace('c.test', 'a.test'),
    }),
    401,
    'M_UNAUTHORIZED',
  ],
  [
    'signed by a stranger with the name of the key',
    (r, b) => ({
      ...r,
      authorization: signRequest({ method: 'PUT', uri, origin: b.name, destination: a, content }, stranger),
    }),
    401,
    'M_UNAUTHORIZED',
  ],
  [
    'with a key that nobody has',
    (r) => ({ ...r, authorization: r.authorization.replace('s1', 's2') }),
    401,
    'M_UNAUTHORIZED',
  ],
  [
    'in the name of a server that is not there',
    (r) => ({ ...r, authorization: r.authorization.replace('b.test', 'nowhere.test') }),
    401,
    'M_UNAUTHORIZED',
  ],
  [
    'in our own name',
    (r) => ({ ...r, authorization: r.authorization.replace('origin="b.test"', 'origin="a.test"') }),
    401,
    'M_UNAUTHORIZED',
  ],
  ['repeated for another path', (r) => ({ ...r, uri: uri.replace('/1', '/2') }), 401, 'M_UNAUTHORIZED'],
  ['repeated with another query', (r) => ({ ...r, uri: uri.replace('q=2', 'q=3') }), 401, 'M_UNAUTHORIZED'],
  ['with another body', (r) => ({ ...r, body: '{"x":2}' }), 401, 'M_UNAUTHORIZED'],
  ['with a number written in another way', (r) => ({ ...r, body: '{"x":1.0}' }), 401, 'M_UNAUTHORIZED'],
  ['without its body', ({ method, uri, authorization }) => ({ method, uri, authorization }), 401, 'M_UNAUTHORIZED'],
  ['with a body that is no JSON', (r) => ({ ...r, body: '{"x":1' }), 400, 'M_NOT_JSON'],
  [
    'with a body that is no object',
    (r, b) => ({
      ...r,
      body: '[1]',
      authorization: signRequest({ method: 'PUT', uri, origin: b.name, destination: a, content: [1] }, b.key),
    }),
    400,
    'M_BAD_JSON',
  ],
  ['with a body that is too large', (r) => ({ ...r, body: `{"x":"${'x'.repeat(1000)}"}` }), 413, 'M_TOO_LARGE'],
];

describe('a request of another server', () => {
  for (const [what, change, status, errcode] of cases) {
    it(`${what} is answered with ${status}`, async () => {
      await using w = await world();
      const answer = await send(w.app, change(good(w.b), w.b));
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
      if (status === 200) assert.deepEqual(answer.json, { origin: 'b.test', id: '1', requester: true });
      assert.equal(w.seen.length, status === 200 ? 1 : 0);
    });
  }

  it('without a body is signed without one', async () => {
    await using w = await world();
    const get = { method: 'GET', uri: '/_matrix/federation/v1/get?q=%40x' };
    const authorization = signRequest({ ...get, origin: w.b.name, destination: a }, w.b.key);
    assert.deepEqual(await send(w.app, { ...get, authorization }), {
      status: 200,
      json: { origin: 'b.test', q: '@x' },
    });
    assert.equal((await send(w.app, { ...get, authorization, body: '{}' })).status, 401);
  });

  it('keeps the numbers of its body', async () => {
    await using w = await world();
    const body = '{"x":1.50}';
    const signed = { method: 'PUT', uri, origin: w.b.name, destination: a, content: { x: new RawNumber('1.50') } };
    assert.equal((await send(w.app, { body, authorization: signRequest(signed, w.b.key) })).status, 200);
    assert.ok(w.seen[0] instanceof RawNumber);
    assert.equal(w.seen[0].text, '1.50');
  });

  it('is not let in if the admin has shut its server out, and nobody is asked for a key', async () => {
    await using w = await world({ federation: { deny: ['b.test'] } });
    const answer = await send(w.app, good(w.b));
    assert.deepEqual([answer.status, answer.json.errcode], [403, 'M_FORBIDDEN']);
    assert.deepEqual(w.universe.calls, []);
  });

  it('has its key fetched once; by address is counted who makes us fetch one', async () => {
    await using w = await world();
    for (let i = 0; i < 3; i++) assert.equal((await send(w.app, good(w.b))).status, 200);
    assert.equal(w.universe.calls.length, 1);
    assert.deepEqual(w.counted, ['federation 192.0.2.1', ...Array.from({ length: 3 }, () => 'federation b.test')]);
    const fourth = await send(w.app, good(w.b));
    assert.deepEqual([fourth.status, fourth.json.errcode], [429, 'M_LIMIT_EXCEEDED']);
  });

  it('ends the back-off of its server, of which a forged one does not', async () => {
    await using w = await world();
    assert.equal((await send(w.app, good(w.b))).status, 200);
    w.reachability.failed(w.b.name);
    await send(w.app, { ...good(w.b), body: '{"x":2}' });
    assert.equal(w.reachability.isDown(w.b.name), true);
    assert.equal((await send(w.app, good(w.b))).status, 200);
    assert.equal(w.reachability.isDown(w.b.name), false);
  });

  it('with a large body finds room for it, or is told to come again', async () => {
    await using w = await world();
    const mib = 1024 * 1024;
    const shares = [1, 2].map((i) => w.bodies.share(`192.0.2.${i}`, () => {}));
    shares[0]?.grow(16 * mib);
    const tooMuch = (error: unknown) => error instanceof MatrixError && error.status === 429;
    assert.throws(() => shares[0]?.grow(mib), tooMuch);
    shares[1]?.grow(16 * mib);
    assert.throws(() => w.bodies.share('192.0.2.3', () => {}).grow(mib), tooMuch);
    assert.equal((await send(w.app, good(w.b))).status, 200);
    for (const share of shares) share.release();
    for (const share of shares) share.release();
    assert.equal(w.bodies.held, 0);
  });

  it('is hung up on if its body does not come', async () => {
    await using w = await world();
    const stream = new Readable({ read() {} });
    const { authorization } = good(w.b);
    const call = {
      method: 'PUT',
      url: uri,
      headers: { authorization, 'content-length': '7' },
      stream,
      ip: '192.0.2.1',
    };
    const answer = w.app.handle({ ...call, signal: new AbortController().signal });
    stream.push('{"x"');
    await w.universe.until(() => w.bodies.held > 0);
    w.universe.clock.advance(bodyPatience);
    assert.equal((await answer).status, 400);
    assert.equal(stream.destroyed, true);
    assert.equal(w.bodies.held, 0);
  });

  it('may be signed with a new key at once, but not with one that is no longer valid', async () => {
    await using w = await world();
    const old = good(w.b);
    assert.equal((await send(w.app, old)).status, 200);
    const next = new SigningKey(asKeyId('ed25519:s2'), Buffer.alloc(32, 5));
    w.universe.network.leave('b.test');
    w.universe.clock.advance(25 * 3_600_000);
    assert.equal((await send(w.app, old)).status, 401);
    const renewed = w.universe.script('b.test');
    Object.assign(renewed, { key: next });
    assert.equal((await send(w.app, good(renewed))).status, 200);
    assert.equal((await send(w.app, old)).status, 401);
  });

  it('finds nothing where there is no federation', async () => {
    await using universe = await Universe.open(['a.test'], { federation: { enabled: false } });
    const b = universe.script('b.test');
    const answer = await b.request('a.test', 'GET', '/_matrix/federation/v1/query/profile?user_id=%40x%3Aa.test');
    assert.deepEqual([answer.status, answer.json.errcode], [404, 'M_UNRECOGNIZED']);
    const version = await b.request('a.test', 'GET', '/_matrix/federation/v1/version');
    assert.equal(version.status, 200);
  });
});
