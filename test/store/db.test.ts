import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { openTestStore } from '../support/store.ts';

/** A table of its own for what these tests write. */
function opened() {
  const store = openTestStore();
  const put = store.db.prepare<[string], never>("INSERT INTO meta (key, value) VALUES (?, 'x')");
  const keys = store.db.prepare<[], string>("SELECT key FROM meta WHERE value = 'x' ORDER BY key").pluck();
  return { store, db: store.db, put: (key: string) => put.run(key), keys: () => keys.all() };
}

function boom(): never {
  throw new Error('boom');
}

describe('Database.write', () => {
  it('commits what the callback did and returns its value', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    assert.equal(
      db.write(() => {
        put('a');
        return 7;
      }),
      7,
    );
    assert.deepEqual(keys(), ['a']);
    assert.equal(db.inTransaction, false);
  });

  it('rolls back on a throw, which goes on to the caller', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    assert.throws(
      () =>
        db.write(() => {
          put('a');
          boom();
        }),
      /boom/,
    );
    assert.deepEqual(keys(), []);
    assert.equal(db.inTransaction, false);
  });

  it('makes a nested write a savepoint: its throw undoes only its own changes', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    db.write<void>(() => {
      put('outer');
      assert.throws(() =>
        db.write<void>(() => {
          put('inner');
          db.write<void>(() => void put('innermost'));
          boom();
        }),
      );
      db.write<void>(() => void put('second'));
    });
    assert.deepEqual(keys(), ['outer', 'second']);
  });

  it('refuses a callback that returns a promise, by type and when it runs', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    assert.throws(
      () =>
        // @ts-expect-error a transaction cannot wait
        db.write(() => {
          put('a');
          return Promise.resolve();
        }),
      /must not return a promise/,
    );
    assert.deepEqual(keys(), []);
  });

  it('refuses a writing statement outside of a transaction', async () => {
    const { store, put } = opened();
    await using _ = store;
    assert.throws(() => put('a'), /outside of a transaction/);
  });

  it('refuses a writing statement inside of a read, whose commit nobody would notice', async () => {
    const { store, db, put } = opened();
    await using _ = store;
    assert.throws(() => db.read<void>(() => void put('a')), /outside of a transaction/);
    assert.equal(
      db.read(() => 1),
      1,
    );
  });

  it('runs follow-ups after the outermost commit, those of a rolled-back savepoint never', async () => {
    const { store, db } = opened();
    await using _ = store;
    const seen: string[] = [];
    db.onCommit(() => seen.push('finished'));
    db.write<void>(() => {
      db.afterCommit(() => seen.push('first'));
      db.afterRollback(() => seen.push('first undone'));
      assert.throws(() =>
        db.write<void>(() => {
          db.afterCommit(() => seen.push('lost'));
          db.afterRollback(() => seen.push('undone 1'));
          db.write<void>(() => db.afterRollback(() => seen.push('undone 2')));
          boom();
        }),
      );
      db.write<void>(() => db.afterCommit(() => seen.push(`inner ${db.inTransaction}`)));
      seen.push('end of callback');
    });
    assert.deepEqual(seen, ['undone 2', 'undone 1', 'end of callback', 'first', 'inner false', 'finished']);
  });

  it('runs every follow-up even if one throws', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    const seen: string[] = [];
    db.write<void>(() => {
      put('a');
      db.afterCommit(boom);
      db.afterCommit(() => seen.push('second'));
    });
    assert.deepEqual([keys(), seen], [['a'], ['second']]);
  });

  it('lets a follow-up write', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    db.write<void>(() => {
      put('a');
      db.afterCommit(() => db.write<void>(() => void put('b')));
    });
    assert.deepEqual(keys(), ['a', 'b']);
  });

  it('refuses follow-ups outside of a transaction', async () => {
    const { store, db } = opened();
    await using _ = store;
    assert.throws(() => db.afterCommit(() => {}), /not inside/);
    assert.throws(() => db.afterRollback(() => {}), /not inside/);
    assert.throws(() => db.syncAtCommit(), /not inside/);
  });

  it('keeps exactly what no throw has undone, however savepoints nest', async () => {
    type Step = { key: number; children: Step[]; fails: boolean };
    const { tree } = fc.letrec<{ tree: Step }>((tie) => ({
      tree: fc.record({
        key: fc.nat(1_000_000_000),
        children: fc.oneof({ depthSize: 'small' }, fc.constant<Step[]>([]), fc.array(tie('tree'), { maxLength: 3 })),
        fails: fc.boolean(),
      }),
    }));
    const { store, db, put, keys } = opened();
    await using _ = store;
    const wipe = db.prepare<[], never>("DELETE FROM meta WHERE value = 'x'");
    fc.assert(
      fc.property(tree, (root) => {
        db.write<void>(() => void wipe.run());
        let number = 0;
        const apply = (step: Step): string[] => {
          try {
            return db.write(() => {
              const key = `${step.key}/${number++}`;
              put(key);
              const kept = [key, ...step.children.flatMap(apply)];
              if (step.fails) boom();
              return kept;
            });
          } catch {
            return [];
          }
        };
        const kept = apply(root).sort();
        assert.deepEqual(keys(), kept);
      }),
      { seed: 1, numRuns: 60 },
    );
  });
});

