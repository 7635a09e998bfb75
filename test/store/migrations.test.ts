import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import Sqlite from 'better-sqlite3';
import { NotOurDatabase, StoreTooNew } from '../../src/store/database/errors.ts';
import { Database } from '../../src/store/db.ts';
import { FIRST_FREE_NID, wellKnown, wellKnownTypes } from '../../src/store/interning/well-known.ts';
import { type Migration, migrations } from '../../src/store/migrations/index.ts';
import { migrate } from '../../src/store/migrations/runner.ts';
import { schemaText } from '../../src/store/schema.ts';
import { silentLog } from '../../src/util/log.ts';
import { openTestStore, tempFolder } from '../support/store.ts';
import { FakeClock } from '../support/stubs/fake-clock.ts';

const opening = (file: string) => ({ file, cacheKib: 1024, clock: new FakeClock(), log: silentLog });

/** A closed database made by this release, then changed as `sql` says. */
async function prepared(folder: string, sql: string): Promise<string> {
  const file = join(folder, 'hearth.db');
  await Database.open(opening(file)).close();
  const raw = new Sqlite(file);
  raw.exec(sql);
  raw.close();
  return file;
}

describe('migrations', () => {
  it('lead to the schema in schema.sql (scripts/write-schema.ts writes it)', async () => {
    await using store = openTestStore();
    const snapshot = readFileSync(new URL('../../src/store/schema.sql', import.meta.url), 'utf8');
    assert.equal(schemaText(store.db), snapshot);
  });

  it('are numbered without gaps, and say which older program may open the result', () => {
    assert.deepEqual(
      migrations.map((migration) => migration.version),
      migrations.map((_, i) => i + 1),
    );
    for (const { version, compat } of migrations) assert.ok(compat >= 1 && compat <= version);
  });

  it('run once, in order, each in a transaction of its own: a failing one leaves the ones before it', () => {
    using folder = tempFolder();
    const raw = new Sqlite(join(folder.path, 'x.db'));
    const next: Migration[] = [
      ...migrations,
      { version: migrations.length + 1, name: 'more', sql: 'CREATE TABLE more (a INTEGER) STRICT;', compat: 1 },
      { version: migrations.length + 2, name: 'bad', sql: 'CREATE TABLE half (a INTEGER) STRICT; broken', compat: 1 },
    ];
    assert.throws(() => migrate(raw, next, silentLog), /syntax error/);
    const tables = raw.prepare("SELECT name FROM sqlite_schema WHERE name IN ('more', 'half')").pluck().all();
    assert.deepEqual(tables, ['more']);
    assert.equal(raw.pragma('user_version', { simple: true }), migrations.length + 1);
    migrate(raw, next.slice(0, -1), silentLog);
    raw.close();
  });

  it('keep what is stored when the file is opened again', async () => {
    using folder = tempFolder();
    const file = await prepared(folder.path, "INSERT INTO server (name) VALUES ('kept.test')");
    const db = Database.open(opening(file));
    assert.equal(db.prepare<[], string>('SELECT name FROM server').pluck().get(), 'kept.test');
    await db.close();
  });

  it('refuse a database of a newer release with a sentence, for writing and for reading', async () => {
    using folder = tempFolder();
    const file = await prepared(
      folder.path,
      "PRAGMA user_version = 99; UPDATE meta SET value = 98 WHERE key = 'compat_version'",
    );
    for (const readonly of [false, true]) {
      assert.throws(
        () => Database.open({ ...opening(file), readonly }),
        (error) => error instanceof StoreTooNew && /newer Hearth .*Nothing was changed/.test(error.message),
      );
    }
  });

  it('leave a newer database alone that says this release may open it', async () => {
    using folder = tempFolder();
    const file = await prepared(folder.path, 'PRAGMA user_version = 99');
    const db = Database.open(opening(file));
    assert.equal(db.prepare<[], number>('PRAGMA user_version').pluck().get(), 99);
    await db.close();
  });

  it("refuse another program's database and change nothing", () => {
    using folder = tempFolder();
    const file = join(folder.path, 'hearth.db');
    const raw = new Sqlite(file);
    raw.exec('CREATE TABLE theirs (a)');
    raw.close();
    assert.throws(() => Database.open(opening(file)), NotOurDatabase);
    const after = new Sqlite(file);
    assert.deepEqual(after.prepare('SELECT name FROM sqlite_schema').pluck().all(), ['theirs']);
    after.close();
  });
});

describe('a reading connection', () => {
  it('sees what is committed and cannot write', async () => {
    await using store = openTestStore();
    const reader = Database.open({ ...opening(store.file), readonly: true });
    store.db.write<void>(() => void store.stores.interning.server('seen.test'));
    assert.equal(reader.prepare<[], string>('SELECT name FROM server').pluck().get(), 'seen.test');
    const insert = reader.prepare<[], never>("INSERT INTO server (name) VALUES ('x')");
    assert.throws(() => reader.write<void>(() => void insert.run()), /readonly/);
    await reader.close();
  });
});

describe('well-known types', () => {
  it('are in the database under the numbers that the code says, with their empty state keys', async () => {
    await using store = openTestStore();
    const types = store.db.prepare<[], [number, string]>('SELECT nid, name FROM event_type ORDER BY nid').raw().all();
    assert.deepEqual(
      types,
      wellKnownTypes.map(([nid, name]) => [nid, name]),
    );
    const keys = store.db.prepare<[], unknown[]>('SELECT nid, type, skey FROM state_key ORDER BY nid').raw().all();
    assert.deepEqual(
      keys,
      wellKnownTypes.map(([nid]) => [nid, nid, '']),
    );
    assert.ok(wellKnownTypes.every(([nid]) => nid < FIRST_FREE_NID));
    assert.equal(wellKnown.types.member, 2);
  });

  it('leave the numbers from 1000 on to the database', async () => {
    await using store = openTestStore();
    const { interning } = store.stores;
    const nids = store.db.write(() => [interning.type('org.example.a'), interning.stateKey('m.room.member', '@a:b')]);
    assert.deepEqual(nids, [FIRST_FREE_NID, FIRST_FREE_NID]);
  });
});
