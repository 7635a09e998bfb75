import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Database } from '../../../src/store/db.ts';
import type { RoomNid } from '../../../src/store/nids.ts';
import { references } from '../../../src/store/sweep.ts';
import { millis } from '../../../src/util/brand.ts';
import { openTestStore } from '../../support/store.ts';

/** Numbers of strings, lines and segments in rows made up for one room; no two kinds share one. */
interface Numbers {
  readonly room: number;
  readonly event: number;
  readonly line: number;
  readonly segment: number;
  readonly user: number;
}

const gone: Numbers = { room: 11, event: 21, line: 31, segment: 41, user: 51 };
const stays: Numbers = { room: 12, event: 22, line: 32, segment: 42, user: 52 };

/**
 * Tables whose rows about a room stay when it is purged. Names go with the sweep; keys that users have backed up are
 * theirs; the rest is there only while a room is on its way in, and then none is purged.
 */
const kept = new Set(['room', 'event_id', 'backup_session', 'room_import', 'room_join', 'room_purge']);

interface ColumnInfo {
  readonly name: string;
  readonly type: string;
  readonly pk: number;
}

const roomColumns = new Set(references.room);
const eventColumns = new Set(references.event_id);
const userColumns = new Set(references.user);

/** Tables with a column that leads to a room: by its number, by that of an event, or by that of a line or a segment. */
function tablesOfRooms(db: Database): { table: string; columns: readonly ColumnInfo[] }[] {
  const names = db
    .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%STRICT%' ORDER BY name")
    .pluck()
    .all();
  return names.flatMap((table) => {
    const columns = db.prepare<[string], ColumnInfo>('SELECT name, type, pk FROM pragma_table_info(?)').all(table);
    const leads = columns.some(
      ({ name }) =>
        roomColumns.has(`${table}.${name}`) || eventColumns.has(`${table}.${name}`) || /^(line|segment)$/.test(name),
    );
    return leads || table === 'line' || table === 'segment' ? [{ table, columns }] : [];
  });
}

/** A row in which everything that can lead to the room does. */
function rowAbout(table: string, columns: readonly ColumnInfo[], { room, event, line, segment, user }: Numbers) {
  return columns.map(({ name, type }): number | string | Buffer => {
    const column = `${table}.${name}`;
    if (roomColumns.has(column)) return room;
    if (eventColumns.has(column)) return event;
    if (userColumns.has(column)) return user;
    if (name === 'line' || (table === 'line' && name === 'nid')) return line;
    if (name === 'segment' || (table === 'segment' && name === 'nid')) return segment;
    if (type === 'TEXT') return `t${room}`;
    return type === 'BLOB' ? Buffer.from([room]) : room;
  });
}

function fill(db: Database, numbers: Numbers): Map<string, number> {
  const counts = new Map<string, number>();
  db.write<void>(() => {
    for (const { table, columns } of tablesOfRooms(db)) {
      if (table === 'room_purge') continue;
      const places = columns.map(() => '?').join(', ');
      const names = columns.map(({ name }) => name).join(', ');
      const { changes } = db
        .prepare<(number | string | Buffer)[], never>(`INSERT INTO ${table} (${names}) VALUES (${places})`)
        .run(...rowAbout(table, columns, numbers));
      counts.set(table, changes);
    }
    db.prepare<[number, string], never>('INSERT INTO message_text (rowid, words) VALUES (?, ?)').run(
      numbers.event,
      'words',
    );
    // Somebody who has left it.
    db.prepare<[], never>('UPDATE local_member SET membership = 4').run();
  });
  return counts;
}

describe('what a purge leaves', () => {
  it('is nothing, in any table that can name a room, its events, lines or segments', async () => {
    await using store = openTestStore();
    const { db, stores, clock } = store;
    const filled = fill(db, gone);
    fill(db, stays);
    const rows = (table: string) => db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get() ?? 0;
    assert.ok(filled.size > 35, 'most tables know of rooms');
    db.write<void>(() => stores.roomPurges.begin(gone.room as RoomNid, millis(0)));
    for (let due = stores.roomPurges.due(clock.now()); due !== undefined; due = stores.roomPurges.due(clock.now())) {
      const purge = due;
      db.write<void>(() => void stores.roomPurges.slice(purge));
    }
    const left = [...filled.keys()].filter((table) => rows(table) !== (kept.has(table) ? 2 : 1));
    assert.deepEqual(left, []);
    const found = db.prepare<[], number>("SELECT rowid FROM message_text WHERE message_text MATCH 'words'").pluck();
    assert.deepEqual(found.all(), [stays.event]);
  });
});
