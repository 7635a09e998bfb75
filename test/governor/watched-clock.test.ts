import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WatchedClock } from '../../src/governor/watched-clock.ts';
import { millis } from '../../src/util/brand.ts';
import type { Log } from '../../src/util/log.ts';
import { openTestStore, type TestStore } from '../support/store.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const built = Date.UTC(2026, 10, 1);

function open({ db, stores, clock }: TestStore, isSynchronised = () => false) {
  const events: string[] = [];
  const note = (event: string) => void events.push(event);
  const log: Log = { debug: note, info: note, warn: note, error: note, child: () => log };
  const watched = new WatchedClock({ ...stores, db, clock, built: millis(built), isSynchronised, log });
  watched.start();
  return { watched, events };
}

describe('a clock', () => {
  it('is right from the moment on at which the program was built, give or take a minute', async () => {
    await using store = openTestStore();
    for (const [time, isRight] of [
      [0, false],
      [built - minute - 1, false],
      [built - minute, true],
      [built, true],
      [built + 1000 * day, true],
    ] as const) {
      store.clock.set(time);
      const { watched } = open(store);
      assert.deepEqual([watched.isRight, watched.now()], [isRight, isRight ? time : built]);
    }
  });

  it('that was right when something was written is wrong before that; time stands still until it is right', async () => {
    await using store = openTestStore();
    const first = open(store);
    const seen = store.clock.now();
    assert.deepEqual(first.events, []);
    first.watched.stop();
    store.clock.set(seen - 2 * day);
    const { watched, events } = open(store);
    assert.deepEqual([watched.isRight, watched.now(), events], [false, seen, ['clock.wrong']]);
    store.clock.advance(day);
    assert.deepEqual([watched.isRight, watched.now(), events], [false, seen, ['clock.wrong']]);
    let begun = 0;
    watched.whenRight(() => begun++);
    assert.equal(begun, 0);
    store.clock.set(seen + 7 * day);
    assert.equal(watched.now(), seen + 7 * day, 'at once');
    store.clock.advance(2_000);
    assert.deepEqual([watched.isRight, events, begun], [true, ['clock.wrong', 'clock.right'], 1]);
    watched.whenRight(() => begun++);
    assert.equal(begun, 2);
    watched.stop();
    assert.equal(store.clock.pendingTimers, 0);
  });

  it('leaves its mark each minute in which something was written, and no other', async () => {
    await using store = openTestStore();
    const { db, stores, clock } = store;
    open(store);
    const start = clock.now();
    const write = () => db.write<void>(() => void stores.interning.user(`@u${clock.now()}:a.test` as never));
    clock.advance(minute);
    const first = stores.clockMark.read();
    assert.equal(first, start, 'a new database is marked at once');
    write();
    clock.advance(minute);
    assert.equal(stores.clockMark.read(), start + 2 * minute);
    clock.advance(10 * minute);
    assert.equal(stores.clockMark.read(), start + 2 * minute);
    write();
    clock.advance(minute);
    assert.equal(stores.clockMark.read(), start + 13 * minute);
  });

  it('that is set back while the server runs is wrong too, but for the little that time servers correct', async () => {
    await using store = openTestStore();
    const { watched, events } = open(store);
    const now = store.clock.now();
    store.clock.set(now - 30_000);
    assert.deepEqual([watched.isRight, watched.now()], [true, now - 30_000]);
    store.clock.set(now - day);
    store.clock.advance(minute);
    assert.deepEqual([watched.isRight, events], [false, ['clock.wrong']]);
  });

  it('is believed where the system has synchronised it, though something was written at a later time', async () => {
    await using store = openTestStore();
    open(store).watched.stop();
    const wrong = store.clock.now();
    store.clock.set(wrong - 3 * day);
    let isSynchronised = false;
    const { watched, events } = open(store, () => isSynchronised);
    assert.equal(watched.isRight, false);
    isSynchronised = true;
    store.clock.advance(2_000);
    assert.deepEqual([watched.isRight, events], [true, ['clock.wrong', 'clock.right']]);
    assert.equal(store.stores.clockMark.read(), wrong - 3 * day + 2_000);
  });

  it('is believed where the admin says so, but never before the program was built', async () => {
    await using store = openTestStore();
    open(store).watched.stop();
    store.clock.set(built - day);
    const { watched } = open(store, () => true);
    assert.deepEqual([watched.isRight, watched.trust(), watched.isRight], [false, false, false]);
    store.clock.set(built + day);
    assert.deepEqual([watched.isRight, watched.trust(), watched.isRight], [false, true, true]);
    watched.stop();
    assert.equal(open(store).watched.isRight, true);
  });
});
