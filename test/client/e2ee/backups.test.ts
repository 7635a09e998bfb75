import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestDevice } from '../../support/clients/e2ee.ts';
import { World } from '../../support/servers/world.ts';

const algorithm = 'm.megolm_backup.v1.curve25519-aes-sha2';
const session = (first = 0, more: object = {}) => ({
  first_message_index: first,
  forwarded_count: 0,
  is_verified: false,
  session_data: { ciphertext: `from ${first}` },
  ...more,
});

async function scene() {
  const world = await World.open();
  const alice = await TestDevice.register(world, 'alice');
  const begin = async () =>
    (await alice.ok('POST', '/room_keys/version', { algorithm, auth_data: { public_key: 'p' } })).version as string;
  const keys = (version: string, ...path: string[]) =>
    `/room_keys/keys${path.map((part) => `/${encodeURIComponent(part)}`).join('')}?version=${version}`;
  return { world, alice, begin, keys };
}

const room = '!room:localhost';

describe('/room_keys/version', () => {
  it('is made, told, changed and deleted; its number is never used again', async () => {
    const { world, alice, begin } = await scene();
    await using _ = world;
    assert.equal((await alice.call('GET', '/room_keys/version')).json.errcode, 'M_NOT_FOUND');
    assert.equal(await begin(), '1');
    assert.equal(await begin(), '2');
    const info = { algorithm, auth_data: { public_key: 'p' }, version: '2', etag: '0', count: 0 };
    assert.deepEqual(await alice.ok('GET', '/room_keys/version'), info);
    assert.deepEqual(await alice.ok('GET', '/room_keys/version/1'), { ...info, version: '1' });
    await alice.ok('PUT', '/room_keys/version/2', { algorithm, auth_data: { public_key: 'q' }, version: '2' });
    assert.deepEqual((await alice.ok('GET', '/room_keys/version/2')).auth_data, { public_key: 'q' });
    await alice.ok('DELETE', '/room_keys/version/2');
    assert.equal((await alice.ok('GET', '/room_keys/version')).version, '1');
    assert.equal(await begin(), '3');
  });

  it('refuses what is wrong', async () => {
    const { world, alice, begin } = await scene();
    await using _ = world;
    await begin();
    const cases: [string, string, object | undefined, number, string][] = [
      ['POST', '/room_keys/version', { algorithm }, 400, 'M_MISSING_PARAM'],
      ['POST', '/room_keys/version', { algorithm, auth_data: [] }, 400, 'M_BAD_JSON'],
      ['POST', '/room_keys/version', { algorithm, auth_data: { a: 'x'.repeat(70_000) } }, 413, 'M_TOO_LARGE'],
      ['PUT', '/room_keys/version/1', { algorithm: 'other', auth_data: {} }, 400, 'M_INVALID_PARAM'],
      ['PUT', '/room_keys/version/1', { algorithm, auth_data: {}, version: '2' }, 400, 'M_INVALID_PARAM'],
      ['PUT', '/room_keys/version/9', { algorithm, auth_data: {} }, 404, 'M_NOT_FOUND'],
      ['GET', '/room_keys/version/x', undefined, 404, 'M_NOT_FOUND'],
      ['DELETE', '/room_keys/version/9', undefined, 404, 'M_NOT_FOUND'],
    ];
    for (const [method, path, body, status, errcode] of cases) {
      const answer = await alice.call(method, path, body);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], `${method} ${path}`);
    }
  });
});

