import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Reachability } from '../../src/federation/reachability.ts';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { millis } from '../../src/util/brand.ts';
import { silentLog } from '../../src/util/log.ts';
import { openTestStore } from '../support/store.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const b = asServerName('b.test');

function world() {
  const store = openTestStore();
  const { db, clock, random, stores } = store;
  const retry = { min: millis(minute), max: millis(day) };
  const open = () => new Reachability({ ...stores, db, clock, random, log: silentLog, retry });
  return { store, clock, open, reach: open(), [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe('back-off of a server that does not answer', () => {
  it('doubles from retry_min to retry_max, and ends a little early by chance', async () => {
    await using w = world();
    const waits: number[] = [];
    for (let i = 0; i < 14; i++) {
      w.reach.failed(b);
      const wait = (w.reach.retryAt(b) ?? 0) - w.clock.now();
      const whole = Math.min(day, minute * 2 ** i);
      assert.ok(wait <= whole && wait >= 0.8 * whole, `${wait} of ${whole}`);
      waits.push(wait / whole);
      w.clock.advance(wait - 1);
      assert.equal(w.reach.isDown(b), true);
      w.clock.advance(1);
      assert.equal(w.reach.isDown(b), false);
    }
    assert.ok(new Set(waits).size > 10);
  });

  it('counts failures at the same time once', async () => {
    await using w = world();
    for (let i = 0; i < 10; i++) w.reach.failed(b);
    assert.ok((w.reach.retryAt(b) ?? 0) <= w.clock.now() + minute);
  });

  it('survives a restart', async () => {
    await using w = world();
    w.reach.failed(b);
    const at = w.reach.retryAt(b);
    assert.equal(w.open().retryAt(b), at);
    w.clock.advance(minute);
    const again = w.open();
    again.failed(b);
    assert.ok((again.retryAt(b) ?? 0) > w.clock.now() + minute);
  });

  for (const how of ['succeeded', 'heardFrom'] as const) {
    it(`ends when it has ${how === 'succeeded' ? 'answered' : 'called'}, and who waits for that is told once`, async () => {
      await using w = world();
      const told: string[] = [];
      w.reach.onUp((server) => told.push(server));
      w.reach[how](b);
      assert.deepEqual(told, []);
      w.reach.failed(b);
      w.clock.advance(minute);
      w.reach.failed(b);
      w.reach[how](b);
      w.reach[how](b);
      assert.deepEqual(told, ['b.test']);
      assert.equal(w.reach.isDown(b), false);
      w.reach.failed(b);
      assert.ok((w.reach.retryAt(b) ?? 0) <= w.clock.now() + minute);
    });
  }

  it('does not end at every call of a server that cannot be called', async () => {
    await using w = world();
    let tries = 0;
    w.reach.onUp(() => {
      tries++;
      w.reach.failed(b);
    });
    w.reach.failed(b);
    for (let i = 0; i < 100; i++) w.reach.heardFrom(b);
    assert.equal(tries, 3);
    assert.equal(w.reach.isDown(b), true);
    w.clock.advance(minute);
    w.reach.heardFrom(b);
    assert.equal(tries, 4);
  });

  it('is not the fault of those that failed while our own line was cut', async () => {
    await using w = world();
    const servers = Array.from({ length: 10 }, (_, i) => asServerName(`s${i}.test`));
    const dead = asServerName('dead.test');
    w.reach.failed(dead);
    w.clock.advance(10 * minute);
    w.reach.succeeded(b);
    w.clock.advance(hour);
    for (let i = 0; i < 5; i++) {
      for (const server of [...servers, dead]) w.reach.failed(server);
      w.clock.advance(hour);
    }
    for (const server of [...servers, dead]) w.reach.failed(server);
    const told: string[] = [];
    w.reach.onUp((server) => told.push(server));
    w.reach.heardFrom(b);
    assert.deepEqual(told.sort(), servers);
    assert.deepEqual(
      servers.filter((server) => w.reach.isDown(server)),
      [],
    );
    assert.equal(w.reach.isDown(dead), true);
  });

  it('is not ended again and again for servers that are gone while others answer', async () => {
    await using w = world();
    const gone = ['c.test', 'd.test', 'e.test', 'f.test'].map((name) => asServerName(name));
    let tries = 0;
    // As a queue does it: what is worth another try is tried.
    w.reach.onUp((server) => {
      tries++;
      w.reach.failed(server);
    });
    for (let i = 0; i < 20; i++) {
      for (const server of gone) w.reach.failed(server);
      w.reach.succeeded(b);
      w.clock.advance(1000);
    }
    assert.equal(tries, gone.length);
    assert.ok(gone.every((server) => w.reach.isDown(server)));
  });

  it('stays when only one or two fail while others have nothing to say', async () => {
    await using w = world();
    const [c, d] = [asServerName('c.test'), asServerName('d.test')];
    w.reach.failed(c);
    w.reach.failed(d);
    w.reach.succeeded(b);
    assert.deepEqual([w.reach.isDown(c), w.reach.isDown(d)], [true, true]);
  });

  it('does not last for years because the clock was wrong when it began', async () => {
    await using w = world();
    w.clock.set(Date.UTC(2036, 0, 1));
    w.reach.failed(b);
    assert.equal(w.reach.isDown(b), true);
    w.clock.set(Date.UTC(2026, 10, 21));
    assert.equal(w.reach.isDown(b), false);
  });
});

describe('what is known of other servers', () => {
  it('is when they last answered, to a quarter of an hour', async () => {
    await using w = world();
    assert.equal(w.reach.lastAnswered(b), undefined);
    w.reach.succeeded(b);
    const first = w.clock.now();
    w.clock.advance(10 * minute);
    w.reach.succeeded(b);
    assert.equal(w.reach.lastAnswered(b), first);
    w.clock.advance(5 * minute);
    w.reach.succeeded(b);
    assert.equal(w.reach.lastAnswered(b), w.clock.now());
    w.reach.failed(b);
    assert.equal(w.reach.lastAnswered(b), w.clock.now());
  });

  it('is forgotten: after a day if they never answered, else after three months', async () => {
    await using w = world();
    const c = asServerName('c.test');
    w.reach.failed(b);
    w.reach.succeeded(c);
    const known = () =>
      [b, c]
        .map((server) => w.store.stores.interning.findServer(server))
        .map((nid) => nid !== undefined && w.store.stores.remoteServers.get(nid) !== undefined);
    assert.deepEqual(known(), [true, true]);
    w.clock.advance(day + hour);
    assert.equal(w.reach.forgetSome(100), false);
    assert.deepEqual(known(), [false, true]);
    w.clock.advance(90 * day);
    w.reach.forgetSome(100);
    assert.deepEqual(known(), [false, false]);
  });
});
