import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asKeyId } from '../../src/protocol/ids/key-id.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { signJson } from '../../src/protocol/signing/json.ts';
import { SigningKey } from '../../src/protocol/signing/keys.ts';
import { millis } from '../../src/util/brand.ts';
import type { JsonObject } from '../../src/util/json.ts';
import type { ScriptedServer } from '../support/federation/scripted-server.ts';
import { Universe } from '../support/servers/universe.ts';

const hour = 3_600_000;
const day = 24 * hour;
const keyPath = '/_matrix/key/v2/server';
const queryPath = '/_matrix/key/v2/query';
const s1 = asKeyId('ed25519:s1');

async function world(settings: Readonly<Record<string, unknown>> = {}) {
  const universe = await Universe.open(['a.test'], settings);
  const b = universe.script('b.test');
  const ring = () => universe.world('a.test').hs.services.federation.keyRing;
  const now = () => universe.clock.now();
  const ensure = (server = b, keyIds = [server.key.keyId], validAt: number = now()) =>
    ring().ensure([{ server: server.name, keyIds, validAt: millis(validAt) }]);
  const has = (validAt: number, strict = true, keyId = s1) =>
    ring().key(b.name, keyId, millis(validAt), strict) !== undefined;
  /** How often each server was asked for keys. */
  const asked = () => {
    const counts: Record<string, number> = {};
    for (const { to } of universe.calls) counts[to] = (counts[to] ?? 0) + 1;
    return counts;
  };
  return { universe, b, ring, now, ensure, has, asked, [Symbol.asyncDispose]: () => universe[Symbol.asyncDispose]() };
}

/** What a server may say about its keys. */
function published(
  server: ScriptedServer,
  fields: JsonObject,
  signers: readonly SigningKey[] = [server.key],
): JsonObject {
  const answer: JsonObject = {
    server_name: server.name,
    verify_keys: { [server.key.keyId]: { key: server.key.publicKeyBase64 } },
    old_verify_keys: {},
    ...fields,
  };
  return signers.reduce((signed, key) => signJson(signed, server.name, key), answer);
}

