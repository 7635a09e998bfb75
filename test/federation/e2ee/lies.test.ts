import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '../../../src/util/json.ts';
import { TestDevice } from '../../support/clients/e2ee.ts';
import { SharedRoom } from '../../support/clients/shared-room.ts';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';

const keysOf = (userId: string, deviceId: string): JsonObject => ({
  user_id: userId,
  device_id: deviceId,
  algorithms: [],
  keys: { [`ed25519:${deviceId}`]: 'key' },
  signatures: {},
});

async function scene(universe: Universe) {
  const a = universe.world('a.test');
  const alice = await TestDevice.register(a, 'alice');
  const evil = universe.script('evil.test');
  const eve = evil.user('eve');
  const room = new SharedRoom([a], alice.userId);
  room.member(eve, 'join');
  const list = { stream: 5, devices: ['ONE'] };
  evil.on('GET', '/_matrix/federation/v1/user/devices/{}', () => ({
    user_id: eve,
    stream_id: list.stream,
    devices: list.devices.map((id) => ({ device_id: id, keys: keysOf(eve, id) })),
  }));
  evil.on('POST', '/_matrix/federation/v1/user/keys/query', ({ body }) => ({
    device_keys: Object.fromEntries(
      Object.keys(body.device_keys).map((userId) => [
        userId,
        Object.fromEntries(list.devices.map((id) => [id, keysOf(userId, id)])),
      ]),
    ),
  }));
  const query = async (userId: string = eve) => {
    const answer = await alice.ok('POST', '/keys/query', { device_keys: { [userId]: [] } });
    return Object.keys(answer.device_keys[userId] ?? {});
  };
  const settled = () =>
    universe.until(() => {
      if (a.hs.stores.remoteLists.nextDue() === undefined) return true;
      universe.clock.advance(60_000);
      return false;
    });
  return { a, alice, evil, eve, list, query, settled, room };
}

const update = (evil: ScriptedServer, content: JsonObject) =>
  evil.send('a.test', [], [{ edu_type: 'm.device_list_update', content }]);

