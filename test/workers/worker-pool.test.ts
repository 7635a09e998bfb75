import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { CheckpointResult } from '../../src/store/durability/checkpoints.ts';
import { silentLog } from '../../src/util/log.ts';
import { WorkerPool } from '../../src/workers/worker-pool.ts';
import { openTestStore } from '../support/store.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

function openPool() {
  const clock = new FakeClock();
  const pool = new WorkerPool({ clock, log: silentLog });
  return { clock, pool, [Symbol.asyncDispose]: () => pool.close() };
}

describe('WorkerPool', () => {
  it('starts with the first job, does a checkpoint beside the writer, and ends when idle', async () => {
    await using store = openTestStore();
    await using workers = openPool();
    const { pool, clock } = workers;
    assert.equal(pool.running, false);
    store.db.write<void>(() => void store.stores.interning.server('a.test'));
    const results = await Promise.all([pool.run('checkpoint', store.file), pool.run('checkpoint', store.file)]);
    for (const { busy, log, checkpointed } of results)
      assert.deepEqual([busy, log > 0, log === checkpointed], [0, true, true]);
    assert.equal(pool.running, true);
    clock.advance(10_000);
    assert.equal(pool.running, false);
    // The next job starts another thread.
    await pool.run('checkpoint', store.file);
    assert.equal(pool.running, true);
  });

  it("rejects with the job's error and goes on", async () => {
    await using store = openTestStore();
    await using workers = openPool();
    await assert.rejects(workers.pool.run('checkpoint', `${store.file}.missing`), /unable to open|directory/);
    assert.equal((await workers.pool.run('checkpoint', store.file)).busy, 0);
  });

  it('lets the job under way finish when it is closed, and takes no more', async () => {
    await using store = openTestStore();
    const { pool } = openPool();
    const job = pool.run('checkpoint', store.file);
    await pool.close();
    assert.equal((await job).busy, 0);
    await assert.rejects(pool.run('checkpoint', store.file), /closed/);
  });
});

describe('checkpoints', () => {
  const fill = (store: ReturnType<typeof openTestStore>, mib: number) => {
    const put = store.db.prepare<[Buffer], never>('INSERT INTO event_body (format, body) VALUES (0, ?)');
    // Sixteen commits: the WAL's size is looked at that often.
    for (let i = 0; i < 16; i++) store.db.write<void>(() => void put.run(Buffer.alloc(mib * 65_536)));
  };

  it('are asked for when the WAL has grown, once at a time, until all is copied', async () => {
    await using store = openTestStore();
    await using workers = openPool();
    const asked: string[] = [];
    const done: CheckpointResult[] = [];
    store.db.useCheckpointer(async (file) => {
      asked.push(file);
      const result = await workers.pool.run('checkpoint', file);
      done.push(result);
      return result;
    });
    fill(store, 1);
    assert.deepEqual(asked, []);
    fill(store, 5);
    fill(store, 5);
    assert.deepEqual(asked, [store.file]);
    await store.db.close();
    assert.equal(done.at(-1)?.log, done.at(-1)?.checkpointed);
  });

  it('are done by the writer itself beyond the hard bound, so that the WAL cannot grow without end', async () => {
    await using store = openTestStore();
    // A checkpointer that never gets done.
    const nothing: CheckpointResult = { busy: 0, log: 0, checkpointed: 0 };
    const stuck = Promise.withResolvers<CheckpointResult>();
    store.db.useCheckpointer(() => stuck.promise);
    for (let i = 0; i < 5; i++) fill(store, 16);
    stuck.resolve(nothing);
    // Begun anew by the writes after the bound, and cut back.
    assert.ok(statSync(`${store.file}-wal`).size < 32 * 1024 * 1024);
  });
});
