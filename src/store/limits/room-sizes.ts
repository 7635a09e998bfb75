import type { Connection } from '../database/connection.ts';
import { openReader } from '../database/connection.ts';

/** Bytes that one room takes, by kind. */
export interface RoomSize {
  readonly room: number;
  readonly bytes: number;
  readonly groups: Readonly<Record<string, number>>;
}

/** Where the bytes of the file are. */
export interface FileSizes {
  readonly file: number;
  readonly free: number;
  /** The largest rooms, the largest first. */
  readonly rooms: readonly RoomSize[];
  /** All others together. */
  readonly others: { readonly rooms: number; readonly bytes: number };
  /** What belongs to no room, by kind. */
  readonly shared: Readonly<Record<string, number>>;
}

export interface SizesRequest {
  readonly file: string;
  /** Rooms that are told one by one. */
  readonly top: number;
}

/** How the rows of a table are shared out among rooms: `SELECT room, weight`. */
interface Share {
  readonly group: string;
  readonly tables: readonly string[];
  readonly weights: string;
}

const perEvent = 'SELECT room, events FROM temp.in_room';
const count = (table: string) => `SELECT room, count(*) FROM ${table} GROUP BY room`;
const bodies = (table: string) => `SELECT room, sum(length(body)) FROM ${table} GROUP BY room`;

/** Several tables under one weight have rows alike for each room. */
const shares: readonly Share[] = [
  { group: 'events', tables: ['event', 'event_edge', 'event_id', 'event_after', 'event_txn'], weights: perEvent },
  { group: 'events', tables: ['event_body', 'event_raw'], weights: 'SELECT room, bytes FROM temp.in_room' },
  {
    group: 'events',
    tables: ['timeline', 'stream_event', 'relation', 'redaction', 'pending_redaction', 'addressed_event'],
    weights: 'SELECT room, placed FROM temp.in_room',
  },
  { group: 'events', tables: ['forward_extremity', 'backward_extremity'], weights: count('forward_extremity') },
  { group: 'events', tables: ['deferred_pdu'], weights: bodies('deferred_pdu') },
  { group: 'events', tables: ['redacted_original'], weights: bodies('redacted_original') },
  { group: 'events', tables: ['partial_event'], weights: count('partial_event') },
  { group: 'events', tables: ['delayed_event'], weights: count('delayed_event') },
  { group: 'events', tables: ['kept_message'], weights: count('kept_message') },
  { group: 'events', tables: ['cited_event'], weights: count('cited_event') },
  { group: 'auth', tables: ['auth_node', 'auth_child'], weights: 'SELECT room, states FROM temp.in_room' },
  { group: 'state', tables: ['current_state'], weights: count('current_state') },
  {
    group: 'state',
    tables: ['state_change'],
    weights:
      'SELECT line.room, count(*) FROM line CROSS JOIN state_change ON state_change.line = line.nid GROUP BY line.room',
  },
  { group: 'state', tables: ['line', 'room_line', 'merged_point', 'history_state', 'segment'], weights: count('line') },
  { group: 'members', tables: ['member'], weights: count('member') },
  { group: 'members', tables: ['local_member'], weights: count('local_member') },
  { group: 'members', tables: ['room_server'], weights: count('room_server') },
  // A name is in several rooms; each of them carries its part.
  { group: 'names', tables: ['user', 'state_key'], weights: count('member') },
  { group: 'names', tables: ['server'], weights: count('room_server') },
  { group: 'people', tables: ['receipt'], weights: count('receipt') },
  { group: 'people', tables: ['push_action'], weights: count('push_action') },
  { group: 'people', tables: ['unread'], weights: count('unread') },
  { group: 'search', tables: searchTables(), weights: 'SELECT room, placed FROM temp.in_room' },
];

function searchTables(): string[] {
  return ['data', 'idx', 'docsize', 'content', 'config'].map((part) => `message_text_${part}`);
}

const small = ['segment', 'room_info', 'room', 'thread', 'outgoing'];

/**
 * Measures `hearth.db` with a connection of its own: reads every page once, so it belongs into a worker. What it adds
 * up lies in a temporary file, however many rooms there are.
 */
export function measureFile({ file, top }: SizesRequest): FileSizes {
  const connection = openReader(file, 2048);
  try {
    return measure(connection, top);
  } finally {
    connection.close();
  }
}