describe('Database.durable', () => {
  it('runs the jobs that wait in one transaction, in the order of the calls', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    const before = db.transactionCount;
    const order: number[] = [];
    const results = await Promise.all(
      [0, 1, 2, 3, 4].map((n) =>
        db.durable(() => {
          put(`job ${n}`);
          order.push(n);
          return n * n;
        }),
      ),
    );
    assert.deepEqual(results, [0, 1, 4, 9, 16]);
    assert.deepEqual(order, [0, 1, 2, 3, 4]);
    assert.equal(keys().length, 5);
    assert.equal(db.transactionCount, before + 1);
  });

  it('undoes only the job that throws', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    const before = db.transactionCount;
    const outcomes = await Promise.allSettled(
      ['a', 'b', 'c'].map((key) =>
        db.durable<void>(() => {
          put(key);
          if (key === 'b') boom();
        }),
      ),
    );
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(keys(), ['a', 'c']);
    assert.equal(db.transactionCount, before + 1);
  });

  it('keeps the order of the calls and isolates throws for any mix of jobs', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    const wipe = db.prepare<[], never>("DELETE FROM meta WHERE value = 'x'");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), async (plan) => {
        db.write<void>(() => void wipe.run());
        const order: number[] = [];
        const outcomes = await Promise.allSettled(
          plan.map((fails, n) =>
            db.durable(() => {
              order.push(n);
              put(String(n).padStart(2, '0'));
              if (fails) boom();
              return n;
            }),
          ),
        );
        assert.deepEqual(order, [...plan.keys()]);
        const kept = [...plan.keys()].filter((n) => plan[n] === false);
        assert.deepEqual(
          outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : [])),
          kept,
        );
        assert.deepEqual(
          keys(),
          kept.map((n) => String(n).padStart(2, '0')),
        );
      }),
      { seed: 2, numRuns: 30 },
    );
  });

  it('refuses the whole group if SQLite itself has rolled it back in the middle, and goes on with the next', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    // As a full disk does it.
    const fatal = db.prepare<[], never>("INSERT OR ROLLBACK INTO meta (key, value) VALUES ('epoch', 1)");
    const drawn: number[] = [];
    const undone: string[] = [];
    const job = (key: string, also: () => void = () => undefined) =>
      db.durable(() => {
        db.afterRollback(() => undone.push(key));
        drawn.push(store.streams.next());
        put(key);
        also();
        return key;
      });
    const first = [job('a'), job('b', () => void fatal.run()), job('c')];
    const outcomes = await Promise.allSettled(first);
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status),
      ['rejected', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(undone, ['b', 'a']);
    assert.deepEqual(keys(), ['c']);
    assert.equal(await job('d'), 'd');
    assert.deepEqual(keys(), ['c', 'd']);
    assert.deepEqual(
      drawn,
      [...new Set(drawn)].sort((a, b) => a - b),
      'no position is given out twice',
    );
    assert.ok(store.stores.positions.reserved() >= (drawn.at(-1) ?? 0));
  });

  it('does not let a job swallow that the transaction is gone', async () => {
    const { store, db, put, keys } = opened();
    await using _ = store;
    const fatal = db.prepare<[], never>("INSERT OR ROLLBACK INTO meta (key, value) VALUES ('epoch', 1)");
    const swallowing = db.durable<void>(() => {
      put('a');
      assert.throws(() => fatal.run());
    });
    await assert.rejects(swallowing);
    assert.deepEqual(keys(), []);
  });

  it('refuses a job that returns a promise', async () => {
    const { store, db } = opened();
    await using _ = store;
    await assert.rejects(
      // @ts-expect-error a transaction cannot wait
      db.durable(() => Promise.resolve(1)),
      /must not return a promise/,
    );
  });

  it('runs what still waits when the database is closed', async () => {
    const { store, db, put } = opened();
    await using _ = store;
    const job = db.durable<void>(() => void put('last'));
    await db.close();
    await job;
  });

  it('runs it however long it takes, and takes nothing more', async () => {
    const { store, db, put } = opened();
    await using _ = store;
    const jobs = ['a', 'b', 'c', 'd'].map((key) =>
      db.durable(() => {
        put(key);
        store.clock.advance(1000);
        return key;
      }),
    );
    await db.close();
    assert.deepEqual(await Promise.all(jobs), ['a', 'b', 'c', 'd']);
    await assert.rejects(db.durable<void>(() => put('late')));
  });
});

describe('Database', () => {
  it('is a WAL database with incremental vacuum, small pages and our application id', async () => {
    const { store, db } = opened();
    await using _ = store;
    const pragma = (name: string) => db.write(() => db.prepare<[], string | number>(`PRAGMA ${name}`).pluck().get());
    const found = Object.fromEntries(
      [
        'journal_mode',
        'auto_vacuum',
        'page_size',
        'synchronous',
        'foreign_keys',
        'application_id',
        'wal_autocheckpoint',
      ].map((name) => [name, pragma(name)]),
    );
    assert.deepEqual(found, {
      journal_mode: 'wal',
      auto_vacuum: 2,
      page_size: 4096,
      synchronous: 1,
      foreign_keys: 0,
      application_id: 0x48727468,
      wal_autocheckpoint: 0,
    });
  });

  it('gives free pages back in slices', async () => {
    const { store, db } = opened();
    await using _ = store;
    const put = db.prepare<[number, Buffer], never>('INSERT INTO event_body (nid, format, body) VALUES (?, 0, ?)');
    const wipe = db.prepare<[], never>('DELETE FROM event_body');
    db.write<void>(() => {
      for (let nid = 1; nid <= 100; nid++) put.run(nid, Buffer.alloc(4000));
    });
    db.write<void>(() => void wipe.run());
    const free = db.vacuumSome(0);
    assert.ok(free >= 100);
    assert.equal(db.vacuumSome(30), free - 30);
    assert.equal(db.vacuumSome(10_000), 0);
    db.optimize();
    db.shrinkMemory(1024);
  });
});
