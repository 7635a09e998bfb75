import { createHash } from 'node:crypto';
import Sqlite from 'better-sqlite3';
import { BodyReader } from '../../../src/store/bodies/body-reader.ts';
import { Database } from '../../../src/store/db.ts';
import { Interning } from '../../../src/store/interning/interning.ts';
import type { EventNid } from '../../../src/store/nids.ts';
import { references, type SweptKind } from '../../../src/store/sweep.ts';
import { systemClock } from '../../../src/util/clock.ts';
import { silentLog } from '../../../src/util/log.ts';

/** What is the server's or the device's own secret, another one in each data folder, or no state but a measurement. */
const leftOut: ReadonlySet<string> = new Set([
  // A body waits in one to be packed into the other: compared as texts, see `bodies`.
  'event_body',
  'event_raw',
  'access_token',
  'account',
  'device',
  'meta',
  'server_key',
  'uia_session',
  // Jobs that measure when they come to it.
  'join_sample',
  'reception_mark',
  'room_activity',
  'room_cost',
  // What was read of other servers, and how they answered: the clock's business.
  'discovered',
  'remote_key_answer',
  'remote_server',
  // How far our own join has been told to others; a server that was killed has not talked to them yet.
  'outbox',
  'outgoing',
  'outgoing_room',
  'destination',
  'addressed_event',
  'sqlite_sequence',
  'sqlite_stat1',
  'sqlite_stat4',
]);

/** Places in the stream or on a line, and numbers that rooms are made of: they count as ranks. */
const ranked =
  /^(?:pos|\w+_pos|base|line|segment|older|chain|idx|cursor)$|^(?:line|segment|device|pusher|report|backup_store)\.nid$/;
const clocks =
  /^(?:created|expires|since|started|due|ended|fetched|retry_at|measured|updated|last_access|seen|seen_ts)$/;
const moreClocks: ReadonlySet<string> = new Set([
  'receipt.ts',
  'report.ts',
  'room_exemption.ts',
  'remote_key.valid_until',
]);
/** NIDs as bytes, which `auth_child` has in its rows, and what was found out on the way. */
const encoded: ReadonlySet<string> = new Set(['auth_node.edges', 'auth_node.witness']);

const named: { readonly [K in SweptKind]: (column: string) => string } = {
  user: (nid) =>
    `(SELECT '@' || localpart || ':' || server.name FROM user JOIN server ON server.nid = user.server WHERE user.nid = ${nid})`,
  server: (nid) => `(SELECT name FROM server WHERE nid = ${nid})`,
  room: (nid) => `(SELECT room_id FROM room WHERE nid = ${nid})`,
  state_key: (nid) =>
    `(SELECT event_type.name || ' ' || skey FROM state_key JOIN event_type ON event_type.nid = state_key.type WHERE state_key.nid = ${nid})`,
  event_type: (nid) => `(SELECT name FROM event_type WHERE nid = ${nid})`,
  // Each try of a join has its own time, and so an ID of its own.
  event_id: (nid) =>
    `CASE WHEN ${nid} IN (SELECT event FROM local_member) THEN 'our join' ELSE (SELECT hex(id) FROM event_id WHERE nid = ${nid}) END`,
};

const kindOf = new Map(
  Object.entries(references).flatMap(([kind, columns]) =>
    columns.map((column) => [column, kind as SweptKind] as const),
  ),
);

/** Tables of strings and their numbers: the strings are what counts. */
const strings: ReadonlySet<string> = new Set(['event_id', 'event_type', 'room', 'server', 'state_key', 'user']);

/**
 * A digest of what each table of a closed `hearth.db` says, so that two can be compared: numbers that stand for strings are read as the
 * strings, places count as ranks, and times of our own clock are left out.
 */
export function tableContents(file: string): Map<string, string> {
  const found = new Map<string, string>();
  const db = new Sqlite(file, { readonly: true });
  try {
    const tables = db
      .prepare<[], string>("SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' ORDER BY name")
      .pluck()
      .all();
    for (const table of tables) {
      if (leftOut.has(table) || table.startsWith('sqlite_') || table.startsWith('message_text')) continue;
      found.set(table, digest(db, table));
    }
  } finally {
    db.close();
  }
  found.set('bodies', bodies(file));
  return found;
}

function digest(db: Sqlite.Database, table: string): string {
  const columns = db.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table);
  const said = columns.flatMap((column) => readings(table, column));
  const own = table === 'event' ? ' WHERE nid NOT IN (SELECT event FROM local_member)' : '';
  return summed(
    db
      .prepare<[], unknown[]>(`SELECT ${said.join(', ')} FROM ${table}${own}`)
      .raw()
      .iterate(),
  );
}

/** What is read of a column; nothing for what is left out. */
function readings(table: string, column: string): string[] {
  const place = `${table}.${column}`;
  const kind = kindOf.get(place);
  if (kind !== undefined && !encoded.has(place)) return [named[kind](place)];
  if (strings.has(table) && column === 'nid') return [];
  if (place === 'event_id.id') return [named.event_id('event_id.nid')];
  if (clocks.test(column) || moreClocks.has(place) || encoded.has(place)) return [];
  if (place === 'auth_node.chain') {
    return [
      named.event_id(
        '(SELECT first.event FROM auth_node AS first WHERE first.chain = auth_node.chain ORDER BY seq LIMIT 1)',
      ),
    ];
  }
  return ranked.test(column) || ranked.test(place) ? [`dense_rank() OVER (ORDER BY ${place})`] : [place];
}

/** The events themselves, however they are packed. */
function bodies(file: string): string {
  const raw = new Sqlite(file, { readonly: true });
  const nids = raw
    .prepare<[], EventNid>('SELECT nid FROM event WHERE nid NOT IN (SELECT event FROM local_member)')
    .pluck()
    .all();
  raw.close();
  const db = Database.open({ file, cacheKib: 2048, clock: systemClock, log: silentLog, readonly: true });
  try {
    const reader = new BodyReader(db, new Interning(db));
    return summed(nids.map((nid) => [reader.canonical(nid)]));
  } finally {
    void db.close();
  }
}

/** Rows in any order. */
function summed(rows: Iterable<unknown[]>): string {
  const texts = [...rows].map((row) =>
    JSON.stringify(row, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
  );
  const hash = createHash('sha256');
  for (const text of texts.toSorted()) hash.update(text).update('\n');
  return `${texts.length} rows, ${hash.digest('hex').slice(0, 16)}`;
}