function measure(connection: Connection, top: number): FileSizes {
  connection.exec(
    'CREATE TEMP TABLE in_room (room INTEGER PRIMARY KEY, events, bytes, placed, states);' +
      'INSERT INTO temp.in_room SELECT event.room, count(*),' +
      ' sum(coalesce(length(event_body.body), 0) + coalesce(length(event_raw.body), 0)), count(event.segment),' +
      ' count(event.state_key) FROM event LEFT JOIN event_body ON event_body.nid = event.nid' +
      ' LEFT JOIN event_raw ON event_raw.nid = event.nid GROUP BY event.room;' +
      'CREATE TEMP TABLE cost (room INTEGER, kind TEXT, bytes REAL, PRIMARY KEY (room, kind)) WITHOUT ROWID;',
  );
  const tables = tableBytes(connection);
  for (const share of shares) {
    const bytes = share.tables.reduce((sum, table) => sum + (tables.get(table) ?? 0), 0);
    if (shareOut(connection, share, bytes)) for (const table of share.tables) tables.delete(table);
  }
  const few = small.reduce((sum, table) => sum + (tables.get(table) ?? 0), 0);
  const each = { group: 'events', tables: small, weights: 'SELECT room, 1 FROM temp.in_room' };
  if (shareOut(connection, each, few)) for (const table of small) tables.delete(table);
  return { ...ofFile(connection), ...ofRooms(connection, top), shared: ofOthers(tables) };
}

/** Bytes of each table with its indexes. */
function tableBytes(connection: Connection): Map<string, number> {
  const sizes = connection
    .prepare<[], { name: string; bytes: number }>(
      'SELECT coalesce(sqlite_schema.tbl_name, dbstat.name) AS name, sum(dbstat.pgsize) AS bytes FROM dbstat' +
        ' LEFT JOIN sqlite_schema ON sqlite_schema.name = dbstat.name WHERE dbstat.aggregate = 1 GROUP BY 1',
    )
    .all();
  return new Map(sizes.map(({ name, bytes }) => [name, bytes]));
}

/** False if no room has any of it. */
function shareOut(connection: Connection, { group, weights }: Share, bytes: number): boolean {
  const total =
    connection
      .prepare<[], number | null>(`SELECT sum(w) FROM (${named(weights)})`)
      .pluck()
      .get() ?? 0;
  if (total <= 0) return false;
  connection
    .prepare<[string, number, number], never>(
      `INSERT INTO temp.cost (room, kind, bytes) SELECT room, ?, ? * w / ? FROM (${named(weights)}) WHERE w > 0` +
        ' ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes',
    )
    .run(group, bytes, total);
  return true;
}

const named = (weights: string): string => `WITH given (room, w) AS (${weights}) SELECT room, w FROM given`;

function ofFile(connection: Connection) {
  const pragma = (name: string) => Number(connection.pragma(name, { simple: true }));
  const page = pragma('page_size');
  return { file: pragma('page_count') * page, free: pragma('freelist_count') * page };
}

function ofRooms(connection: Connection, top: number) {
  const sums = connection
    .prepare<[number], { room: number; bytes: number; groups: string }>(
      'SELECT room, sum(bytes) AS bytes, json_group_object(kind, cast(bytes AS INTEGER)) AS groups FROM temp.cost' +
        ' GROUP BY room ORDER BY 2 DESC LIMIT ?',
    )
    .all(top);
  const all = connection
    .prepare<[], { rooms: number; bytes: number }>(
      'SELECT count(DISTINCT room) AS rooms, coalesce(sum(bytes), 0) AS bytes FROM temp.cost',
    )
    .get() ?? { rooms: 0, bytes: 0 };
  const rooms = sums.map(({ room, bytes, groups }) => ({
    room,
    bytes: Math.round(bytes),
    groups: JSON.parse(groups) as Record<string, number>,
  }));
  const told = rooms.reduce((sum, { bytes }) => sum + bytes, 0);
  return { rooms, others: { rooms: all.rooms - rooms.length, bytes: Math.max(0, Math.round(all.bytes) - told) } };
}

/** Of tables that no room has a share of; the first that fits. What is left is SQLite's own. */
const kinds: readonly [kind: string, table: RegExp][] = [
  ['media', /^(media|thumbnail)/],
  ['search', /^(message_text|user_word)/],
  ['encryption', /(key|backup|to_device|device|remote_list|dehydrated)/],
  ['accounts', /(account|token|profile|filter|pusher|push_|uia|mail|bound_|user)/],
  ['other servers', /(server|remote|destination|discovered|outbox|outgoing|listed|received|reception)/],
  [
    'rooms',
    /(room|event|state|line|thread|alias|report|relation|redact|segment|extremity|receipt|unread|member|point|auth|pdu|join|history|timeline|kept_|thinning|redaction)/,
  ],
];

function ofOthers(tables: ReadonlyMap<string, number>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [table, size] of tables) {
    const kind = kindOf(table);
    sums[kind] = (sums[kind] ?? 0) + size;
  }
  return sums;
}

function kindOf(table: string): string {
  return kinds.find(([, pattern]) => pattern.test(table))?.[0] ?? 'everything else';
}

/** Whether rooms are told what they have of a table, if any of them has something of it. */
export function isOfRooms(table: string): boolean {
  return small.includes(table) || shares.some(({ tables }) => tables.includes(table));
}

/** Whether the ledger has a word for what is in a table. */
export function isExplained(table: string): boolean {
  return isOfRooms(table) || kindOf(table) !== 'everything else';
}
