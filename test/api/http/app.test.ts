import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import { createApp } from '../../../src/api/app.ts';
import { endpoint } from '../../../src/api/http/endpoint.ts';
import { parse } from '../../../src/api/http/parse.ts';
import { json, reply } from '../../../src/api/http/reply.ts';
import { Router } from '../../../src/api/http/router.ts';
import { forbidden, limitExceeded, unknownToken } from '../../../src/protocol/errors.ts';
import type { Requester } from '../../../src/users/login/requester.ts';
import { type LogFields, silentLog } from '../../../src/util/log.ts';
import { inject } from '../../support/clients/inject.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

const schema = v.looseObject({
  name: v.string(),
  age: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  kind: v.optional(v.picklist(['cat', 'dog'])),
  deep: v.optional(v.object({ list: v.array(v.string()) })),
});

function testApp() {
  const logged: [string, LogFields | undefined][] = [];
  const endpoints = [
    endpoint({
      method: 'GET',
      path: '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}',
      auth: 'none',
      body: 'none',
      handler: ({ params }) => json(params),
    }),
    endpoint({
      method: 'GET',
      path: '/_matrix/client/v3/rooms/{roomId}/state/{eventType}',
      alsoAt: ['/_matrix/client/v3/rooms/{roomId}/state/{eventType}/'],
      auth: 'none',
      body: 'none',
      handler: ({ params }) => json(params),
    }),
    endpoint({
      method: 'POST',
      path: '/_matrix/client/v3/streamed',
      auth: 'none',
      body: 'stream',
      handler: async ({ stream }) => json({ pieces: (await stream.toArray()).length }),
    }),
    endpoint({
      method: 'POST',
      path: '/_matrix/client/v3/strict',
      auth: 'none',
      body: 'json',
      numbers: 'strict',
      maxBody: 1000,
      handler: ({ body }) => json({ got: body }),
    }),
    endpoint({
      method: 'PUT',
      path: '/_matrix/client/v3/typed',
      auth: 'none',
      body: 'json',
      handler: ({ body }) => json(parse(schema, body)),
    }),
    endpoint({
      method: 'POST',
      path: '/_matrix/client/v3/optional',
      auth: 'optional',
      body: 'optional-json',
      handler: ({ body, requester }) => json({ body, user: requester?.userId ?? null }),
    }),
    endpoint({
      method: 'GET',
      path: '/_matrix/client/v3/mine',
      auth: 'user',
      body: 'none',
      handler: ({ requester, query }) => json({ user: requester.userId, q: query.all('q') }),
    }),
    endpoint({
      method: 'GET',
      path: '/_matrix/client/v3/fails/{how}',
      auth: 'none',
      body: 'none',
      handler({ params }) {
        if (params.how === 'known') throw forbidden('No', { cause: 'a secret reason' });
        if (params.how === 'slow') throw limitExceeded(1500);
        throw new Error('a bug');
      },
    }),
    endpoint({
      method: 'GET',
      path: '/_matrix/client/v3/pieces',
      auth: 'none',
      body: 'none',
      handler: () => reply({ headers: { 'Content-Type': 'text/plain' }, body: ['a', Buffer.from('b'), 'c'] }),
    }),
    endpoint({
      method: 'GET',
      path: '/_matrix/federation/v1/version',
      auth: 'none',
      body: 'none',
      handler: () => json({}),
    }),
    endpoint({
      method: 'POST',
      path: '/_matrix/media/v3/upload',
      auth: 'none',
      body: 'stream',
      async handler({ stream }) {
        let size = 0;
        for await (const piece of stream) size += (piece as Buffer).length;
        return json({ size });
      },
    }),
  ];
  const app = createApp(endpoints, {
    gate: {
      authenticate(token) {
        if (token !== 'good') throw unknownToken();
        return { userId: '@alice:localhost' } as Requester;
      },
    },
    log: { ...silentLog, error: (event, fields) => logged.push([event, fields]) },
    random: new SeededRandom(),
  });
  return { app, logged };
}