describe('the keys of another server', () => {
  it('are asked for once, and stay known over a restart', async () => {
    await using w = await world();
    assert.equal(w.has(w.now()), false);
    await Promise.all([w.ensure(), w.ensure(), w.ensure()]);
    assert.deepEqual(w.ring().key(w.b.name, s1, w.now(), true)?.bytes, w.b.key.publicKey);
    await w.universe.restart('a.test');
    await w.ensure();
    assert.equal(w.has(w.now()), true);
    assert.deepEqual(w.asked(), { 'b.test': 1 });
  });

  it('count up to valid_until_ts where validity is enforced, and for ever where it is not', async () => {
    await using w = await world();
    await w.ensure();
    const until = w.now() + day;
    assert.deepEqual([w.has(until), w.has(until + 1), w.has(until + 1, false)], [true, false, true]);
    assert.equal(w.has(0), true);
  });

  it('count for a week at most, however far ahead their server says', async () => {
    await using w = await world();
    w.b.on('GET', keyPath, () => w.b.publishedKeys(1000 * day));
    await w.ensure();
    const until = w.now() + 7 * day;
    assert.deepEqual([w.has(until), w.has(until + 1)], [true, false]);
    w.universe.clock.advance(7 * day + 1);
    await w.ensure();
    assert.deepEqual(w.asked(), { 'b.test': 2 });
    assert.equal(w.has(w.now()), true);
  });

  it('that are old count up to expired_ts', async () => {
    await using w = await world();
    const old = new SigningKey(asKeyId('ed25519:old'), Buffer.alloc(32, 3));
    const expired = w.now() - 10 * day;
    const old_verify_keys = { [old.keyId]: { key: old.publicKeyBase64, expired_ts: expired } };
    w.b.on('GET', keyPath, () => published(w.b, { old_verify_keys, valid_until_ts: w.now() + day }));
    await w.ensure(w.b, [old.keyId], expired);
    const has = (time: number, strict: boolean) => w.has(time, strict, old.keyId);
    assert.deepEqual([has(expired, true), has(expired + 1, true), has(expired + 1, false)], [true, false, true]);
    await w.ensure(w.b, [old.keyId], expired);
    assert.deepEqual(w.asked(), { 'b.test': 1 });
  });

  it('become old when their server says so', async () => {
    await using w = await world();
    await w.ensure();
    const old = w.b.key;
    const expired = w.now() + hour;
    Object.assign(w.b, { key: new SigningKey(asKeyId('ed25519:s2'), Buffer.alloc(32, 3)) });
    const old_verify_keys = { [old.keyId]: { key: old.publicKeyBase64, expired_ts: expired } };
    w.b.on('GET', keyPath, () => published(w.b, { old_verify_keys, valid_until_ts: w.now() + day }));
    w.universe.clock.advance(2 * hour);
    await w.ensure();
    assert.deepEqual([w.has(expired), w.has(expired + 1)], [true, false]);
  });

  it('are asked for again shortly before their time is over, without anybody waiting', async () => {
    await using w = await world();
    await w.ensure();
    w.universe.clock.advance(22 * hour);
    await w.ensure();
    assert.deepEqual(w.asked(), { 'b.test': 1 });
    w.universe.clock.advance(1.5 * hour);
    await w.ensure();
    await w.universe.until(() => w.has(w.now() + 23 * hour));
    assert.deepEqual(w.asked(), { 'b.test': 2 });
  });

  const forgeries: readonly [string, (b: ScriptedServer, now: number) => JsonObject][] = [
    ['without signature', (b, now) => published(b, { valid_until_ts: now + day }, [])],
    [
      'signed with another key',
      (b, now) => published(b, { valid_until_ts: now + day }, [new SigningKey(s1, Buffer.alloc(32, 8))]),
    ],
    [
      'signed with an old key only',
      (b, now) => {
        const old = new SigningKey(asKeyId('ed25519:old'), Buffer.alloc(32, 3));
        const old_verify_keys = { [old.keyId]: { key: old.publicKeyBase64, expired_ts: 1 } };
        return published(b, { old_verify_keys, valid_until_ts: now + day }, [old]);
      },
    ],
    ['changed after signing', (b, now) => ({ ...b.publishedKeys(), valid_until_ts: now + 2 * day })],
    [
      'of another server',
      (b, now) =>
        signJson(
          { ...published(b, { valid_until_ts: now + day }, []), server_name: 'c.test' },
          asServerName('c.test'),
          b.key,
        ),
    ],
    ['without validity', (b) => published(b, {})],
    [
      'with a fraction as validity',
      (b) => published(b, { valid_until_ts: 1 }) && { ...b.publishedKeys(), valid_until_ts: 1.5 },
    ],
    ['without keys', (b, now) => published(b, { verify_keys: {}, valid_until_ts: now + day })],
    [
      'with more keys than anybody has',
      (b, now) => {
        const old = Array.from({ length: 200 }, (_, i) => [
          `ed25519:o${i}`,
          { key: b.key.publicKeyBase64, expired_ts: 1 },
        ]);
        return published(b, { old_verify_keys: Object.fromEntries(old), valid_until_ts: now + day });
      },
    ],
    ['of 200 KiB', (b, now) => published(b, { x: 'x'.repeat(200_000), valid_until_ts: now + day })],
  ];
  for (const [what, answer] of forgeries) {
    it(`are not believed ${what}`, async () => {
      await using w = await world();
      w.b.on('GET', keyPath, () => answer(w.b, w.now()));
      await w.ensure();
      assert.equal(w.has(w.now(), false), false);
      assert.deepEqual(w.asked(), { 'b.test': 1 });
    });
  }

  it('are believed whatever stands where no signature reaches, and are asked for again before their time is over', async () => {
    await using w = await world();
    const odd = { share: 1.5, large: 2 ** 60, half: '\ud800' };
    w.b.on('GET', keyPath, () => {
      const answer = w.b.publishedKeys();
      return { ...answer, unsigned: odd, signatures: { ...(answer['signatures'] as JsonObject), 'c.test': odd } };
    });
    await w.ensure();
    assert.equal(w.has(w.now()), true);
    w.universe.clock.advance(23.5 * hour);
    await w.ensure();
    await w.universe.until(() => w.has(w.now() + 23 * hour));
    const [told] = await w.universe
      .world('a.test')
      .hs.services.federation.notary.answers([{ server: w.b.name, keyIds: [], validUntil: w.now() }]);
    assert.ok(told !== undefined && 'a.test' in (told['signatures'] as JsonObject));
  });

  it('are not asked for again at once when they could not be had, nor for ever new names', async () => {
    await using w = await world();
    w.b.on('GET', keyPath, () => ({}));
    for (let i = 0; i < 10; i++) await w.ensure();
    assert.deepEqual(w.asked(), { 'b.test': 1 });
    w.universe.clock.advance(60_000);
    w.b.on('GET', keyPath, () => w.b.publishedKeys());
    await w.ensure();
    assert.equal(w.has(w.now()), true);
    for (let i = 0; i < 10; i++) await w.ensure(w.b, [asKeyId(`ed25519:n${i}`)]);
    assert.ok((w.asked()['b.test'] ?? 0) <= 6);
  });

  it('are asked for as soon as their server answers again', async () => {
    await using w = await world();
    const { reachability } = w.universe.world('a.test').hs.services.federation;
    reachability.succeeded(w.b.name);
    w.universe.network.cut('a.test', 'b.test');
    for (let i = 0; i < 3; i++) await w.ensure();
    assert.equal(w.has(w.now()), false);
    w.universe.network.heal('a.test', 'b.test');
    await w.ensure();
    assert.equal(w.has(w.now()), false);
    reachability.heardFrom(w.b.name);
    await w.ensure();
    assert.equal(w.has(w.now()), true);
  });

  it('are not asked for again and again because something claims to be of the future', async () => {
    await using w = await world();
    await w.ensure();
    for (let i = 0; i < 10; i++) await w.ensure(w.b, [s1], w.now() + 1000 * day);
    assert.deepEqual(w.asked(), { 'b.test': 1 });
  });

  it('of many servers are asked for together, sixteen at once, whoever does not answer', async () => {
    await using w = await world();
    let now = 0;
    let most = 0;
    const servers = Array.from({ length: 60 }, (_, i) => w.universe.script(`s${i}.test`));
    for (const [i, server] of servers.entries()) {
      server.on('GET', keyPath, async () => {
        most = Math.max(most, ++now);
        await new Promise(setImmediate);
        now--;
        return i % 3 === 0 ? {} : server.publishedKeys();
      });
    }
    await w.ring().ensure(servers.map(({ name, key }) => ({ server: name, keyIds: [key.keyId], validAt: w.now() })));
    const known = servers.filter(({ name, key }) => w.ring().key(name, key.keyId, w.now(), true) !== undefined);
    assert.equal(known.length, 40);
    assert.ok(most > 4 && most <= 16, `${most} at once`);
  });

  it('of hundreds that never answer are given up within minutes, and hold up no others', async () => {
    await using w = await world();
    const silent = Array.from({ length: 800 }, (_, i) => w.universe.script(`silent${i}.test`));
    for (const server of silent) {
      server.on('GET', keyPath, () => new Promise<JsonObject>(() => undefined));
    }
    const good = Array.from({ length: 40 }, (_, i) => w.universe.script(`good${i}.test`));
    const wanted = [...silent.slice(0, 100), ...good, ...silent.slice(100)];
    const began = w.universe.clock.monotonic();
    let isOver = false;
    const fetched = w
      .ring()
      .ensure(wanted.map(({ name, key }) => ({ server: name, keyIds: [key.keyId], validAt: w.now() })))
      .then(() => {
        isOver = true;
      });
    await w.universe.until(() => {
      if (!isOver) w.universe.clock.advance(250);
      return isOver;
    });
    await fetched;
    const minutes = (w.universe.clock.monotonic() - began) / 60_000;
    assert.ok(minutes < 3, `it took ${minutes} minutes`);
    const known = good.filter(({ name, key }) => w.ring().key(name, key.keyId, w.now(), true) !== undefined);
    assert.equal(known.length, 40);
  });

  it('of who calls us, or has said something, and calls to others, do not wait behind hundreds that never answer', async () => {
    await using w = await world();
    const silent = Array.from({ length: 120 }, (_, i) => w.universe.script(`silent${i}.test`));
    for (const server of silent) server.on('GET', keyPath, () => new Promise<JsonObject>(() => undefined));
    const caller = w.universe.script('caller.test');
    const speaker = w.universe.script('speaker.test');
    const member = w.universe.script('member.test');
    const wanted = [...silent, member].map(({ name, key }) => ({
      server: name,
      keyIds: [key.keyId],
      validAt: w.now(),
    }));
    const all = w.ring().ensure(wanted);
    // Long enough for the slow ones to have let in as many as there may be.
    for (let seconds = 0; seconds < 3; seconds++) {
      w.universe.clock.advance(1000);
      await new Promise(setImmediate);
    }
    const has = ({ name, key }: ScriptedServer) => w.ring().key(name, key.keyId, w.now(), true) !== undefined;
    await w.ring().ensureCaller(caller.name, caller.key.keyId);
    await w.ensure(speaker);
    assert.deepEqual([has(caller), has(speaker), has(member)], [true, true, false]);
    // One of those that wait for their turn calls us.
    await w.ring().ensureCaller(member.name, member.key.keyId);
    assert.equal(has(member), true);
    const { client } = w.universe.world('a.test').hs.services.federation;
    for (let calls = 0; calls < 10; calls++) {
      const answer = await client.call({ server: caller.name, method: 'GET', path: keyPath });
      assert.equal(answer.ok, true);
    }
    assert.ok((w.asked()['silent119.test'] ?? 0) === 0);
    assert.ok(Object.keys(w.asked()).filter((name) => name.startsWith('silent')).length <= 64);
    let isOver = false;
    void all.then(() => (isOver = true));
    await w.universe.until(() => {
      if (!isOver) w.universe.clock.advance(500);
      return isOver;
    });
    assert.equal(w.asked()['member.test'], 1);
  });

  it('are not waited for after the signal', async () => {
    await using w = await world();
    let answer: (keys: JsonObject) => void = () => {};
    w.b.on('GET', keyPath, () => new Promise((resolve) => (answer = resolve)));
    const abort = new AbortController();
    const waiting = w.ring().ensure([{ server: w.b.name, keyIds: [s1], validAt: w.now() }], abort.signal);
    await w.universe.until(() => w.asked()['b.test'] === 1);
    abort.abort();
    await waiting;
    answer(w.b.publishedKeys());
    await w.universe.until(() => w.has(w.now()));
  });
});