describe('a server that lies about devices', () => {
  it('says nothing of users of others', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const { a, alice, evil, room } = await scene(universe);
    const bob = await TestDevice.register(universe.world('b.test'), 'bob');
    await bob.uploadKeys();
    room.member(bob.userId, 'join');
    const ask = () => alice.ok('POST', '/keys/query', { device_keys: { [bob.userId]: [] } });
    const before = await ask();
    await alice.sync();
    const user_id = bob.userId;
    await update(evil, { user_id, device_id: bob.deviceId, stream_id: 1, prev_id: [], deleted: true });
    await update(evil, { user_id: alice.userId, device_id: alice.deviceId, stream_id: 1, deleted: true });
    const content = { user_id, master_key: { user_id, usage: ['master'], keys: { 'ed25519:x': 'x' } } };
    await evil.send('a.test', [], [{ edu_type: 'm.signing_key_update', content }]);
    assert.equal((await alice.sync()).device_lists, undefined);
    assert.equal(a.hs.stores.remoteLists.nextDue(), undefined);
    assert.deepEqual(await ask(), before);
  });

  it('cannot answer for others, nor under other names', async () => {
    await using universe = await Universe.open(['a.test']);
    const { alice, evil, eve } = await scene(universe);
    evil.on('POST', '/_matrix/federation/v1/user/keys/query', () => ({
      device_keys: {
        [eve]: { OTHER: keysOf(eve, 'ONE'), TWO: keysOf('@x:b.test', 'TWO'), GOOD: keysOf(eve, 'GOOD'), BAD: 5 },
        [alice.userId]: { [alice.deviceId]: keysOf(alice.userId, alice.deviceId) },
        '@x:b.test': { X: keysOf('@x:b.test', 'X') },
      },
      master_keys: { [eve]: { user_id: alice.userId, usage: ['master'], keys: { 'ed25519:x': 'x' } } },
      user_signing_keys: { [eve]: { user_id: eve, usage: ['user_signing'], keys: { 'ed25519:x': 'x' } } },
    }));
    evil.on('POST', '/_matrix/federation/v1/user/keys/claim', () => ({
      one_time_keys: {
        [eve]: {
          GOOD: { 'curve25519:AAA': 'x', 'signed_curve25519:BBB': { key: 'k' }, 'signed_curve25519:CCC': { key: 'k' } },
        },
        '@x:b.test': { X: { 'signed_curve25519:BBB': { key: 'k' } } },
      },
    }));
    const answer = await alice.ok('POST', '/keys/query', { device_keys: { [eve]: [] } });
    assert.deepEqual(Object.keys(answer.device_keys), [eve]);
    assert.deepEqual(Object.keys(answer.device_keys[eve]), ['GOOD']);
    assert.deepEqual([answer.master_keys, answer.user_signing_keys], [{}, {}]);
    const wanted = { [eve]: { GOOD: 'signed_curve25519', NOT: 'signed_curve25519' } };
    const { one_time_keys: keys } = await alice.ok('POST', '/keys/claim', { one_time_keys: wanted });
    assert.deepEqual(keys, { [eve]: { GOOD: { 'signed_curve25519:BBB': { key: 'k' } } } });
  });

  it('gains nothing by tricks with prev_id: what is not the next update has the list fetched', async () => {
    await using universe = await Universe.open(['a.test']);
    const { evil, eve, list, query, settled, a } = await scene(universe);
    assert.deepEqual(await query(), ['ONE']);
    await update(evil, { user_id: eve, device_id: 'X', stream_id: 5, prev_id: [4], keys: keysOf(eve, 'X') });
    await settled();
    assert.deepEqual(await query(), ['ONE']);
    const tricks: JsonObject[] = [
      { stream_id: 6, prev_id: [] },
      { stream_id: 7, prev_id: [4] },
      { stream_id: 8, prev_id: [5, 99] },
      { stream_id: 9, prev_id: ['5'] },
      { stream_id: 10 },
    ];
    for (const trick of tricks) {
      await update(evil, { user_id: eve, device_id: 'X', keys: keysOf(eve, 'X'), ...trick });
      await settled();
      assert.deepEqual(await query(), ['ONE'], JSON.stringify(trick));
    }
    const fetches = () => universe.calls.filter(({ uri }) => uri.includes('/user/devices/')).length;
    const before = fetches();
    // No updates at all: a number that is none, another's keys under the right name.
    for (const stream of [1.5, '6', null, 1e300]) {
      await update(evil, { user_id: eve, device_id: 'X', stream_id: stream, prev_id: [5], keys: keysOf(eve, 'X') });
    }
    assert.equal(fetches(), before);
    await update(evil, { user_id: eve, device_id: 'X', stream_id: 6, prev_id: [5], keys: keysOf(eve, 'OTHER') });
    assert.deepEqual(await query(), ['ONE']);
    await update(evil, { user_id: eve, device_id: 'X', stream_id: 7, prev_id: [6], keys: keysOf(eve, 'X') });
    assert.deepEqual(await query(), ['ONE', 'X']);
    assert.equal(fetches(), before);
    // The list is the server's own: it may be as it likes.
    list.devices = [];
    list.stream = 20;
    await update(evil, { user_id: eve, device_id: 'Y', stream_id: 19, prev_id: [18], keys: keysOf(eve, 'Y') });
    await settled();
    assert.deepEqual(await query(), []);
    assert.equal(a.hs.stores.remoteLists.page(0, 10).length, 1);
  });

  it('fills no memory with devices without number, and is left alone for a while', async () => {
    await using universe = await Universe.open(['a.test']);
    const { evil, eve, list, query, a } = await scene(universe);
    assert.deepEqual(await query(), ['ONE']);
    list.devices = Array.from({ length: 1001 }, (_, i) => `D${i}`);
    await update(evil, { user_id: eve, device_id: 'X', stream_id: 9, prev_id: [8], deleted: true });
    const { remoteLists, interning } = a.hs.stores;
    await universe.until(() => remoteLists.nextDue() === undefined);
    assert.equal(remoteLists.devices.count(interning.findUser(eve) as never), 0);
    list.devices = Array.from({ length: 100_000 }, (_, i) => `D${i}`);
    await update(evil, { user_id: eve, device_id: 'X', stream_id: 9, prev_id: [7], deleted: true });
    await update(evil, { user_id: eve, device_id: 'X', stream_id: 10, prev_id: [7], deleted: true });
    await universe.until(() => (remoteLists.nextDue() ?? 0) > universe.clock.now());
    const fetches = () => universe.calls.filter(({ uri }) => uri.includes('/user/devices/')).length;
    const before = fetches();
    await update(evil, { user_id: eve, device_id: 'X', stream_id: 11, prev_id: [7], deleted: true });
    assert.equal(fetches(), before, 'not again at once');
    assert.deepEqual(await query(), [], 'too large an answer here as well');
  });

  it('is not followed for users who share no room', async () => {
    await using universe = await Universe.open(['a.test']);
    const { a, evil, alice, eve, room, query } = await scene(universe);
    const stranger = evil.user('stranger');
    assert.deepEqual(await query(stranger), ['ONE']);
    await alice.sync();
    await update(evil, { user_id: stranger, device_id: 'X', stream_id: 9, prev_id: [8], deleted: true });
    assert.equal((await alice.sync()).device_lists, undefined);
    await query();
    const user = a.hs.stores.interning.findUser(eve) as never;
    assert.ok(a.hs.stores.remoteLists.find(user));
    room.member(eve, 'leave');
    assert.deepEqual((await alice.sync()).device_lists, { changed: [], left: [eve] });
    // News of somebody whom nobody has asked about.
    const other = evil.user('other');
    room.member(other, 'join');
    await update(evil, { user_id: other, device_id: 'X', stream_id: 9, prev_id: [8], deleted: true });
    room.member(other, 'leave');
    await alice.uploadKeys();
    const { deviceLists, interning } = a.hs.stores;
    const news = () =>
      deviceLists
        .page(0, 10)
        .map((each) => interning.userId(each))
        .sort();
    assert.ok(news().includes(other));
    let next = a.hs.services.e2ee.remote.lists.sweep(0, 1);
    while (next !== undefined) next = a.hs.services.e2ee.remote.lists.sweep(next, 1);
    assert.equal(a.hs.stores.remoteLists.find(user), undefined);
    assert.deepEqual(news(), [alice.userId]);
  });
});
