import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, mock } from 'node:test';
import Sqlite from 'better-sqlite3';
import { asServerName } from '../../src/protocol/ids/server-name.ts';
import { BlobReader } from '../../src/store/media/blob-reader.ts';
import { BlobWriter } from '../../src/store/media/blob-writer.ts';
import { references, Sweep } from '../../src/store/sweep.ts';
import { StoreRoom } from '../support/rooms/store-room.ts';
import { openTestStore, type TestStore, tempFolder } from '../support/store.ts';

/** Statements that may read a whole table or sort: what begins like this, and why it is harmless. */
const allowed: [beginning: string, reason: string][] = [
  ['SELECT key_id AS keyId, public AS publicKey', 'a server has had a handful of signing keys'],
  ['SELECT count(*) FROM discovered', 'the table is bounded, and it is counted once in thousands of writes'],
  ['DELETE FROM remote_key WHERE server', 'of a server that has published more keys than any does'],
  ['SELECT count(*) FROM remote_key_answer', 'the table is bounded, and it is counted every ten minutes'],
  ['SELECT count(*) FROM remote_server', 'the table is bounded, and it is counted once an hour'],
  ['UPDATE server_key SET expired', 'a server has had a handful of signing keys'],
  ['SELECT device FROM key_count', 'once after a restore, and all of them are meant'],
  ['UPDATE key_backup SET formerly', 'once after a restore, and all of them are meant'],
  ['SELECT DISTINCT user FROM device_keys', 'once after a restore, and all of them are meant'],
];

/** What a plan must not contain: all rows of a table, a sort beside the indexes, an index made for one use. */
function faults(plan: readonly { detail: string }[]): string[] {
  return plan
    .map((step) => step.detail)
    .filter(
      (detail) =>
        (detail.startsWith('SCAN ') && !/VIRTUAL TABLE|CONSTANT ROW/.test(detail)) ||
        /TEMP B-TREE|AUTOMATIC/.test(detail),
    );
}

describe('query plans', () => {
  it('read by an index, for every statement of every store', async () => {
    await using store = openTestStore();
    const statements = [...store.db.statements].filter((sql) => !sql.startsWith('PRAGMA'));
    // A test that reads nothing would succeed as well.
    assert.ok(statements.length > 100, `only ${statements.length} statements were found`);
    const unexpected: string[] = [];
    const used = new Set<string>();
    for (const sql of statements) {
      const found = faults(store.db.plan(sql));
      if (found.length === 0) continue;
      const text = sql.replaceAll('(SELECT ?)', '?').replace(/\s+/g, ' ').trim();
      const exception = allowed.find(([beginning]) => text.startsWith(beginning));
      if (exception === undefined) unexpected.push(`${text}\n    ${found.join('\n    ')}`);
      else used.add(exception[0]);
    }
    assert.deepEqual(unexpected, []);
    assert.deepEqual(
      allowed.map(([beginning]) => beginning).filter((beginning) => !used.has(beginning)),
      [],
      'exceptions that nothing needs any more',
    );
  });

  it('are the same with statistics as without, so that none is only good by luck', async () => {
    await using store = openTestStore();
    const { db } = store;
    const statements = [...db.statements].filter((sql) => !sql.startsWith('PRAGMA'));
    const plans = () => statements.map((sql) => [sql, ...db.plan(sql).map(({ detail }) => detail)]);
    const without = plans();
    fill(store);
    db.write<void>(() => void db.prepare<[], never>('ANALYZE').run());
    const withStatistics = plans();
    for (const [index, plan] of without.entries()) assert.deepEqual(withStatistics[index], plan);
  });

  it('of the sweep read tables by their keys, without a sort', async () => {
    await using store = openTestStore();
    const { db, clock } = store;
    const before = new Set(db.statements);
    const sweep = new Sweep(db, store.stores.interning, { clock, serverName: asServerName('localhost') });
    for (let kind = 0; kind < Object.keys(references).length; kind++) {
      while (sweep.slice());
      clock.advance(3_600_000);
      while (sweep.slice());
      clock.advance(86_400_000);
    }
    const made = [...db.statements].filter((sql) => !before.has(sql) && !sql.includes('pragma_'));
    assert.ok(made.length > 2 * Object.values(references).length);
    for (const sql of made) {
      const found = faults(db.plan(sql)).filter(
        (detail) => !(/ ORDER BY .* LIMIT \d+$/.test(sql) && detail.startsWith('SCAN ')),
      );
      assert.deepEqual(found, [], sql);
    }
  });

  it('of media.db read by an index', () => {
    using folder = tempFolder();
    const file = join(folder.path, 'media.db');
    const recording = mock.method(Sqlite.prototype, 'prepare');
    const writer = new BlobWriter(file);
    const reader = new BlobReader(file);
    reader.read(Buffer.alloc(32), 0, 1);
    const texts = new Set(recording.mock.calls.map((call) => call.arguments[0]));
    recording.mock.restore();
    reader.close();
    writer.close();
    const db = new Sqlite(file);
    assert.ok(texts.size >= 8, `only ${texts.size} statements were found`);
    for (const sql of texts) {
      const values = [...sql.matchAll(/\?/g)].map(() => null);
      const plan = db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
      assert.deepEqual(faults(plan), [], sql);
    }
    db.close();
  });

  it('meet no partial index whose condition is a range: the planner would begin at its end, not at the asked one', async () => {
    await using store = openTestStore();
    const partial = store.db
      .prepare<[], string>("SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'")
      .pluck()
      .all();
    assert.ok(partial.length > 0);
    for (const sql of partial) {
      assert.match(sql, / WHERE \w+ (= \d+|IS NOT NULL|IS NULL)( AND \w+ (= \d+|IS NOT NULL|IS NULL))*$/);
    }
  });

  it('would notice a full scan, a sort and a missing index', async () => {
    await using store = openTestStore();
    const bad = [
      'SELECT nid FROM event WHERE ts > ?',
      'SELECT nid FROM user WHERE server = ? ORDER BY nid',
      'SELECT count(*) FROM event',
    ];
    for (const sql of bad) assert.notDeepEqual(faults(store.db.plan(sql)), [], sql);
    const good = ['SELECT nid FROM event WHERE nid = ?', 'SELECT value FROM json_each(?)', 'SELECT 1'];
    for (const sql of good) assert.deepEqual(faults(store.db.plan(sql)), [], sql);
  });
});

