import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hideParameters } from '../../src/store/database/parameters.ts';
import { openTestStore } from '../support/store.ts';

describe('parameters hidden from the planner', () => {
  const table: readonly [string, string][] = [
    ['SELECT a FROM t WHERE b = ? AND c > ?2', 'SELECT a FROM t WHERE b = (SELECT ?) AND c > (SELECT ?2)'],
    ['UPDATE t SET a = @a LIMIT :n', 'UPDATE t SET a = (SELECT @a) LIMIT (SELECT :n)'],
    [
      "SELECT '?', \"?\", 'it''s ?' FROM t -- ?\n WHERE a = ?",
      "SELECT '?', \"?\", 'it''s ?' FROM t -- ?\n WHERE a = (SELECT ?)",
    ],
    [
      'SELECT 1 FROM json_each(?) CROSS JOIN t WHERE a = ?',
      'SELECT 1 FROM json_each(?) CROSS JOIN t WHERE a = (SELECT ?)',
    ],
    ['INSERT INTO t VALUES (?, ?)', 'INSERT INTO t VALUES (?, ?)'],
  ];
  for (const [sql, hidden] of table) it(sql, () => assert.equal(hideParameters(sql), hidden));

  it('change no result and no plan', async () => {
    await using store = openTestStore();
    const { db } = store;
    const find = db.prepare<[number, string], { nid: number }>(
      'SELECT nid FROM event_type WHERE nid > ? AND name <> ? ORDER BY nid LIMIT 2',
    );
    assert.deepEqual(find.all(1, 'm.room.power_levels'), [{ nid: 2 }, { nid: 4 }]);
    const sql = [...db.statements].find((text) => text.includes('name <> (SELECT ?)')) as string;
    assert.ok(db.plan(sql).some(({ detail }) => detail.includes('USING INTEGER PRIMARY KEY (rowid>?)')));
  });
});

describe('reads as of one moment', () => {
  it('give their result, end with a throw, and may stand inside a write and inside each other', async () => {
    await using store = openTestStore();
    const { db, stores } = store;
    assert.equal(
      db.read<number>(() => db.read<number>(() => 5)),
      5,
    );
    assert.throws(
      () =>
        db.read<number>(() => {
          throw new Error('stop');
        }),
      /stop/,
    );
    const seen = db.write(() => {
      const nid = stores.interning.user('@alice:localhost');
      return db.read<boolean>(() => stores.interning.findUser('@alice:localhost') === nid);
    });
    assert.equal(seen, true);
    assert.equal(db.inTransaction, false);
  });
});
