import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openTestStore } from '../support/store.ts';

/** Statements that may read a whole table or sort: what begins like this, and why it is harmless. */
const allowed: [beginning: string, reason: string][] = [
  ['SELECT key_id AS keyId, public AS publicKey', 'a server has had a handful of signing keys'],
  ['UPDATE server_key SET expired', 'a server has had a handful of signing keys'],
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
