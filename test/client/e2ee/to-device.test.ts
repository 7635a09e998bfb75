import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { TestDevice } from '../../support/clients/e2ee.ts';
import { Universe } from '../../support/servers/universe.ts';
import { World } from '../../support/servers/world.ts';

async function scene() {
  const world = await World.open();
  const alice = await TestDevice.register(world, 'alice');
  const bob = await TestDevice.register(world, 'bob');
  return { world, alice, bob };
}

// oxlint-disable-next-line typescript/no-explicit-any -- answers of every form
const numbers = (answer: any): number[] => (answer.to_device?.events ?? []).map((event: any) => event.content.n);

describe('PUT /sendToDevice/{eventType}/{txnId}', () => {
  it('reaches one device or all; what does not exist gets nothing', async () => {
    const { world, alice, bob } = await scene();
    await using _ = world;
    const phone = await alice.sibling('PHONE');
    const content = { n: 1, deep: { a: ['x'] } };
    await bob.send('m.test', '1', {
      [alice.userId]: { PHONE: content, NONE: content },
      '@nobody:localhost': { '*': content },
      '@a:far.example': { '*': content },
    });
    assert.deepEqual(await phone.sync().then((answer) => answer.to_device.events), [
      { type: 'm.test', sender: bob.userId, content },
    ]);
    assert.equal((await alice.sync()).to_device, undefined);
    await bob.send('m.test', '2', { [alice.userId]: { '*': { n: 2 }, PHONE: { n: 3 } } });
    assert.deepEqual(numbers(await alice.sync()), [2]);
    assert.deepEqual(numbers(await phone.sync()), [3]);
  });

  it('does nothing when it is repeated', async () => {
    const { world, alice, bob } = await scene();
    await using _ = world;
    for (let turn = 0; turn < 3; turn++) {
      assert.equal((await bob.send('m.test', '1', { [alice.userId]: { '*': { n: 1 } } })).text, '{}');
    }
    await bob.send('m.other', '1', { [alice.userId]: { '*': { n: 2 } } });
    assert.deepEqual(numbers(await alice.sync()), [1, 2]);
  });

  it('wakes who waits', async () => {
    const { world, alice, bob } = await scene();
    await using _ = world;
    await alice.sync();
    const waiting = alice.ok('GET', `/sync?since=${alice.since}&timeout=30000`);
    await bob.send('m.test', '1', { [alice.userId]: { '*': { n: 1 } } });
    assert.deepEqual(numbers(await waiting), [1]);
  });

  it('hands messages over until the token says that they have arrived', async () => {
    const { world, alice, bob } = await scene();
    await using _ = world;
    await alice.sync();
    const before = alice.since;
    await bob.send('m.test', '1', { [alice.userId]: { '*': { n: 1 } } });
    const queued = () => world.hs.db.prepare<[], number>('SELECT count(*) FROM to_device').pluck().get();
    for (let turn = 0; turn < 2; turn++) {
      alice.since = before;
      assert.deepEqual(numbers(await alice.sync()), [1]);
      assert.equal(queued(), 1);
    }
    assert.deepEqual(numbers(await alice.sync()), []);
    assert.equal(queued(), 0);
  });

  it('hands many over in several answers, in order, each once', async () => {
    const { world, alice, bob } = await scene();
    await using _ = world;
    await alice.sync();
    for (let n = 0; n < 450; n++) await bob.send('m.test', `${n}`, { [alice.userId]: { '*': { n } } });
    const seen: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      const some = numbers(await alice.sync());
      assert.ok(some.length <= 200);
      seen.push(...some);
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 450 }, (_, n) => n),
    );
    assert.deepEqual(numbers(await alice.sync()), []);
  });

  it('keeps the newest when a device does not sync for too long', async () => {
    const { world, alice, bob } = await scene();
    await using _ = world;
    const content = (n: number) => ({ n, text: 'x'.repeat(65_000) });
    for (let n = 0; n < 540; n++) await bob.send('m.test', `${n}`, { [alice.userId]: { '*': content(n) } });
    const kept = world.hs.db.prepare<[], { count: number; size: number }>(
      'SELECT count(*) AS count, sum(length(content)) AS size FROM to_device',
    );
    const { count, size } = kept.get() ?? { count: 0, size: 0 };
    assert.ok(size <= 32 * 1024 * 1024 && count > 500 && count < 540, `${count}`);
    assert.equal(numbers(await alice.sync())[0], 540 - count);
  });

  it('keeps what others have sent when one floods a device, of our users or of another server with all its users', async () => {
    await using universe = await Universe.open(['a.test']);
    const world = universe.world('a.test');
    const [alice, bob] = [await TestDevice.register(world, 'alice'), await TestDevice.register(world, 'bob')];
    const carol = await TestDevice.register(world, 'carol');
    const evil = universe.script('evil.test');
    await alice.sync();
    await bob.send('m.test', 'first', { [alice.userId]: { '*': { n: -1 } } });
    const text = 'x'.repeat(65_000);
    const twenty = (from: number) => Array.from({ length: 20 }, (_, i) => from + i);
    for (let from = 0; from < 600; from += 20) {
      const edus = twenty(from).map((n) => {
        const messages = { [alice.userId]: { [alice.deviceId]: { n: 1000 + n, text } } };
        const content = { type: 'm.test', messages, sender: `@x${n}:evil.test`, message_id: `${n}` };
        return { edu_type: 'm.direct_to_device', content };
      });
      await evil.send('a.test', [], edus);
      for (const n of from < 300 ? twenty(from) : []) {
        await carol.send('m.test', `${n}`, { [alice.userId]: { '*': { n, text } } });
      }
    }
    await bob.send('m.test', 'last', { [alice.userId]: { '*': { n: -2 } } });
    const kept = world.hs.db
      .prepare<[], number>('SELECT sum(octet_length(content)) FROM to_device')
      .pluck()
      .get() as number;
    assert.ok(kept <= 32 * 1024 * 1024 && kept > 31 * 1024 * 1024, `${kept}`);
    const got: number[] = [];
    for (let some = numbers(await alice.sync()); some.length > 0; some = numbers(await alice.sync())) got.push(...some);
    assert.deepEqual([got[0], got.at(-1)], [-1, -2], 'bob’s are there, the first and the last');
    const ofCarol = got.filter((n) => n >= 0 && n < 1000);
    assert.ok(ofCarol.length > 240 && ofCarol.length < 270, `half of the room each: ${ofCarol.length}`);
    assert.deepEqual(
      ofCarol,
      Array.from({ length: ofCarol.length }, (_, i) => 300 - ofCarol.length + i),
      'the newest',
    );
  });

  it('refuses what is no message', async () => {
    const { world, alice, bob } = await scene();
    await using _ = world;
    const cases: [object, number, string][] = [
      [{}, 400, 'M_MISSING_PARAM'],
      [{ messages: [] }, 400, 'M_BAD_JSON'],
      [{ messages: { [alice.userId]: { '*': 'text' } } }, 400, 'M_BAD_JSON'],
      [{ messages: { [alice.userId]: { '*': { text: 'x'.repeat(66_000) } } } }, 413, 'M_TOO_LARGE'],
    ];
    for (const [body, status, errcode] of cases) {
      const answer = await bob.call('PUT', '/sendToDevice/m.test/1', body);
      assert.deepEqual([answer.status, answer.json.errcode], [status, errcode]);
    }
  });

  it('arrives once and in order per sender, however sending, syncing and lost answers interleave', async () => {
    const step = fc.constantFrom('bob', 'carol', 'sync', 'lost');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { world, alice, bob } = await scene();
        await using _ = world;
        const carol = await TestDevice.register(world, 'carol');
        const sent: Record<string, number> = { [bob.userId]: 0, [carol.userId]: 0 };
        const seen: Record<string, number[]> = { [bob.userId]: [], [carol.userId]: [] };
        const receive = async () => {
          for (const { sender, content } of (await alice.sync()).to_device?.events ?? []) {
            seen[sender as string]?.push(content.n as number);
          }
        };
        await receive();
        for (const [turn, what] of steps.entries()) {
          if (what === 'sync') await receive();
          else if (what === 'lost') {
            const { since } = alice;
            await alice.sync();
            alice.since = since;
          } else {
            const from = what === 'bob' ? bob : carol;
            const n = (sent[from.userId] ?? 0) + 1;
            sent[from.userId] = n;
            await from.send('m.test', `${turn}`, { [alice.userId]: { '*': { n } } });
          }
        }
        await receive();
        for (const [sender, count] of Object.entries(sent)) {
          assert.deepEqual(
            seen[sender],
            Array.from({ length: count }, (_, n) => n + 1),
          );
        }
      }),
      { seed: 11, numRuns: 10 },
    );
  });
});