describe('our own keys', () => {
  it('are known too, old ones up to when they were put away', async () => {
    await using w = await world();
    const { hs } = w.universe.world('a.test');
    const a = asServerName('a.test');
    const [first] = hs.admin.signingKeys.list();
    assert.ok(first);
    const keyId = asKeyId(first.keyId);
    assert.ok(w.ring().key(a, keyId, millis(w.now() + 1000 * day), true));
    hs.admin.signingKeys.rotate();
    const rotated = w.now();
    assert.ok(w.ring().key(a, keyId, rotated, true));
    assert.equal(w.ring().key(a, keyId, millis(rotated + 1), true), undefined);
    assert.ok(w.ring().key(a, keyId, millis(rotated + 1), false));
    await w.ring().ensure([{ server: a, keyIds: [keyId, s1], validAt: w.now() }]);
    assert.deepEqual(w.asked(), {});
  });
});

describe('a notary', () => {
  const settings = { federation: { notaries: ['n.test'] } };

  /** A notary that tells what servers say, with its signature, or something else. */
  async function notaryWorld(change: (answer: JsonObject, notary: ScriptedServer) => JsonObject) {
    const w = await world(settings);
    const notary = w.universe.script('n.test');
    const servers = [w.b, w.universe.script('c.test')];
    const questions: JsonObject[] = [];
    notary.on('POST', '/_matrix/key/v2/query', ({ body }) => {
      questions.push(body.server_keys);
      const answers = servers.filter(({ name }) => name in body.server_keys).map((each) => each.publishedKeys());
      return { server_keys: answers.map((answer) => change(answer, notary)) };
    });
    return { ...w, notary, servers, questions };
  }
  const signed = (answer: JsonObject, notary: ScriptedServer) => signJson(answer, notary.name, notary.key);

  it('is asked first, for all servers in one question', async () => {
    await using w = await notaryWorld(signed);
    await w.ring().ensure(w.servers.map(({ name, key }) => ({ server: name, keyIds: [key.keyId], validAt: w.now() })));
    const wanted = { 'ed25519:s1': { minimum_valid_until_ts: w.now() } };
    assert.deepEqual(w.questions, [{ 'b.test': wanted, 'c.test': wanted }]);
    assert.equal(w.has(w.now()), true);
    assert.deepEqual(w.asked(), { 'n.test': 2 });
  });

  const useless: readonly [string, (answer: JsonObject, notary: ScriptedServer) => JsonObject][] = [
    ['does not sign', (answer) => answer],
    [
      'signs with a key that it does not publish',
      (answer, { name }) => signJson(answer, name, new SigningKey(s1, Buffer.alloc(32, 8))),
    ],
    ['changes what was said', (answer, notary) => signed({ ...answer, valid_until_ts: 1 }, notary)],
    ['tells of others', (answer, notary) => signed({ ...answer, server_name: 'd.test' }, notary)],
    ['talks nonsense', () => ({ hello: ['world'] })],
  ];
  for (const [what, change] of useless) {
    it(`that ${what} is passed over, and the server itself is asked`, async () => {
      await using w = await notaryWorld(change);
      await w.ensure();
      assert.equal(w.has(w.now()), true);
      assert.equal(w.asked()['b.test'], 1);
    });
  }

  const forHundreds: readonly [string, (w: Awaited<ReturnType<typeof world>>, notary: ScriptedServer) => void][] = [
    ['never answers', (_, notary) => notary.on('POST', queryPath, () => new Promise<JsonObject>(() => undefined))],
    ['answers nonsense', (_, notary) => notary.on('POST', queryPath, () => ({ server_keys: 7 }))],
    [
      'signs nothing',
      (w, notary) =>
        notary.on('POST', queryPath, ({ body }) => ({
          server_keys: Object.keys(body.server_keys).map((name) => w.universe.script(name).publishedKeys()),
        })),
    ],
  ];
  for (const [what, lie] of forHundreds) {
    it(`that ${what} is asked once for hundreds of servers, and again after a minute`, async () => {
      await using w = await world(settings);
      const notary = w.universe.script('n.test');
      const servers = Array.from({ length: 130 }, (_, i) => w.universe.script(`s${i}.test`));
      const ensureAll = async () => {
        let isOver = false;
        const all = w
          .ring()
          .ensure(servers.map(({ name, key }) => ({ server: name, keyIds: [key.keyId], validAt: w.now() })));
        void all.then(() => (isOver = true));
        await w.universe.until(() => {
          if (!isOver) w.universe.clock.advance(250);
          return isOver;
        });
      };
      lie(w, notary);
      const questions = () => w.universe.calls.filter(({ to, uri }) => to === 'n.test' && uri === queryPath).length;
      await ensureAll();
      assert.equal(questions(), 1);
      const known = servers.filter(({ name, key }) => w.ring().key(name, key.keyId, w.now(), true) !== undefined);
      assert.equal(known.length, 130);
      w.universe.clock.advance(26 * hour);
      await ensureAll();
      assert.equal(questions(), 2);
    });
  }

  it('that is away is passed over', async () => {
    await using w = await world(settings);
    await w.ensure();
    assert.equal(w.has(w.now()), true);
    assert.deepEqual(w.asked(), { 'n.test': 1, 'b.test': 1 });
  });

  it('with an older answer than ours does not bring an old key back', async () => {
    await using w = await notaryWorld((_, notary) => signed(stale, notary));
    const stale = w.b.publishedKeys();
    const old = w.b.key;
    Object.assign(w.b, { key: new SigningKey(asKeyId('ed25519:s2'), Buffer.alloc(32, 3)) });
    w.universe.clock.advance(hour);
    const expired = w.now();
    const old_verify_keys = { [old.keyId]: { key: old.publicKeyBase64, expired_ts: expired } };
    w.b.on('GET', keyPath, () => published(w.b, { old_verify_keys, valid_until_ts: w.now() + day }));
    await w.ensure();
    assert.deepEqual([w.has(expired), w.has(expired + 1)], [true, false]);
    await w.ensure(w.b, [asKeyId('ed25519:s3')]);
    assert.equal(w.questions.length, 2);
    assert.deepEqual([w.has(expired), w.has(expired + 1)], [true, false]);
  });
});
