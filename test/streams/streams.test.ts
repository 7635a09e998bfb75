import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { openTestStore, tempFolder } from '../support/store.ts';

function boom(): never {
  throw new Error('boom');
}

describe('Streams', () => {
  it('gives growing positions, and "now" moves only with the commit', async () => {
    await using store = openTestStore();
    const { db, streams } = store;
    const start = streams.now();
    db.write<void>(() => {
      assert.equal(streams.next(), start + 1);
      db.write<void>(() => void streams.next());
      assert.equal(streams.now(), start);
      db.afterCommit(() => assert.equal(streams.now(), start + 2));
    });
    assert.equal(streams.now(), start + 2);
    assert.equal(streams.next(), start + 3);
    assert.equal(streams.now(), start + 3);
  });

  it('never gives a position again that a rollback has left behind', async () => {
    await using store = openTestStore();
    const { db, streams } = store;
    const start = streams.now();
    assert.throws(() => db.write<void>(() => (streams.next(), boom())));
    const next = db.write(() => streams.next());
    assert.equal(next, start + 2);
    assert.equal(streams.now(), next);
  });

  it('hides all positions of a grouped commit until it is done', async () => {
    await using store = openTestStore();
    const { db, streams } = store;
    const start = streams.now();
    const seen: number[] = [];
    await Promise.allSettled(
      [false, true, false].map((fails) =>
        db.durable<void>(() => {
          streams.next();
          seen.push(streams.now());
          if (fails) boom();
        }),
      ),
    );
    assert.deepEqual(seen, [start, start, start]);
    assert.equal(streams.now(), start + 3);
  });

  it('announces nothing at or below a "now" that a reader has been told, whatever happens', async () => {
    await using store = openTestStore();
    const { db, streams } = store;
    const action = fc.record({
      draws: fc.nat(3),
      fails: fc.boolean(),
      kind: fc.constantFrom('memory', 'write', 'nested'),
    });
    fc.assert(
      fc.property(fc.array(action), (actions) => {
        let told = streams.now();
        const visible: number[] = [];
        for (const { draws, fails, kind } of actions) {
          const drawn: number[] = [];
          const draw = () => {
            for (let i = 0; i < draws; i++) drawn.push(streams.next());
            if (fails && kind !== 'memory') boom();
          };
          try {
            if (kind === 'memory') draw();
            else db.write<void>(() => (kind === 'nested' ? db.write<void>(draw) : draw()));
            assert.ok(drawn.every((pos) => pos > told && pos <= streams.now()));
            visible.push(...drawn);
          } catch (error) {
            if (!(error instanceof Error) || error.message !== 'boom') throw error;
          }
          assert.ok(streams.now() >= told);
          told = streams.now();
        }
        assert.deepEqual(
          visible,
          [...new Set(visible)].sort((a, b) => a - b),
        );
      }),
      { seed: 7, numRuns: 50 },
    );
  });

  it('never uses a position twice over restarts, however many were drawn and whether or not they were stored', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'hearth.db');
    let highest = 0;
    for (const draws of [0, 1, 4_999, 5_001, 10_001]) {
      const store = openTestStore({ file });
      for (let i = 0; i < draws; i++) {
        const pos = store.streams.next();
        assert.ok(pos > highest);
        highest = pos;
      }
      // As after kill -9: nothing is written on the way out that says where we were.
      assert.ok(store.stores.positions.reserved() >= highest);
      await store[Symbol.asyncDispose]();
    }
  });

  it('reserves durably before a position is given out, also in the middle of a big transaction', async () => {
    let safe = 0;
    let reserved = () => 0;
    const calls = {
      fdatasync: (_fd: number, done: (error: Error | null) => void) => done(null),
      fdatasyncSync: () => {
        safe = reserved();
      },
    };
    using folder = tempFolder();
    const store = openTestStore({ file: join(folder.path, 'hearth.db'), syncCalls: calls });
    reserved = () => store.stores.positions.reserved();
    await using _ = store;
    const { db, streams } = store;
    db.write<void>(() => {
      for (let i = 0; i < 25_000; i++) streams.next();
      db.afterCommit(() => assert.ok(safe >= streams.now()));
    });
    assert.ok(safe >= streams.now());
    const before = streams.now();
    assert.throws(() =>
      db.write<void>(() => {
        for (let i = 0; i < 25_000; i++) streams.next();
        boom();
      }),
    );
    db.write<void>(() => void streams.next());
    assert.ok(streams.now() > before + 25_000 && safe >= streams.now());
  });

  it('tells nobody a position that a power cut could have given out again, however slow the disk is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat({ max: 9_999 })), async (numbers) => {
        const below = (end: number) => Number(numbers.next().value) % end;
        const disk = new ReservingDisk();
        await using store = openTestStore({ syncCalls: disk });
        const { db, streams } = store;
        disk.begin(() => store.stores.positions.reserved());
        const draw = (count: number) => {
          for (let i = 0; i < count; i++) streams.next();
        };
        for (let step = 0; step < 12; step++) {
          const count = below(7_000);
          const action = below(4);
          if (action === 0) draw(count);
          if (action === 1) db.write<void>(() => draw(count));
          if (action === 2) {
            assert.throws(() =>
              db.write<void>(() => {
                draw(count);
                boom();
              }),
            );
          }
          if (action === 3) await turn();
          if (below(2) === 0) disk.finish();
          assert.ok(streams.now() <= disk.safe, `${streams.now()} was told, ${disk.safe} is safe`);
        }
        disk.release();
      }),
      { seed: 11, numRuns: 40 },
    );
  });

  it('keeps its epoch over restarts', async () => {
    await using store = openTestStore();
    assert.equal(store.streams.epoch, 1);
  });
});

/** Lets everything that is ready run. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A disk that syncs when it is told to, and knows which reservation has survived. */
class ReservingDisk {
  safe = Number.POSITIVE_INFINITY;
  #reserved: () => number = () => Number.POSITIVE_INFINITY;
  readonly #pending: (() => void)[] = [];
  #quick = false;

  begin(reserved: () => number): void {
    this.#reserved = reserved;
    this.safe = reserved();
  }

  fdatasync(_fd: number, done: (error: Error | null) => void): void {
    const reserved = this.#reserved();
    const finish = () => {
      this.safe = Math.max(this.safe, reserved);
      done(null);
    };
    if (this.#quick) finish();
    else this.#pending.push(finish);
  }

  fdatasyncSync(_fd: number): void {
    this.safe = Math.max(this.safe, this.#reserved());
  }

  finish(): void {
    this.#pending.shift()?.();
  }

  release(): void {
    this.#quick = true;
    for (const finish of this.#pending.splice(0)) finish();
  }
}
