import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  FederationClient,
  type RemoteCall,
  type RemoteFailure,
  remoteError,
  remotePath,
} from '../../src/federation/client.ts';
import { FederationPolicy } from '../../src/federation/policy.ts';
import { Reachability } from '../../src/federation/reachability.ts';
import type { TransportRequest, TransportResult } from '../../src/federation/transport.ts';
import { failure } from '../../src/outbound/types.ts';
import { asKeyId } from '../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { RawNumber } from '../../src/protocol/parse-json.ts';
import { SigningKey, VerifyKey } from '../../src/protocol/signing/keys.ts';
import { parseXMatrix, verifyRequest } from '../../src/protocol/signing/request.ts';
import { millis } from '../../src/util/brand.ts';
import { silentLog } from '../../src/util/log.ts';
import { openTestStore } from '../support/store.ts';

const a = asServerName('a.test');
const b = asServerName('b.test');
const key = new SigningKey(asKeyId('ed25519:k1'), Buffer.alloc(32, 7));

async function* pieces(...texts: readonly string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

const answers = (status: number, body: unknown, headers = {}): TransportResult => ({
  ok: true,
  status,
  headers,
  body: pieces(typeof body === 'string' ? body : JSON.stringify(body)),
});

type Answer = (request: TransportRequest) => TransportResult | Promise<TransportResult>;

function world(answer: Answer, settings: object = {}) {
  const store = openTestStore();
  const { db, clock, random, stores } = store;
  const seen: TransportRequest[] = [];
  const retry = { min: millis(60_000), max: millis(3_600_000) };
  const reachability = new Reachability({ ...stores, db, clock, random, log: silentLog, retry });
  const client = new FederationClient({
    transport: {
      async send(request) {
        seen.push(request);
        return answer(request);
      },
    },
    policy: new FederationPolicy({ enabled: true, allow: [], deny: [], ...settings }, a),
    reachability,
    signer: { serverName: a, key },
    clock,
    log: silentLog,
  });
  const call = (more: Partial<RemoteCall> = {}) =>
    client.call({ server: b, method: 'GET', path: '/_matrix/x', ...more });
  return { client, call, seen, reachability, clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe('a call to another server', () => {
  it('is signed over method, path, query and body, which goes out in its canonical form', async () => {
    await using w = world(() => answers(200, {}));
    const content = { b: 1, a: [new RawNumber('1.50') as unknown as number] };
    const query = { v: ['1', '2'], user: '@x y:b.test', none: undefined };
    await w.call({ method: 'PUT', content, query });
    const [request] = w.seen;
    assert.equal(request?.uri, '/_matrix/x?v=1&v=2&user=%40x%20y%3Ab.test');
    assert.equal(request.body, '{"a":[1.50],"b":1}');
    const header = parseXMatrix(request.headers['Authorization'] ?? '');
    assert.ok(header);
    assert.deepEqual([header.origin, header.destination, header.key], ['a.test', 'b.test', 'ed25519:k1']);
    const verify = VerifyKey.from(key.publicKey);
    assert.ok(verify);
    const signed = { method: 'PUT', uri: request.uri, origin: a, destination: b, content };
    assert.equal(verifyRequest(signed, header, verify), true);
    assert.equal(verifyRequest({ ...signed, method: 'POST' }, header, verify), false);
  });

  it('that cannot be written is a failure like others', async () => {
    await using w = world(() => answers(200, {}));
    const half = '\ud800';
    for (const wish of [{ content: { devices: [half] } }, { query: { since: half } }]) {
      const answer = await w.call(wish);
      assert.ok(!answer.ok && answer.kind === 'invalid' && !answer.retryable);
    }
    assert.equal(w.seen.length, 0);
    assert.equal((await w.call()).ok, true);
  });

  it('goes without a signature where none is wanted', async () => {
    await using w = world(() => answers(200, {}));
    await w.call({ signed: false });
    assert.deepEqual(w.seen[0]?.headers, {});
  });

  it('keeps the numbers of the answer as they were written', async () => {
    await using w = world(() => answers(200, '{"x":1.0,"y":12345678901234567890}'));
    const answer = await w.call();
    assert.ok(answer.ok);
    assert.deepEqual(
      Object.values(answer.value).map((value) => (value as unknown as RawNumber).text),
      ['1.0', '12345678901234567890'],
    );
  });

  const outcomes: readonly [what: string, answer: Answer, expected: Partial<RemoteFailure>, down: boolean][] = [
    ['no connection', () => failure('connection', 'x'), { kind: 'unreachable', retryable: true }, true],
    ['no such name', () => failure('dns', 'x'), { kind: 'unreachable', retryable: true }, true],
    ['no time', () => failure('timeout', 'x'), { kind: 'unreachable', timedOut: true }, true],
    ['a bad certificate', () => failure('tls', 'x'), { kind: 'unreachable', retryable: true }, true],
    ['a private address', () => failure('denied', 'x'), { kind: 'unreachable', retryable: false }, true],
    ['our own hurry', () => failure('busy', 'x'), { kind: 'down', retryable: true }, false],
    ['our own change of mind', () => failure('aborted', 'x'), { kind: 'unreachable' }, false],
    [
      'a refusal',
      () => answers(403, { errcode: 'M_FORBIDDEN', error: 'no' }),
      { kind: 'refused', status: 403, errcode: 'M_FORBIDDEN', error: 'no', retryable: false },
      false,
    ],
    [
      'a refusal without words',
      () => answers(404, '<html>'),
      { kind: 'refused', status: 404, retryable: false },
      false,
    ],
    ['a bug', () => answers(500, { errcode: 'M_UNKNOWN' }), { kind: 'refused', status: 500, retryable: true }, false],
    [
      'a proxy without server',
      () => answers(502, '<html>'),
      { kind: 'unreachable', status: 502, retryable: true },
      true,
    ],
    [
      'a server behind a proxy',
      () => answers(502, { errcode: 'M_UNKNOWN' }),
      { kind: 'refused', retryable: true },
      false,
    ],
    [
      'too many calls, with a header',
      () => answers(429, { errcode: 'M_LIMIT_EXCEEDED' }, { 'retry-after': '7' }),
      { kind: 'refused', retryable: true, retryAfter: millis(7000) },
      false,
    ],
    [
      'too many calls, in the body',
      () => answers(429, { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 1e15 }),
      { kind: 'refused', retryAfter: millis(3_600_000) },
      false,
    ],
    ['a redirect', () => answers(302, ''), { kind: 'invalid', status: 302, retryable: false }, false],
    ['no JSON', () => answers(200, 'hello'), { kind: 'invalid', status: 200, retryable: false }, false],
    ['no object', () => answers(200, '[]'), { kind: 'invalid' }, false],
    ['too much', () => answers(200, { x: 'x'.repeat(2000) }), { kind: 'invalid', retryable: false }, false],
  ];
  for (const [what, answer, expected, down] of outcomes) {
    it(`that fails by ${what} is a value, and the server is ${down ? 'left alone then' : 'up'}`, async () => {
      await using w = world(answer);
      const result = await w.call({ maxBytes: 1000 });
      assert.ok(!result.ok);
      for (const [name, value] of Object.entries(expected))
        assert.equal(result[name as keyof RemoteFailure], value, name);
      assert.equal(w.reachability.isDown(b), down);
    });
  }

  it('is not made while the server is left alone, unless it has to be', async () => {
    await using w = world(() => failure('connection', 'x'));
    await w.call();
    const second = await w.call();
    assert.deepEqual([w.seen.length, !second.ok && second.kind, !second.ok && second.retryable], [1, 'down', true]);
    await w.call({ evenIfDown: true });
    assert.equal(w.seen.length, 2);
    w.clock.advance(60_000);
    await w.call();
    assert.equal(w.seen.length, 3);
  });

  it('to a name that only a stranger knows leaves no trace if nobody is there', async () => {
    await using w = world(() => failure('dns', 'x'));
    await w.call({ isHearsay: true });
    assert.equal(w.reachability.isDown(b), false);
    w.reachability.succeeded(b);
    await w.call({ isHearsay: true });
    assert.equal(w.reachability.isDown(b), true);
  });

  it('is not made where the configuration forbids it', async () => {
    await using w = world(() => answers(200, {}), { deny: ['b.test'] });
    const result = await w.call();
    assert.deepEqual([w.seen.length, !result.ok && result.kind], [0, 'not-allowed']);
  });

  it('ends although the answer comes in drops for ever', async () => {
    await using w = world((request) => ({ ok: true, status: 200, headers: {}, body: drops(request.signal) }));
    const result = w.call({ timeout: millis(1000) });
    await new Promise(setImmediate);
    for (let i = 0; i < 5; i++) w.clock.advance(999);
    const done = await result;
    assert.equal(!done.ok && done.kind, 'unreachable');
  });

  it('that is streamed ends within its time, and so do words of refusal that come in drops for ever', async () => {
    for (const status of [200, 400]) {
      await using w = world((request) => ({ ok: true, status, headers: {}, body: drops(request.signal) }));
      const timeout = millis(1000);
      const results = Array.from({ length: 6 }, async () => {
        const wish = { server: b, method: 'GET', path: '/_matrix/x', timeout, within: millis(5000) } as const;
        const result = await w.client.stream(wish);
        if (result.ok) for await (const _ of result.body);
      });
      await new Promise(setImmediate);
      for (let i = 0; i < 6; i++) w.clock.advance(999);
      const ends = await Promise.allSettled(results);
      assert.ok(ends.every((end) => end.status === (status === 200 ? 'rejected' : 'fulfilled')));
      assert.equal(w.clock.pendingTimers, 0);
    }
  });

  it('waits for its turn: six to one server, forty-eight to all, and too many are turned away', async () => {
    const held: ((result: TransportResult) => void)[] = [];
    await using w = world(() => new Promise((resolve) => held.push(resolve)));
    const results = [];
    for (let i = 0; i < 20; i++) results.push(w.call());
    await new Promise(setImmediate);
    assert.equal(w.seen.length, 6);
    for (let i = 0; i < 1000; i++) results.push(w.call({ server: asServerName(`s${i}.test`) }));
    await new Promise(setImmediate);
    assert.equal(w.seen.length, 48);
    while (held.length > 0) {
      held.splice(0).forEach((answer) => answer(answers(200, {})));
      await new Promise(setImmediate);
    }
    const all = await Promise.all(results);
    assert.equal(all.filter((result) => result.ok).length, 48 + 512);
    assert.ok(all.every((result) => result.ok || (result.kind === 'down' && result.retryable)));
  });

  it('is broken off at the end of the server, and none is begun after it', async () => {
    const asked = Promise.withResolvers<void>();
    const silent = ({ signal }: TransportRequest) =>
      new Promise<TransportResult>((resolve) => {
        asked.resolve();
        signal?.addEventListener('abort', () => resolve(failure('aborted', 'it was called off')));
      });
    await using w = world(silent);
    const first = w.call();
    await asked.promise;
    w.client.close();
    const results = [await first, await w.call(), await w.client.stream({ server: b, method: 'GET', path: '/' })];
    assert.deepEqual(
      results.map((result) => result.ok),
      [false, false, false],
    );
    assert.equal(w.seen.length, 1);
    assert.equal(w.reachability.isDown(b), false);
    assert.equal(w.clock.pendingTimers, 0);
  });

  it('that is streamed gives its place back when its body is left', async () => {
    await using w = world(() => answers(200, '{}'));
    for (let i = 0; i < 60; i++) {
      const result = await w.client.stream({ server: b, method: 'GET', path: '/_matrix/x' });
      assert.ok(result.ok);
      await result.body[Symbol.asyncIterator]().return?.();
    }
    const short = await w.client.stream({ server: b, method: 'GET', path: '/_matrix/x', maxBytes: 1 });
    assert.ok(short.ok);
    await assert.rejects(async () => {
      for await (const _ of short.body);
    }, /more than 1 bytes/);
    assert.equal((await w.call()).ok, true);
  });
});

/** Nothing but waiting, until it is called off. */
async function* drops(signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))));
  yield Buffer.alloc(0);
}