describe('an HTTP request', () => {
  const { app, logged } = testApp();

  it('gets 404 M_UNRECOGNIZED for an unknown path, with CORS headers', async () => {
    for (const path of ['/_matrix/client/v3/nothing', '/_matrix/unknown', '/', '/_matrix/federation/v1/x']) {
      const answer = await inject(app, { path });
      assert.equal(answer.status, 404);
      assert.equal(answer.json.errcode, 'M_UNRECOGNIZED');
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.equal(answer.headers['content-type'], 'application/json');
    }
  });

  it('gets 405 M_UNRECOGNIZED for a wrong method, with CORS headers and what is allowed', async () => {
    for (const [method, path, allowed] of [
      ['PATCH', '/_matrix/client/v3/mine', 'GET'],
      ['DELETE', '/_matrix/client/r0/typed', 'PUT'],
      ['PUT', '/_matrix/media/r0/upload', 'POST'],
    ] as const) {
      const answer = await inject(app, { method, path });
      assert.equal(answer.status, 405, path);
      assert.equal(answer.json.errcode, 'M_UNRECOGNIZED');
      assert.equal(answer.headers['allow'], allowed);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
    }
  });

  it('gets the recommended CORS headers for OPTIONS, on whatever path and without a token', async () => {
    const answer = await inject(app, { method: 'OPTIONS', path: '/_matrix/client/v3/mine' });
    assert.equal(answer.status, 204);
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.equal(answer.headers['access-control-allow-methods'], 'GET, POST, PUT, DELETE, OPTIONS');
    const allowed = 'X-Requested-With, Content-Type, Authorization';
    // Those of the rendezvous besides.
    assert.equal(answer.headers['access-control-allow-headers'], `${allowed}, If-Match, If-None-Match`);
  });

  it('may use the old forms of paths', async () => {
    for (const path of [
      '/_matrix/client/v3/rooms/!a/state/m.room.name/x',
      '/_matrix/client/r0/rooms/!a/state/m.room.name/x',
      '/_matrix/client/api/v1/rooms/!a/state/m.room.name/x',
      'http://localhost:8008/_matrix/client/v3/rooms/!a/state/m.room.name/x?y=z',
    ]) {
      const answer = await inject(app, { path });
      assert.deepEqual(answer.json, { roomId: '!a', eventType: 'm.room.name', stateKey: 'x' }, path);
    }
    for (const version of ['r0', 'v1', 'v3']) {
      const answer = await inject(app, { method: 'POST', path: `/_matrix/media/${version}/upload`, body: 'bytes' });
      assert.deepEqual(answer.json, { size: 5 });
    }
  });

  it('may leave the slash of an empty state key', async () => {
    const answer = await inject(app, { path: '/_matrix/client/v3/rooms/!a/state/m.room.name/' });
    assert.deepEqual(answer.json, { roomId: '!a', eventType: 'm.room.name' });
  });

  it('has its path parameters percent-decoded, slashes included', async () => {
    const path = '/_matrix/client/v3/rooms/%21a%2Fb%3Ac/state/m.room.%E2%9C%93/%40x%25';
    const answer = await inject(app, { path });
    assert.deepEqual(answer.json, { roomId: '!a/b:c', eventType: 'm.room.✓', stateKey: '@x%' });
  });

  it('gets 400 M_INVALID_PARAM for percent-encoding that is no UTF-8', async () => {
    for (const path of [
      '/_matrix/client/v3/rooms/%FF/state/a/b',
      '/_matrix/client/v3/rooms/%zz/state/a/b',
      '/_matrix/client/v3/mine?q=%C3%28&access_token=good',
    ]) {
      const answer = await inject(app, { path });
      assert.equal(answer.status, 400, path);
      assert.equal(answer.json.errcode, 'M_INVALID_PARAM', path);
    }
  });

  it('gets 401 without a token or with one that nobody holds', async () => {
    for (const [headers, errcode] of [
      [{}, 'M_MISSING_TOKEN'],
      [{ authorization: 'Bearer bad' }, 'M_UNKNOWN_TOKEN'],
      [{ authorization: 'Basic good' }, 'M_MISSING_TOKEN'],
    ] as const) {
      const answer = await inject(app, { path: '/_matrix/client/v3/mine', headers });
      assert.equal(answer.status, 401);
      assert.equal(answer.json.errcode, errcode);
    }
    assert.equal(
      (await inject(app, { method: 'POST', path: '/_matrix/client/v3/optional', token: 'bad' })).status,
      401,
    );
  });

  it('may bring its token in the header or, as old clients do, in the query; the header counts', async () => {
    for (const [path, headers] of [
      ['/_matrix/client/v3/mine', { authorization: 'Bearer good' }],
      ['/_matrix/client/v3/mine', { authorization: 'bearer good' }],
      ['/_matrix/client/v3/mine?access_token=good', {}],
      ['/_matrix/client/v3/mine?access_token=bad', { authorization: 'Bearer good' }],
    ] as const) {
      assert.equal((await inject(app, { path, headers })).status, 200, path);
    }
  });

  it('keeps all values of a query parameter, in order', async () => {
    const answer = await inject(app, { path: '/_matrix/client/v3/mine?q=a+b&q=%26&&q', token: 'good' });
    assert.deepEqual(answer.json.q, ['a b', '&', '']);
  });

  const bodies: [what: string, body: string | Buffer, status: number, errcode?: string][] = [
    ['a JSON object', '{"a":1}', 200],
    ['not JSON', '{"a":', 400, 'M_NOT_JSON'],
    ['nothing', '', 400, 'M_NOT_JSON'],
    ['bad UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 400, 'M_NOT_JSON'],
    ['a byte-order mark', '\ufeff{}', 400, 'M_NOT_JSON'],
    ['an array', '[]', 400, 'M_BAD_JSON'],
    ['a string', '"x"', 400, 'M_BAD_JSON'],
    ['null', 'null', 400, 'M_BAD_JSON'],
    ['a float', '{"a":1.5}', 400, 'M_BAD_JSON'],
    ['a float that is whole', '{"a":1.0}', 400, 'M_BAD_JSON'],
    ['an integer out of range', '{"a":9007199254740992}', 400, 'M_BAD_JSON'],
    ['the largest integer', '{"a":9007199254740991}', 200],
    ['a float inside a string', '{"a":"1.5"}', 200],
    ['too much', `{"a":"${'x'.repeat(1000)}"}`, 413, 'M_TOO_LARGE'],
  ];
  for (const [what, body, status, errcode] of bodies) {
    it(`gets ${status} ${errcode ?? ''} for a body that is ${what}`, async () => {
      const answer = await inject(app, { path: '/_matrix/client/v3/strict', method: 'POST', body });
      assert.equal(answer.status, status);
      assert.equal(answer.json.errcode, errcode);
    });
  }

  it('gets 400 M_NOT_JSON for JSON that is nested too deep', async () => {
    const body = `{"a":${'['.repeat(2000)}${']'.repeat(2000)}}`;
    const answer = await inject(app, { path: '/_matrix/client/v3/typed', method: 'PUT', body });
    assert.equal(answer.json.errcode, 'M_NOT_JSON');
  });

  it('gets 413 M_TOO_LARGE for a body without a length that grows too large', async () => {
    const headers = { 'transfer-encoding': 'chunked', 'content-length': '10' };
    const answer = await inject(app, {
      path: '/_matrix/client/v3/strict',
      method: 'POST',
      body: 'x'.repeat(2000),
      headers,
    });
    assert.equal(answer.status, 413);
  });

  it('may have an empty body where the body is optional', async () => {
    const answer = await inject(app, { path: '/_matrix/client/v3/optional', method: 'POST', body: '' });
    assert.deepEqual(answer.json, { body: {}, user: null });
  });

  const typed: [body: unknown, errcode: string, says: RegExp][] = [
    [{}, 'M_MISSING_PARAM', /name/],
    [{ name: 1 }, 'M_BAD_JSON', /name/],
    [{ name: null }, 'M_BAD_JSON', /name/],
    [{ name: 'x', age: 'old' }, 'M_BAD_JSON', /age/],
    [{ name: 'x', age: -1 }, 'M_INVALID_PARAM', /age/],
    [{ name: 'x', kind: 'cow' }, 'M_INVALID_PARAM', /kind/],
    [{ name: 'x', kind: 7 }, 'M_BAD_JSON', /kind/],
    [{ name: 'x', deep: {} }, 'M_MISSING_PARAM', /deep\.list/],
    [{ name: 'x', deep: { list: ['a', 1] } }, 'M_BAD_JSON', /deep\.list\.1/],
  ];
  for (const [body, errcode, says] of typed) {
    it(`gets 400 ${errcode} for ${JSON.stringify(body)}, with the key`, async () => {
      const answer = await inject(app, { path: '/_matrix/client/v3/typed', method: 'PUT', body });
      assert.equal(answer.status, 400);
      assert.equal(answer.json.errcode, errcode);
      assert.match(answer.json.error, says);
    });
  }

  it('keeps unknown keys of a body', async () => {
    const answer = await inject(app, { path: '/_matrix/client/v3/typed', method: 'PUT', body: { name: 'x', more: 1 } });
    assert.deepEqual(answer.json, { name: 'x', more: 1 });
  });

  it('is told a known failure without its cause', async () => {
    const answer = await inject(app, { path: '/_matrix/client/v3/fails/known' });
    assert.equal(answer.status, 403);
    assert.deepEqual(answer.json, { errcode: 'M_FORBIDDEN', error: 'No' });
  });

  it('is told when to try again, in the header and in the body', async () => {
    const answer = await inject(app, { path: '/_matrix/client/v3/fails/slow' });
    assert.equal(answer.status, 429);
    assert.equal(answer.headers['retry-after'], '2');
    assert.equal(answer.json.retry_after_ms, 1500);
  });

  it('gets 500 M_UNKNOWN for a bug, with a number that leads to the log', async () => {
    const answer = await inject(app, { path: '/_matrix/client/v3/fails/badly?access_token=secret' });
    assert.equal(answer.status, 500);
    assert.equal(answer.json.errcode, 'M_UNKNOWN');
    const [event, fields] = logged.at(-1) ?? [];
    assert.equal(event, 'http.bug');
    assert.ok(answer.json.error.includes(fields?.['requestId']));
    assert.equal(fields?.['path'], '/_matrix/client/v3/fails/badly');
    assert.ok(!answer.text.includes('a bug'));
  });

  it('that breaks off in the middle of its body is no bug', async () => {
    const before = logged.length;
    const stream = new PassThrough();
    const headers = { 'content-type': 'application/json' };
    const path = '/_matrix/client/v3/streamed';
    const signal = new AbortController().signal;
    const answer = app.handle({ method: 'POST', url: path, headers, stream, ip: '::1', signal });
    stream.write('{');
    while (stream.readableLength > 0) await new Promise(setImmediate); // it is being read
    stream.destroy(new Error('aborted'));
    assert.equal((await answer).status, 500);
    assert.equal(logged.length, before, 'no error is logged');
  });

  it('gets a body in pieces as one', async () => {
    assert.equal((await inject(app, { path: '/_matrix/client/v3/pieces' })).text, 'abc');
  });

  it('is answered only by listeners that serve its interface', async () => {
    const call = {
      method: 'GET',
      url: '/_matrix/federation/v1/version',
      headers: {},
      stream: undefined as never,
      ip: '',
      signal: undefined as never,
    };
    assert.equal((await app.handle(call, new Set(['client']))).status, 404);
    assert.equal((await app.handle(call, new Set(['federation']))).status, 200);
  });
});

describe('the router', () => {
  const at = (path: string) =>
    endpoint({ method: 'GET', path, auth: 'none', body: 'none', handler: () => json({ path }) });

  it('prefers a fixed segment to a parameter in the same place', () => {
    const router = new Router([at('/a/{x}'), at('/a/b'), at('/{y}/b/c'), at('/a/{x}/c')]);
    const found = (path: string) => {
      const route = router.route('GET', path);
      return route.kind === 'found' ? [route.endpoint.paths[0], route.params] : route.kind;
    };
    assert.deepEqual(found('/a/b'), ['/a/b', {}]);
    assert.deepEqual(found('/a/c'), ['/a/{x}', { x: 'c' }]);
    assert.deepEqual(found('/a/q/c'), ['/a/{x}/c', { x: 'q' }]);
    assert.deepEqual(found('/q/b/c'), ['/{y}/b/c', { y: 'q' }]);
    assert.deepEqual(found('/a//c'), 'unknown');
  });

  it('refuses two endpoints in one place', () => {
    assert.throws(() => new Router([at('/a/{x}'), at('/a/{y}')]), /two endpoints/);
  });
});