describe('a backup on a server that was restored', () => {
  it('has a new version that clients must find, and can be read under the number they know', async () => {
    const { world, alice, begin, keys } = await scene();
    await using _ = world;
    await begin();
    const version = await begin();
    await alice.ok('PUT', keys(version, room, 's'), session());
    const before = await alice.ok('GET', '/room_keys/version');
    const { backups } = world.hs.services.e2ee;
    world.hs.db.write(() => backups.renew(1000));
    assert.deepEqual(await alice.ok('GET', '/room_keys/version'), { ...before, version: '1000' });
    assert.deepEqual(await alice.ok('GET', `/room_keys/version/${version}`), before);
    const old = await alice.call('PUT', keys(version, room, 's2'), session());
    assert.deepEqual([old.status, old.json.current_version], [403, '1000']);
    assert.deepEqual(await alice.ok('PUT', keys('1000', room, 's2'), session()), { etag: '2', count: 2 });
    for (const number of [version, '1000']) {
      assert.deepEqual(await alice.ok('GET', keys(number, room, 's2')), session());
      assert.deepEqual(Object.keys((await alice.ok('GET', keys(number, room))).sessions), ['s', 's2']);
      assert.deepEqual(Object.keys((await alice.ok('GET', keys(number))).rooms), [room]);
    }
    world.hs.db.write(() => backups.renew(1000));
    assert.equal((await alice.ok('GET', '/room_keys/version')).version, '1001');
    assert.equal(await begin(), '1002');
    assert.deepEqual(await alice.ok('GET', keys('1', room)), { sessions: {} });
    await alice.ok('DELETE', '/room_keys/version/1001');
    assert.equal((await alice.call('GET', keys('1000', room, 's2'))).status, 404);
  });
});

