import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { checkDataDir } from '../support/check-data-dir.ts';
import { Person } from '../support/clients/person.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { LinkedServers } from '../support/servers/linked-servers.ts';
import { PowerCutRecorder } from '../support/servers/power-cut.ts';

const v3 = '/_matrix/client/v3';

interface Synced {
  readonly next_batch: string;
  readonly to_device?: {
    readonly events: readonly { readonly sender: string; readonly content: { readonly n: number } }[];
  };
}

describe('messages to a device of another server', () => {
  let servers: LinkedServers | undefined;
  afterEach(async () => {
    await servers?.remove();
    servers = undefined;
  });

  async function arriveOnce(
    prepare: (name: string, dir: string) => NodeJS.ProcessEnv,
    afterKill: (name: string) => void,
  ): Promise<void> {
    const chance = new SeededRandom('to-device');
    servers = await LinkedServers.start(['a.test', 'b.test'], '', prepare);
    const running = servers;
    const register = (server: string, name: string) => Person.register(running.get(server).port, name);
    const senders = [await register('a.test', 'alice'), await register('a.test', 'carol')];
    const bob = await register('b.test', 'bob');
    const { device_id: deviceId } = await bob.call('GET', `${v3}/account/whoami`);
    let answers = 0;
    let dies: (() => void) | undefined;
    running.watch(async ({ to, path }) => {
      if (!path.includes('/v1/send/')) return true;
      answers++;
      // One in six is lost, the second to begin with.
      if (answers % 6 === 2) return false;
      // The worst moment: it has said that it has the messages, and nobody else has them any more.
      if (to === 'b.test' && dies !== undefined) {
        await running.get(to).stop('SIGKILL');
        dies();
        dies = undefined;
      }
      return true;
    });
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
      while (!isOver) await receive();
      for (let left = 1000; count() < sent && left > 0; left--) await receive();
      // Nothing comes again.
      for (let more = 0; more < 10; more++) await receive();
    })();
    const sending = Promise.all(senders.map(send));
    for (const name of ['b.test', 'a.test', 'b.test']) {
      const next = sent + 10 + chance.below(30);
      while (sent < next) await pause();
      if (name === 'b.test') await new Promise<void>((done) => (dies = done));
      else await running.get(name).stop('SIGKILL');
      afterKill(name);
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
  }

  it('arrive once and in order for each sender, although both servers are killed and answers are lost', async () => {
    await arriveOnce(
      () => ({}),
      () => {},
    );
  });

  it('arrive once and in order for each sender, although both servers lose their power', async (t) => {
    const recorders = new Map<string, PowerCutRecorder>();
    if (!PowerCutRecorder.isPossible()) {
      assert.equal(process.env['CI'], undefined, 'CI has a C compiler');
      return t.skip('no C compiler on this machine to build the recorder of fsync calls with');
    }
    await arriveOnce(
      (name, dir) => {
        const recorder = PowerCutRecorder.prepare(dir, join(dir, 'data'));
        assert.ok(recorder);
        recorders.set(name, recorder);
        return recorder.env;
      },
      (name) => recorders.get(name)?.cutPower(),
    );
  });
});
