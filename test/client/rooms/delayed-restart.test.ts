import assert from 'node:assert/strict';
import { it } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import { createHomeserver, type Homeserver } from '../../../src/homeserver.ts';
import { inject } from '../../support/clients/inject.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { cheapPasswords } from '../../support/servers/account-server.ts';
import { tempFolder } from '../../support/store.ts';
import { FakeClock } from '../../support/stubs/fake-clock.ts';

const v3 = '/_matrix/client/v3';

it('delayed events that became due while the server was down are sent at its start, in order', async () => {
  using folder = tempFolder();
  const fallback = { server_name: 'localhost', data_dir: folder.path, registration: { mode: 'open' } };
  const board = { memoryMb: 512, cores: 2 };
  const loaded = loadConfig({ env: {}, readFile: () => '', folder: folder.path, board, fallback });
  assert.ok(loaded.ok);
  const clock = new FakeClock();
  const externals = { clock, random: new SeededRandom(), passwordCost: cheapPasswords };
  const open = () => createHomeserver(loaded.config, externals);
  const ok = async (hs: Homeserver, method: string, path: string, token: string | undefined, body?: unknown) => {
    const answer = await inject(hs.app, { method, path: `${v3}${path}`, token, body });
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };

  const before = await open();
  const account = { username: 'alice', password: 'long enough', auth: { type: 'm.login.dummy' } };
  const token = (await ok(before, 'POST', '/register', undefined, account)).access_token as string;
  const room = (await ok(before, 'POST', '/createRoom', token, {})).room_id as string;
  for (const [txn, delay] of [
    ['second', 2000],
    ['first', 1000],
  ] as const) {
    const path = `/rooms/${room}/send/m.room.message/${txn}?org.matrix.msc4140.delay=${delay}`;
    await ok(before, 'PUT', path, token, { body: txn });
  }
  await before[Symbol.asyncDispose]();
  clock.advance(60_000);

  await using after = await open();
  for (let i = 0; i < 6; i++) {
    clock.advance(0);
    await after.db.durable<void>(() => {});
    await new Promise((done) => setImmediate(done));
  }
  const { chunk } = await ok(after, 'GET', `/rooms/${room}/messages?dir=b&limit=2`, token);
  assert.deepEqual(
    chunk.map(({ content }: { content: { body: string } }) => content.body),
    ['second', 'first'],
  );
});