describe('a path to another server', () => {
  it('has its values percent-encoded', () => {
    assert.equal(
      remotePath`/_matrix/federation/v1/make_join/${'!a/b:c.test'}/${'@x?y:c.test'}`,
      '/_matrix/federation/v1/make_join/!a%2Fb%3Ac.test/%40x%3Fy%3Ac.test',
    );
  });
});

describe('what a client is told when another server fails it', () => {
  const base = { ok: false, server: b, retryable: false, detail: 'x' } as const;
  const cases: readonly [RemoteFailure, number, string][] = [
    [{ ...base, kind: 'not-allowed' }, 403, 'M_FORBIDDEN'],
    [{ ...base, kind: 'down' }, 502, 'M_UNKNOWN'],
    [{ ...base, kind: 'unreachable' }, 502, 'M_UNKNOWN'],
    [{ ...base, kind: 'unreachable', timedOut: true }, 504, 'M_UNKNOWN'],
    [{ ...base, kind: 'invalid' }, 502, 'M_UNKNOWN'],
    [{ ...base, kind: 'refused', status: 404, errcode: 'M_NOT_FOUND', error: 'gone' }, 404, 'M_NOT_FOUND'],
    [{ ...base, kind: 'refused', status: 401, errcode: 'M_UNKNOWN_TOKEN' }, 502, 'M_UNKNOWN'],
    [{ ...base, kind: 'refused', status: 401, errcode: 'M_UNAUTHORIZED' }, 502, 'M_UNKNOWN'],
    [{ ...base, kind: 'refused', status: 418, errcode: 'ORG_TEAPOT' }, 502, 'M_UNKNOWN'],
    [{ ...base, kind: 'refused', status: 500, errcode: 'M_FORBIDDEN' }, 502, 'M_UNKNOWN'],
  ];
  for (const [given, status, errcode] of cases) {
    it(`is ${status} ${errcode} for ${given.kind} ${given.status ?? ''} ${given.errcode ?? ''}`, () => {
      const error = remoteError(given);
      assert.deepEqual([error.status, error.errcode], [status, errcode]);
      assert.equal(typeof error.toJSON()['error'], 'string');
    });
  }
});
