import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { checkDataDir } from '../support/check-data-dir.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { ServerProcess } from '../support/server-process.ts';

interface Session {
  readonly access_token: string;
  readonly user_id: string;
  readonly device_id: string;
}

describe('a claimed one-time key', () => {
  let server: ServerProcess | undefined;
  after(() => server?.remove());

  it('is not given out again after kill -9 in the middle of claiming', async () => {
    const chance = new SeededRandom('claims');
    let running = await ServerProcess.start();
    server = running;
    const post = async (path: string, body: object, token = ''): Promise<unknown> => {
      const answer = await fetch(`${running.url}/_matrix/client/v3${path}`, {
        method: 'POST',
        headers: token === '' ? {} : { Authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      });
      assert.equal(answer.status, 200);
      return answer.json();
    };
    const auth = { type: 'm.login.dummy' };
    const alice = (await post('/register', { username: 'alice', password: 'a long password', auth })) as Session;
    const keys = Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`curve25519:k${n}`, `key ${n}`]));
    await post('/keys/upload', { one_time_keys: keys }, alice.access_token);

    const given: string[] = [];
    const claim = async (): Promise<boolean> => {
      const wanted = { one_time_keys: { [alice.user_id]: { [alice.device_id]: 'curve25519' } } };
      const answer = (await post('/keys/claim', wanted, alice.access_token)) as {
        one_time_keys: Record<string, Record<string, Record<string, string>>>;
      };
      const ids = Object.keys(answer.one_time_keys[alice.user_id]?.[alice.device_id] ?? {});
      given.push(...ids);
      return ids.length > 0;
    };
    const claimUntilGone = async (): Promise<void> => {
      while (await claim().catch(() => false));
    };
    for (let round = 0; round < 4; round++) {
      const before = given.length;
      const claiming = Array.from({ length: 4 }, claimUntilGone);
      // The server ends while claims are under way; how many are answered by then is chance.
      while (given.length < before + 5 + chance.below(40)) await new Promise((done) => setImmediate(done));
      await running.stop('SIGKILL');
      await Promise.all(claiming);
      running = await running.restart();
      server = running;
    }
    await claimUntilGone();
    assert.equal(new Set(given).size, given.length, 'a key was given out twice');
    // Those whose answers were lost with the server are lost, at most one for each claim under way.
    assert.ok(given.length <= 400 && given.length >= 400 - 16, `${given.length}`);
    assert.equal(await running.stop(), 0);
    assert.deepEqual(checkDataDir(running.dataDir), []);
  });
});