/** What a small server holds, in the proportions that matter: rooms with members, people with devices and data. */
function fill({ db, stores, ...store }: TestStore): void {
  const put = (sql: string, count: number, values: (i: number) => unknown[]): void => {
    const statement = db.prepare<unknown[], never>(sql);
    for (let i = 0; i < count; i++) statement.run(...values(i));
  };
  const people = 8;
  db.write<void>(() => {
    for (let r = 0; r < 30; r++) {
      const room = new StoreRoom({ db, stores, ...store }, '11', `!r${r}:x`);
      room.create('@a:x');
      for (let i = 0; i < 40; i++) room.join(`@u${(i * 7 + r) % 400}:s${i % 30}`);
      for (let i = 0; i < 30; i++) room.message('@a:x', `message ${i}`);
    }
    put('INSERT INTO receipt (room, user, kind, thread, event, ts, pos) VALUES (?, ?, 1, 0, 1, 1, ?)', 1500, (i) => [
      1 + (i % 30),
      1 + Math.floor(i / 30),
      i,
    ]);
    put('INSERT INTO local_member (user, room, membership, event, pos) VALUES (?, ?, 1, 1, ?)', 30 * people, (i) => [
      1000 + (i % people),
      1 + Math.floor(i / people),
      i,
    ]);
    put("INSERT INTO account_data (user, room, type, content, pos) VALUES (?, ?, 't', '{}', ?)", 50 * people, (i) => [
      1 + (i % people),
      Math.floor(i / people),
      i,
    ]);
    put('INSERT INTO account (user, kind, created) VALUES (?, 0, 1)', people, (i) => [1 + i]);
    put('INSERT INTO device (user, device_id, created) VALUES (?, ?, 1)', 2 * people, (i) => [
      1 + (i % people),
      `d${i}`,
    ]);
    put('INSERT INTO access_token (hash, user, device, created) VALUES (?, ?, ?, 1)', 2 * people, (i) => [
      Buffer.from(`t${i}`),
      1 + (i % people),
      i,
    ]);
  });
}