describe('/room_keys/keys', () => {
  it('are put, read and deleted one by one, by room and all together; etag and count follow', async () => {
    const { world, alice, begin, keys } = await scene();
    await using _ = world;
    const version = await begin();
    assert.deepEqual(await alice.ok('GET', keys(version)), { rooms: {} });
    assert.deepEqual(await alice.ok('GET', keys(version, room)), { sessions: {} });
    assert.deepEqual(await alice.ok('PUT', keys(version, room, 's/1'), session()), { etag: '1', count: 1 });
    const more = { s2: session(2), s3: session(3) };
    assert.deepEqual(await alice.ok('PUT', keys(version, room), { sessions: more }), { etag: '2', count: 3 });
    const rooms = { '!other:localhost': { sessions: { t1: session(5) } }, [room]: { sessions: { s2: session(2) } } };
    assert.deepEqual(await alice.ok('PUT', keys(version), { rooms }), { etag: '3', count: 4 });
    assert.deepEqual(await alice.ok('GET', keys(version, room, 's/1')), session());
    const own = { 's/1': session(), ...more };
    assert.deepEqual(await alice.ok('GET', keys(version, room)), { sessions: own });
    assert.deepEqual(await alice.ok('GET', keys(version)), {
      rooms: { [room]: { sessions: own }, '!other:localhost': { sessions: { t1: session(5) } } },
    });
    assert.deepEqual(await alice.ok('DELETE', keys(version, room, 's2')), { etag: '4', count: 3 });
    assert.deepEqual(await alice.ok('DELETE', keys(version, room)), { etag: '5', count: 1 });
    assert.deepEqual(await alice.ok('DELETE', keys(version, room)), { etag: '5', count: 1 });
    assert.deepEqual(await alice.ok('DELETE', keys(version)), { etag: '6', count: 0 });
    assert.deepEqual(await alice.ok('GET', keys(version)), { rooms: {} });
    assert.equal((await alice.ok('GET', '/room_keys/version')).count, 0);
  });

  it('keep the better of two keys', async () => {
    const { world, alice, begin, keys } = await scene();
    await using _ = world;
    const version = await begin();
    const path = keys(version, room, 's');
    const steps: [object, boolean][] = [
      [session(5), true],
      [session(6), false],
      [session(5), false],
      [session(4, { forwarded_count: 3 }), true],
      [session(4, { forwarded_count: 4 }), false],
      [session(4, { forwarded_count: 2 }), true],
      [session(9, { is_verified: true }), true],
      [session(0), false],
    ];
    let kept: object = {};
    let etag = 0;
    for (const [given, isBetter] of steps) {
      if (isBetter) {
        kept = given;
        etag++;
      }
      assert.deepEqual(await alice.ok('PUT', path, given), { etag: `${etag}`, count: 1 });
      assert.deepEqual(await alice.ok('GET', path), kept);
    }
  });

  it('are taken for the version in use only, and told of any that there is', async () => {
    const { world, alice, begin, keys } = await scene();
    await using _ = world;
    const without = await alice.call('PUT', keys('1', room, 's'), session());
    assert.deepEqual([without.status, without.json.errcode], [404, 'M_NOT_FOUND']);
    for (const path of [[], [room]]) {
      const body = path.length === 0 ? { rooms: {} } : { sessions: {} };
      const none = await alice.call('PUT', keys('1', ...path), body);
      assert.deepEqual([none.status, none.json.errcode], [404, 'M_NOT_FOUND']);
    }
    await begin();
    await alice.ok('PUT', keys('1', room, 's'), session());
    await begin();
    const old = await alice.call('PUT', keys('1', room, 's'), session());
    assert.deepEqual([old.status, old.json.errcode, old.json.current_version], [403, 'M_WRONG_ROOM_KEYS_VERSION', '2']);
    assert.deepEqual(await alice.ok('GET', keys('1', room, 's')), session());
    const cases: [string, string, object | undefined, number, string][] = [
      ['GET', keys('2', room, 's'), undefined, 404, 'M_NOT_FOUND'],
      ['GET', keys('9'), undefined, 404, 'M_NOT_FOUND'],
      ['GET', keys('9', room), undefined, 404, 'M_NOT_FOUND'],
      ['DELETE', keys('9'), undefined, 404, 'M_NOT_FOUND'],
      ['DELETE', keys('9', room), undefined, 404, 'M_NOT_FOUND'],
      ['DELETE', keys('9', room, 's'), undefined, 404, 'M_NOT_FOUND'],
      ['PUT', keys('1', room), { sessions: {} }, 403, 'M_WRONG_ROOM_KEYS_VERSION'],
      ['PUT', keys('1'), { rooms: {} }, 403, 'M_WRONG_ROOM_KEYS_VERSION'],
      ['PUT', keys('9', room), { sessions: {} }, 404, 'M_NOT_FOUND'],
      ['PUT', keys('9'), { rooms: {} }, 404, 'M_NOT_FOUND'],
      ['GET', '/room_keys/keys', undefined, 400, 'M_MISSING_PARAM'],
      ['PUT', keys('2', 'no room', 's'), session(), 400, 'M_INVALID_PARAM'],
      ['PUT', keys('2', room, 's'), session(-1), 400, 'M_INVALID_PARAM'],
      ['PUT', keys('2', room, 's'), { ...session(), session_data: 'x' }, 400, 'M_BAD_JSON'],
      ['PUT', keys('2', room, 's'), session(0, { session_data: { a: 'x'.repeat(20_000) } }), 413, 'M_TOO_LARGE'],
      ['PUT', keys('2', room), {}, 400, 'M_MISSING_PARAM'],
    ];
    for (const [method, path, body, status, errcode] of cases) {
      const answer = await alice.call(method, path, body);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode], `${method} ${path}`);
    }
  });

  it('come in pieces when there are many, and what is deleted goes in slices', async () => {
    const { world, alice, begin, keys } = await scene();
    await using _ = world;
    const version = await begin();
    const rooms = Object.fromEntries(
      Array.from({ length: 5 }, (_unused, r) => [
        `!r${r}:localhost`,
        { sessions: Object.fromEntries(Array.from({ length: 250 }, (_none, s) => [`s${s}`, session(s)])) },
      ]),
    );
    assert.deepEqual(await alice.ok('PUT', keys(version), { rooms }), { etag: '1', count: 1250 });
    assert.deepEqual(await alice.ok('GET', keys(version)), { rooms });
    assert.deepEqual(await alice.ok('GET', keys(version, '!r3:localhost')), rooms['!r3:localhost']);
    await alice.ok('DELETE', `/room_keys/version/${version}`);
    let slices = 0;
    while (world.hs.services.e2ee.backups.sweep(500)) slices++;
    assert.equal(slices, 3);
    for (const table of ['backup_session', 'backup_store']) {
      assert.equal(world.hs.db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get(), 0);
    }
  });
});
