import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { describe, it } from 'node:test';
import Sqlite from 'better-sqlite3';
import type { Log } from '../../src/util/log.ts';
import { silentLog } from '../../src/util/log.ts';
import { openTestStore } from '../support/store.ts';

const megabyte = 1024 * 1024;
const piece = megabyte / 8;

describe('a write-ahead log that somebody reads from an old place', () => {
  it('holds the writer up once in a while, not at each commit, and is folded in when the reader has gone', async () => {
    const tries: unknown[] = [];
    const warn: Log['warn'] = (event, fields) => void (event === 'store.blocking_checkpoint' && tries.push(fields));
    const log: Log = { ...silentLog, warn, child: () => log };
    await using store = openTestStore({ log });
    const { db, file } = store;
    db.write<void>(() => void db.prepare('CREATE TABLE ballast (content BLOB) STRICT').run());
    const insert = db.prepare<[Buffer]>('INSERT INTO ballast (content) VALUES (?)');
    const grow = (size: number) => {
      for (let written = 0; written < size; written += piece)
        db.write<void>(() => void insert.run(Buffer.alloc(piece)));
    };

    const reader = new Sqlite(file, { readonly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT * FROM ballast').all();
    grow(90 * megabyte);
    assert.ok(statSync(`${file}-wal`).size > 80 * megabyte);
    assert.ok(tries.length >= 1 && tries.length <= 3, JSON.stringify(tries));
    reader.close();

    grow(64 * megabyte);
    assert.ok(statSync(`${file}-wal`).size < 20 * megabyte);
  });
});
