import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { markRestored } from '../../src/store/backup/restored-database.ts';
import { Universe } from '../support/servers/universe.ts';
import { tempFolder } from '../support/store.ts';

describe('a server that was restored from a backup', () => {
  it('learns from the others in its rooms what was said since, its own words too, and talks on', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    using kept = tempFolder();
    const [a, b] = [universe.world('a.test'), universe.world('b.test')];
    const alice = await a.register('alice');
    const bob = await b.register('bob');
    const { room_id: room } = await b.ok('POST', '/_matrix/client/v3/createRoom', bob, { preset: 'public_chat' });
    await a.ok('POST', `/_matrix/client/v3/join/${room}?via=b.test`, alice, {});
    let txn = 0;
    const say = (world: typeof a, token: string, body: string) =>
      world.ok('PUT', `/_matrix/client/v3/rooms/${room}/send/m.room.message/${txn++}`, token, {
        body,
        msgtype: 'm.text',
      });
    const texts = async (world: typeof a, token: string): Promise<string[]> => {
      const { chunk } = await world.ok('GET', `/_matrix/client/v3/rooms/${room}/messages?dir=b&limit=100`, token);
      return (chunk as { type: string; content: { body: string } }[])
        .filter(({ type }) => type === 'm.room.message')
        .map(({ content }) => content.body);
    };
    await say(a, alice, 'before');
    await universe.until(async () => (await texts(b, bob)).includes('before'));

    await universe.stop('a.test');
    for (const file of ['hearth.db', 'signing.key']) cpSync(join(a.folder, file), join(kept.path, file));
    await universe.start('a.test');
    await say(a, alice, 'mine, lost');
    await universe.until(async () => (await texts(b, bob)).includes('mine, lost'));
    await say(b, bob, 'yours, lost');
    await universe.until(async () => (await texts(a, alice)).includes('yours, lost'));

    await universe.stop('a.test');
    for (const file of ['hearth.db', 'hearth.db-wal', 'hearth.db-shm']) rmSync(join(a.folder, file), { force: true });
    cpSync(join(kept.path, 'hearth.db'), join(a.folder, 'hearth.db'));
    markRestored(join(a.folder, 'hearth.db'), universe.clock.now());
    await universe.start('a.test');
    universe.clock.advance(10_000);
    await universe.until(async () => (await texts(a, alice)).length === 3, 'all messages are there again');
    assert.deepEqual(await texts(a, alice), ['yours, lost', 'mine, lost', 'before']);

    await say(a, alice, 'after');
    await universe.until(
      async () => (await texts(b, bob)).includes('after'),
      'the other server hears the restored one',
    );
    assert.equal((await texts(b, bob)).length, 4);
  });

  it('that is stopped while it asks what was said asks again after the start', async () => {
    await using universe = await Universe.open(['a.test', 'b.test']);
    const [a, b] = [universe.world('a.test'), universe.world('b.test')];
    const alice = await a.register('alice');
    const bob = await b.register('bob');
    const { room_id: room } = await b.ok('POST', '/_matrix/client/v3/createRoom', bob, { preset: 'public_chat' });
    await a.ok('POST', `/_matrix/client/v3/join/${room}?via=b.test`, alice, {});
    await universe.stop('a.test');
    const asksForNews = () =>
      universe.calls.filter(({ from, uri }) => from === 'a.test' && uri.includes('/make_join/'));
    const before = asksForNews().length;
    markRestored(join(a.folder, 'hearth.db'), universe.clock.now());
    await universe.start('a.test');
    await universe.stop('b.test');
    universe.network.join('b.test', () => new Promise(() => {}));
    universe.clock.advance(10_000);
    await universe.until(() => asksForNews().length === before + 1, 'the other server is asked');
    let isStopped = false;
    const stopped = universe.stop('a.test').then(() => {
      isStopped = true;
    });
    // What is being sent has a moment.
    await universe.until(() => {
      universe.clock.advance(100);
      return isStopped;
    });
    await stopped;

    await universe.start('b.test');
    await universe.start('a.test');
    universe.clock.advance(10_000);
    await universe.until(() => asksForNews().at(-1)?.status === 200, 'the other server is asked again, and answers');
    assert.equal(asksForNews().length, before + 2);
  });
});
