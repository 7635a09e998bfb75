import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Database } from '../../src/store/db.ts';
import { openTestStore } from '../support/store.ts';

/** Statements over one table, counted. */
function statements(db: Database) {
  const list = 'SELECT room, pos FROM receipt WHERE room = ? AND pos > ? AND pos <= ? ORDER BY pos';
  type Row = { room: number; pos: number };
  const all = 'SELECT pos FROM receipt WHERE room = ? ORDER BY pos';
  let asked = 0;
  db.timeQueries(() => asked++);
  return {
    plain: db.prepare<[number, number, number], Row>(list),
    stretch: db.rememberStretch<[number, number, number], Row>(list, { keys: 1 }),
    large: db.rememberStretch<[number, number, number], Row>(list, { keys: 1, large: true }),
    remembered: db.remember<[number], { pos: number }>(all),
    put: db.prepare<[number, number, number], never>(
      'INSERT OR REPLACE INTO receipt (room, user, kind, thread, event, ts, pos) VALUES (?, ?, 1, 0, 1, 1, ?)',
    ),
    remove: db.prepare<[number], never>('DELETE FROM receipt WHERE pos = ?'),
    /** How many statements `fn` takes. */
    cost: (fn: () => void): number => {
      const before = asked;
      fn();
      return asked - before;
    },
  };
}

describe('a statement that remembers', () => {
  it('reads once until its table is written to, by whichever statement', async () => {
    await using store = openTestStore();
    const { remembered, put, remove, cost } = statements(store.db);
    const read = () => remembered.all(1).map(({ pos }) => pos);
    assert.deepEqual(read(), []);
    assert.equal(cost(read), 0);
    store.db.write<void>(() => void put.run(1, 1, 5));
    assert.deepEqual(read(), [5]);
    assert.equal(remembered.get(1)?.pos, 5);
    assert.equal(cost(read), 0);
    store.db.write<void>(() => void remove.run(5));
    assert.deepEqual(read(), []);
  });

  it('tells all rows also where only the first was asked for before', async () => {
    await using store = openTestStore();
    const { remembered, put } = statements(store.db);
    store.db.write<void>(() => {
      put.run(1, 1, 5);
      put.run(1, 2, 6);
    });
    assert.equal(remembered.get(1)?.pos, 5);
    assert.equal(remembered.all(1).length, 2);
  });

  it('is not disturbed by a statement that changes nothing', async () => {
    await using store = openTestStore();
    const { remembered, remove, cost } = statements(store.db);
    remembered.all(1);
    store.db.write<void>(() => void remove.run(99));
    assert.equal(
      cost(() => remembered.all(1)),
      0,
    );
  });

  it('sees inside a write what the write has done, and nothing of it after a rollback, whole or in part', async () => {
    await using store = openTestStore();
    const { remembered, put } = statements(store.db);
    const read = () => remembered.all(1).map(({ pos }) => pos);
    const refused = (then: () => void) => {
      put.run(1, 1, 7);
      assert.deepEqual(read(), [7]);
      then();
      throw new Error('no');
    };
    assert.throws(() => store.db.write<void>(() => refused(() => {})), /no/);
    assert.deepEqual(read(), []);
    store.db.write<void>(() => {
      assert.throws(() => store.db.write<void>(() => refused(() => {})), /no/);
      assert.deepEqual(read(), []);
    });
  });

  it('keeps nothing of a long answer', async () => {
    await using store = openTestStore();
    const { remembered, put, cost } = statements(store.db);
    store.db.write<void>(() => {
      for (let user = 1; user <= 100; user++) put.run(1, user, user);
    });
    assert.equal(remembered.all(1).length, 100);
    assert.equal(
      cost(() => assert.equal(remembered.all(1).length, 100)),
      1,
    );
  });
});

describe('a stretch of the stream', () => {
  it('behind the last row costs nothing, however far the stream has gone on', async () => {
    await using store = openTestStore();
    const { stretch, large, put, cost } = statements(store.db);
    store.db.write<void>(() => void put.run(1, 1, 5));
    for (const each of [stretch, large]) {
      assert.equal(each.all(1, 0, 10).length, 1);
      assert.equal(each.all(1, 10, 20).length, 0);
      assert.equal(
        cost(() => {
          for (let pos = 20; pos < 100; pos += 10) each.all(1, pos, pos + 10);
        }),
        0,
      );
      assert.equal(each.all(1, 0, 100).length, 1);
    }
  });

  it('tells what lies beyond what was asked for before', async () => {
    await using store = openTestStore();
    const { stretch, put } = statements(store.db);
    store.db.write<void>(() => void put.run(1, 1, 50));
    assert.equal(stretch.all(1, 0, 10).length, 0);
    assert.equal(stretch.all(1, 10, 60).length, 1);
  });

  it('is what a plain statement answers, whatever is written and taken back', async () => {
    await using store = openTestStore();
    const { plain, stretch, large, put, remove } = statements(store.db);
    const small = fc.integer({ min: 0, max: 12 });
    const step = fc.record({
      what: fc.constantFrom('put', 'remove', 'take back', 'read', 'read', 'read'),
      room: fc.integer({ min: 1, max: 2 }),
      a: small,
      b: small,
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        for (const { what, room, a, b } of steps) {
          if (what === 'read') {
            const expected = plain.all(room, a, b);
            for (const each of [stretch, large]) assert.deepEqual([...each.all(room, a, b)], expected);
          } else {
            try {
              store.db.write<void>(() => {
                if (what === 'remove') remove.run(a);
                else put.run(room, b, a);
                if (what !== 'take back') return;
                assert.deepEqual([...stretch.all(room, 0, 20)], plain.all(room, 0, 20));
                throw new RangeError('taken back');
              });
            } catch (error) {
              if (!(error instanceof RangeError)) throw error;
            }
          }
        }
      }),
      { seed: 43, numRuns: 200 },
    );
  });
});
