import assert from 'node:assert/strict';
import { copyFileSync, fstatSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import Sqlite from 'better-sqlite3';
import { DurabilityLost } from '../../src/store/database/errors.ts';
import type { SyncCalls } from '../../src/store/durability/wal-sync.ts';
import { openTestStore, tempFolder } from '../support/store.ts';

/** A disk that syncs when it is told to. */
class SlowDisk implements SyncCalls {
  readonly pending: ((error: Error | null) => void)[] = [];
  readonly inodes = new Set<number>();
  began = 0;
  onSync: () => void = () => {};
  #quick = false;

  fdatasync(fd: number, done: (error: Error | null) => void): void {
    this.inodes.add(fstatSync(fd).ino);
    this.began++;
    this.onSync();
    if (this.#quick) done(null);
    else this.pending.push(done);
  }

  /** From now on syncs at once: nothing is left to wait for when the database is closed. */
  release(): void {
    this.#quick = true;
    for (const done of this.pending.splice(0)) done(null);
  }

  fdatasyncSync(fd: number): void {
    this.inodes.add(fstatSync(fd).ino);
    this.onSync();
  }

  finish(error: Error | null = null): void {
    this.pending.shift()?.(error);
  }
}

/** Lets everything that is ready run: one turn of the event loop. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function opened(options: { file?: string; onFatal?: (error: Error) => void } = {}) {
  const disk = new SlowDisk();
  const store = openTestStore({ ...options, syncCalls: disk });
  const intern = (name: string) => void store.stores.interning.server(name);
  const answered: string[] = [];
  const send = (name: string) =>
    store.db
      .durable<void>(() => intern(name))
      .then(
        () => void answered.push(name),
        (error: unknown) => void answered.push(error instanceof DurabilityLost ? `${name} lost` : `${name} failed`),
      );
  const end = {
    async [Symbol.asyncDispose]() {
      disk.release();
      await store[Symbol.asyncDispose]();
    },
  };
  return { disk, store, end, db: store.db, send, answered, intern };
}

describe('durable()', () => {
  it('answers after the sync, although the change is visible before', async () => {
    const { disk, store, end, send, answered } = opened();
    await using _ = end;
    const sent = send('a.test');
    await turn();
    assert.notEqual(store.stores.interning.findServer('a.test'), undefined);
    assert.deepEqual([disk.began, answered], [1, []]);
    disk.finish();
    await sent;
    assert.deepEqual(answered, ['a.test']);
  });

  it('wakes nobody before the change is durable and its sender has the answer', async () => {
    const { disk, end, db, send, answered } = opened();
    await using _ = end;
    const seen: string[][] = [];
    db.onCommit(() => seen.push([...answered]));
    const sent = send('a.test');
    await turn();
    assert.deepEqual(seen, []);
    disk.finish();
    await sent;
    await turn();
    assert.deepEqual(seen, [['a.test']]);
    db.write<void>(() => {});
    assert.equal(seen.length, 2);
  });

  it('shares one sync among those who wait, and has who comes during a sync wait for the next', async () => {
    const { disk, end, send, answered } = opened();
    await using _ = end;
    const first = [send('a.test'), send('b.test')];
    await turn();
    const second = [send('c.test'), send('d.test')];
    await turn();
    assert.equal(disk.began, 1);
    disk.finish();
    await Promise.all(first);
    assert.deepEqual(answered, ['a.test', 'b.test']);
    assert.equal(disk.began, 2);
    disk.finish();
    await Promise.all(second);
    assert.deepEqual(answered, ['a.test', 'b.test', 'c.test', 'd.test']);
    assert.equal(disk.began, 2);
  });

  it('never reports success again after a failed sync', async () => {
    const fatal: Error[] = [];
    const { disk, end, db, send, answered, intern } = opened({ onFatal: (error) => fatal.push(error) });
    const first = send('a.test');
    await turn();
    const second = send('b.test');
    await turn();
    disk.finish(new Error('EIO'));
    await Promise.all([first, second]);
    await send('c.test');
    assert.deepEqual(answered, ['a.test lost', 'b.test lost', 'c.test lost']);
    assert.throws(() => db.write<void>(() => intern('d.test')), DurabilityLost);
    await assert.rejects(db.synced(), DurabilityLost);
    assert.deepEqual(
      fatal.map((error) => error instanceof DurabilityLost),
      [true],
    );
    // Nor when it is closed: whoever ends the process has to know that something may be lost.
    await assert.rejects(end[Symbol.asyncDispose](), DurabilityLost);
    assert.throws(() => db.write<void>(() => intern('e.test')));
  });

  it('syncs the -wal file and nothing else', async () => {
    const { disk, store, end, send } = opened();
    await using _ = end;
    const sent = send('a.test');
    await turn();
    disk.finish();
    await sent;
    assert.deepEqual([...disk.inodes], [statSync(`${store.file}-wal`).ino]);
  });
});

describe('synced()', () => {
  it('waits for what was committed before the call, by whatever write', async () => {
    const { disk, end, db, intern } = opened();
    await using _ = end;
    await db.synced();
    assert.equal(disk.began, 0);
    db.write<void>(() => intern('a.test'));
    const synced = db.synced();
    db.write<void>(() => intern('b.test'));
    disk.finish();
    await synced;
    const again = db.synced();
    disk.finish();
    await again;
    assert.equal(disk.began, 2);
    await db.synced();
    assert.equal(disk.began, 2);
  });
});

describe('syncAtCommit()', () => {
  it('makes the commit safe before its followers run, and only that one', async () => {
    const { disk, end, db, intern } = opened();
    await using _ = end;
    const seen: string[] = [];
    disk.onSync = () => seen.push('sync');
    db.write<void>(() => {
      db.afterCommit(() => seen.push('follower'));
      db.syncAtCommit();
      intern('a.test');
    });
    db.write<void>(() => intern('b.test'));
    assert.deepEqual(seen, ['sync', 'follower']);
  });
});

describe('a power cut', () => {
  it('loses nothing that was answered: the -wal as of the last sync holds it', async () => {
    using folder = tempFolder();
    const file = join(folder.path, 'hearth.db');
    const copy = join(folder.path, 'copy.db');
    await openTestStore({ file })[Symbol.asyncDispose]();
    // Taken while nobody has it open: closing a copy's descriptor would drop SQLite's locks.
    copyFileSync(file, copy);
    const { disk, store, end, db } = opened({ file });
    await using _ = end;
    const { interning } = store.stores;
    const promised: string[] = [];
    disk.onSync = () => copyFileSync(`${file}-wal`, `${copy}-wal`);
    for (let round = 0; round < 5; round++) {
      const names = [0, 1, 2].map((n) => `${round}-${n}.test`);
      const sent = names.map((name) => db.durable<void>(() => void interning.server(name)));
      await turn();
      disk.finish();
      await Promise.all(sent);
      promised.push(...names);
      // What is written after the sync, and never promised, may be lost.
      db.write<void>(() => void interning.server(`${round}-unsafe.test`));
    }
    const after = new Sqlite(copy);
    const kept = new Set(after.prepare('SELECT name FROM server').pluck().all());
    after.close();
    assert.deepEqual(
      promised.filter((name) => !kept.has(name)),
      [],
    );
    assert.ok(!kept.has('4-unsafe.test'));
    disk.onSync = () => {};
  });
});
