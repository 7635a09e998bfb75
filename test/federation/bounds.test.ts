import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { rememberingDns } from '../../src/federation/discovery/dns-memory.ts';
import { srvOrder } from '../../src/federation/discovery/srv.ts';
import { FetchMemory } from '../../src/federation/keys/fetch-memory.ts';
import { Lanes } from '../../src/federation/lanes.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { fakeDns } from '../support/federation/https-net.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

describe('what is remembered of other servers in memory', () => {
  it('is bounded for those that gave no keys', () => {
    const memory = new FetchMemory(new FakeClock());
    for (let i = 0; i < 10_000; i++) {
      const server = asServerName(`s${i}.test`);
      assert.equal(memory.mayAsk(server, false), true);
      memory.failed(server);
    }
    assert.ok(memory.size <= 2048);
    const last = asServerName('s9999.test');
    assert.deepEqual([memory.mayAsk(last, false), memory.mayAsk(last, true)], [false, true]);
  });

  it('is what name servers said within the last minute, of a few hundred names', async () => {
    const clock = new FakeClock();
    const names = Array.from({ length: 1000 }, (_, i) => `s${i}.test`);
    const dns = fakeDns(Object.fromEntries(names.map((name) => [name, ['192.0.2.1']])));
    const remembering = rememberingDns(dns, clock);
    for (let i = 0; i < 3; i++) assert.deepEqual(await remembering.addresses('s0.test'), ['192.0.2.1']);
    await assert.rejects(remembering.addresses('no.test'));
    await assert.rejects(remembering.addresses('no.test'));
    assert.deepEqual(dns.asked, ['s0.test', 'no.test', 'no.test']);
    clock.advance(60_000);
    await remembering.addresses('s0.test');
    for (const name of names) await remembering.addresses(name);
    await remembering.addresses('s0.test');
    assert.equal(dns.asked.filter((name) => name === 's0.test').length, 3);
  });
});

describe('lanes', () => {
  it('never let in more than they may, and nobody is forgotten', async () => {
    const steps = fc.array(
      fc.record({ key: fc.integer({ min: 0, max: 4 }), leave: fc.boolean(), abort: fc.boolean() }),
      {
        maxLength: 60,
      },
    );
    await fc.assert(
      fc.asyncProperty(steps, async (given) => {
        const lanes = new Lanes<number>(2, 5, 20);
        const inside: { key: number; leave: () => void }[] = [];
        let entered = 0;
        let refused = 0;
        for (const { key, leave, abort } of given) {
          const controller = new AbortController();
          void lanes.enter(key, controller.signal).then((way) => {
            if (way === undefined) refused++;
            else {
              entered++;
              inside.push({ key, leave: way });
            }
          });
          if (abort) controller.abort();
          await Promise.resolve();
          if (leave) inside.shift()?.leave();
          await Promise.resolve();
          assert.ok(inside.length <= 5);
          for (const one of inside) assert.ok(inside.filter(({ key }) => key === one.key).length <= 2);
        }
        while (inside.length > 0) {
          inside.shift()?.leave();
          await new Promise(setImmediate);
        }
        assert.equal(entered + refused, given.length);
      }),
      { seed: 7, numRuns: 60 },
    );
  });
});

describe('the places of a service', () => {
  it('come by priority, each once, and by weight among equals', () => {
    const at = (name: string, priority: number, weight: number) => ({ name, port: 1, priority, weight });
    const records = [at('c', 2, 0), at('heavy', 1, 90), at('light', 1, 10), at('none', 1, 0), at('.', 0, 0)];
    const random = new SeededRandom();
    const first: Record<string, number> = {};
    for (let i = 0; i < 1000; i++) {
      const names = srvOrder(records, random).map(({ name }) => name);
      assert.deepEqual([...names].sort(), ['c', 'heavy', 'light', 'none']);
      assert.equal(names.at(-1), 'c');
      const [name = ''] = names;
      first[name] = (first[name] ?? 0) + 1;
    }
    assert.ok(
      (first['heavy'] ?? 0) > 800 && (first['light'] ?? 0) > 50 && (first['none'] ?? 0) < 50,
      JSON.stringify(first),
    );
  });

  it('are eight at most', () => {
    const records = Array.from({ length: 50 }, (_, i) => ({ name: `s${i}`, port: 1, priority: 0, weight: 1 }));
    assert.equal(srvOrder(records, new SeededRandom()).length, 8);
  });
});
