import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { checkDataDir } from '../support/check-data-dir.ts';
import { LinkedServers } from '../support/linked-servers.ts';
import { Person } from '../support/person.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const v3 = '/_matrix/client/v3';

interface Synced {
  readonly next_batch: string;
  readonly to_device?: {
    readonly events: readonly { readonly sender: string; readonly content: { readonly n: number } }[];
  };
}

describe('messages to a device of another server', () => {
  let servers: LinkedServers | undefined;
  after(() => servers?.remove());

  it('arrive once and in order for each sender, although both servers are killed and answers are lost', async () => {
    const chance = new SeededRandom('to-device');
    servers = await LinkedServers.start(['a.test', 'b.test']);
    const running = servers;
    const register = (server: string, name: string) => Person.register(running.get(server).port, name);
    const senders = [await register('a.test', 'alice'), await register('a.test', 'carol')];
    const bob = await register('b.test', 'bob');
    const { device_id: deviceId } = await bob.call('GET', `${v3}/account/whoami`);
    let answers = 0;
    // One in six is lost, the second to begin with.
    running.watch(({ path }) => !path.includes('/v1/send/') || ++answers % 6 !== 2);
    const pause = () => new Promise((done) => setTimeout(done, 20));
    let sent = 0;
    let isOver = false;
    const send = async (sender: Person): Promise<number> => {
      let n = 0;
      while (!isOver) {
        const messages = { [bob.userId]: { [deviceId as string]: { n } } };
        // Who gets no answer asks again, as clients do.
        const isSent = await sender.call('PUT', `${v3}/sendToDevice/m.test/t${n}`, { messages }).then(
          () => true,
          () => false,
        );
        if (isSent) n++;
        if (isSent) sent++;
        await pause();
      }
      return n;
    };
    const seen = new Map(senders.map(({ userId }) => [userId, [] as number[]]));
    const count = () => [...seen.values()].reduce((sum, { length }) => sum + length, 0);
    let since = '';
    const receive = async (): Promise<void> => {
      const answer = await bob.sync(`timeout=0${since === '' ? '' : `&since=${since}`}`).catch(() => undefined);
      if (answer?.status === 200) {
        const { next_batch: next, to_device: told } = JSON.parse(answer.body) as Synced;
        for (const { sender, content } of told?.events ?? []) seen.get(sender)?.push(content.n);
        since = next;
      }
      await pause();
    };
    const receiving = (async () => {
      while (!isOver || count() < sent) await receive();
      // Nothing comes again.
      for (let more = 0; more < 10; more++) await receive();
    })();
    const sending = Promise.all(senders.map(send));
    for (const name of ['b.test', 'a.test', 'b.test']) {
      const next = sent + 10 + chance.below(30);
      while (sent < next) await pause();
      await running.get(name).stop('SIGKILL');
      await running.restart(name);
    }
    isOver = true;
    const counts = await sending;
    running.watch();
    await receiving;
    for (const [index, { userId }] of senders.entries()) {
      assert.deepEqual(
        seen.get(userId),
        Array.from({ length: counts[index] ?? 0 }, (_, n) => n),
      );
    }
    assert.ok(sent > 80, `${sent}`);
    assert.ok(answers > 2, `${answers} answers`);
    for (const person of [...senders, bob]) person.close();
    for (const name of ['a.test', 'b.test']) {
      assert.equal(await running.get(name).stop(), 0);
      assert.deepEqual(checkDataDir(running.get(name).dataDir), []);
    }
  });
});
