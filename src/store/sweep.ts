import type { ServerName } from '../protocol/ids/types.ts';
import type { Clock } from '../util/clock.ts';
import { decodeEdges } from './auth/auth-graph.ts';
import { bodyReferences } from './bodies/references.ts';
import type { Column } from './database/column-watch.ts';
import type { Database, Statement } from './db.ts';
import type { Interning } from './interning/interning.ts';
import { FIRST_FREE_NID } from './interning/well-known.ts';
import type { EventNid } from './nids.ts';

export type SweptKind = 'user' | 'server' | 'room' | 'state_key' | 'event_type' | 'event_id';

/** For each kind of string all columns that may hold its NIDs. A test holds it against the schema. */
export const references: { readonly [K in SweptKind]: readonly string[] } = {
  user: [
    'room_join.user',
    'room_partial.user',
    'event.sender',
    'member.user',
    'local_member.user',
    'alias.creator',
    'relation.sender',
    'receipt.user',
    'push_action.user',
    'push_read.user',
    'pusher.user',
    'unread.user',
    'account.user',
    'account_validity.user',
    'device.user',
    'access_token.user',
    'refresh_token.user',
    'login_token.user',
    'uia_session.user',
    'mail_address.user',
    'bound_address.user',
    'notice_room.user',
    'profile.user',
    'openid_token.user',
    'report.reporter',
    'report.reported',
    'delayed_event.user',
    'user_word.user',
    'account_data.user',
    'filter.user',
    'media.uploader',
    'device_list.user',
    'cross_signing_key.user',
    'key_signature.user',
    'key_signature.signer',
    'to_device.sender',
    'device_update.user',
    'remote_list.user',
    'dehydrated_device.user',
    'remote_device.user',
    'to_device_out.sender',
    'key_backup.user',
    'user_exemption.user',
  ],
  server: [
    'user.server',
    'room_server.server',
    'media.server',
    'listed_room.server',
    'listed_server.server',
    'destination.server',
    'addressed_event.server',
    'outgoing.server',
    'outgoing_room.server',
    'remote_server.server',
    'remote_key.server',
    'remote_key_answer.server',
    'to_device_out.server',
    'to_device_seen.server',
    'deferred_pdu.origin',
    'received_transaction.origin',
  ],
  room: [
    'event.room',
    'forward_extremity.room',
    'backward_extremity.room',
    'segment.room',
    'stream_event.room',
    'line.room',
    'room_line.room',
    'current_state.room',
    'merged_point.room',
    'unsettled_room.room',
    'room_info.room',
    'room_import.room',
    'room_join.room',
    'room_partial.room',
    'partial_event.room',
    'redacted_original.room',
    'room_completion.room',
    'open_room.room',
    'member.room',
    'room_server.room',
    'local_member.room',
    'alias.room',
    'notice_room.room',
    'thread.room',
    'receipt.room',
    'push_action.room',
    'push_read.room',
    'unread.room',
    'account_data.room',
    'backup_session.room',
    'report.room',
    'outgoing.room',
    'outgoing_room.room',
    'delayed_event.room',
    'deferred_pdu.room',
    'room_exemption.room',
    'room_purge.room',
    'empty_room.room',
    'room_cost.room',
    'room_activity.room',
    'outgrown_room.room',
    'history_floor.room',
    'kept_message.room',
    'cited_event.room',
    'thinning.room',
  ],
  state_key: ['event.state_key', 'state_change.key', 'current_state.key', 'history_state.key'],
  event_type: ['event.type', 'state_key.type', 'relation.rel', 'relation.type'],
  event_id: [
    'event.nid',
    'room_partial.event',
    'partial_event.event',
    'event_after.event',
    'event_raw.nid',
    'event_body.nid',
    'event_edge.child',
    'event_edge.parent',
    'forward_extremity.event',
    'backward_extremity.parent',
    'backward_extremity.child',
    'pending_redaction.target',
    'pending_redaction.redaction',
    'redacted_original.target',
    'redaction.target',
    'redaction.redaction',
    'relation.target',
    'relation.event',
    'thread.root',
    'timeline.event',
    'stream_event.event',
    'state_change.event',
    'history_state.event',
    'current_state.event',
    'auth_node.event',
    'auth_node.witness',
    'auth_child.parent',
    'auth_child.child',
    'member.event',
    'local_member.event',
    'event_txn.event',
    'receipt.event',
    'receipt.thread',
    'push_action.event',
    'push_read.event',
    'push_action.thread',
    'unread.thread',
    'report.event',
    'outgoing.event',
    'outgoing_room.event',
    'addressed_event.event',
    'delayed_event.event',
    'deferred_pdu.event',
    'deferred_pdu.missing',
    'kept_message.event',
    'cited_event.event',
  ],
};

/** Rows read in a slice, some milliseconds. */
const ROWS = 2_000;

type Value = number | string | Buffer | null;

/** Columns of bytes that name NIDs of one kind, and how they are read. What is written into them was looked up or stored before. */
const encoded: { readonly [K in SweptKind]?: readonly ScannedColumns[] } = {
  event_id: [
    { table: 'auth_node', columns: ['edges'], rows: ROWS, nids: ([edges]) => decodeEdges(edges as Buffer) },
    {
      table: 'event_body',
      columns: ['nid', 'format', 'CASE format WHEN 0 THEN NULL ELSE body END'],
      rows: 250,
      nids: ([nid, format, body]) => bodyReferences(nid as EventNid, format as number, body as Buffer | null),
    },
  ],
};

interface ScannedColumns {
  readonly table: string;
  readonly columns: readonly string[];
  /** As many as `ROWS`, or fewer where they may be long. */
  readonly rows: number;
  readonly nids: (values: readonly Value[]) => readonly Value[];
}

/** Users before servers and state keys before types: what one frees, the next can take. */
const kinds: readonly SweptKind[] = ['user', 'server', 'room', 'state_key', 'event_type', 'event_id'];

/** NIDs looked at in one go: a bit each, 128 KiB. A kind with more of them takes several goes. */
const WINDOW = 1 << 20;
/** Rows looked at in a slice when it comes to deleting. */
const DELETES = 500;
/**
 * From the first mark to the first deletion. A NID that was looked up before the go began and is not written down yet
 * must be by then: no request and no job keeps one for so long without looking it up again.
 */
const GRACE_MS = 60 * 60 * 1000;

/** From the end of one go to the beginning of the next: the triggers of a go make every write a little slower. */
const REST_MS = 22 * 60 * 60 * 1000;

/** One table, and how its rows are read in pages. */
interface TableScan {
  first: Statement<[], Value[]>;
  next: Statement<unknown[], Value[]>;
  keys: number;
  rows: number;
  nids: (values: readonly Value[]) => readonly Value[];
}

interface Go {
  kind: SweptKind;
  from: number;
  /** What is interned later than the beginning is not looked at. */
  until: number;
  marks: Uint8Array;
  began: number;
  scans: TableScan[];
  after: unknown[] | undefined;
  unwatch: () => void;
  deleteFrom: number;
}

/**
 * Deletes strings that nothing uses any more: mark and sweep, in slices, while the server goes on. A string stays if a
 * row holds its NID when the marking comes by, if a row is written with it meanwhile (temporary triggers see that), if
 * it is looked up meanwhile, or if it is newer than the go. A restart begins the present go again.
 */
export class Sweep {
  readonly #db: Database;
  readonly #interning: Interning;
  readonly #clock: Clock;
  readonly #ownServer: ServerName;
  readonly #load: Statement<[], string>;
  readonly #save: Statement<[string], never>;
  #go: Go | undefined;
  #restUntil = -Infinity;

  constructor(db: Database, interning: Interning, options: { clock: Clock; serverName: ServerName }) {
    this.#db = db;
    this.#interning = interning;
    this.#clock = options.clock;
    this.#ownServer = options.serverName;
    this.#load = db.prepare<[], string>("SELECT value FROM meta WHERE key = 'sweep'").pluck();
    this.#save = db.prepare(
      "INSERT INTO meta (key, value) VALUES ('sweep', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
  }

  /** Does a slice; false: there is nothing to do just now. */
  slice(): boolean {
    if (this.#go === undefined) {
      if (this.#clock.monotonic() < this.#restUntil) return false;
      this.#go = this.#begin();
      return true;
    }
    const go = this.#go;
    if (go.scans.length > 0) {
      this.#mark(go);
      return true;
    }
    if (this.#clock.monotonic() - go.began < GRACE_MS) return false;
    if (this.#delete(go)) return true;
    this.#finish(go);
    return false;
  }

  /** Gives up the present go; it is begun again by the next slice. */
  stop(): void {
    this.#go?.unwatch();
    this.#interning.watch(undefined);
    this.#go = undefined;
  }

  #begin(): Go {
    const [name = '', position = ''] = (this.#load.get() ?? '').split(' ');
    const kind = kinds.find((each) => each === name) ?? 'user';
    const from = Number(position) || 1;
    const until = 1 + (this.#db.prepare<[], number>(`SELECT max(nid) FROM ${kind}`).pluck().get() ?? 0);
    const marks = new Uint8Array(WINDOW / 8);
    const mark = (nid: number) => {
      const bit = nid - from;
      if (bit >= 0 && bit < WINDOW) marks[bit >> 3] = (marks[bit >> 3] ?? 0) | (1 << (bit & 7));
    };
    const columns = references[kind].map(columnOf);
    const unwatch = this.#db.watchColumns(columns, mark);
    this.#interning.watch((seen, nid) => {
      if (seen === kind) mark(nid);
    });
    // Kept in memory for the life of the process, perhaps before any row names it.
    this.#interning.findServer(this.#ownServer);
    const tables = Map.groupBy(columns, ({ table }) => table);
    const scans = [...tables].map(([table, own]) =>
      this.#scan({ table, columns: own.map(columnName), rows: ROWS, nids: (values) => values }),
    );
    for (const columns of encoded[kind] ?? []) scans.push(this.#scan(columns));
    const began = this.#clock.monotonic();
    return {
      kind,
      from,
      until,
      marks,
      began,
      scans,
      after: undefined,
      unwatch,
      deleteFrom: Math.max(from, firstSwept(kind)),
    };
  }

  #scan({ table, columns, rows, nids }: ScannedColumns): TableScan {
    const info = this.#db
      .prepare<[string], string>('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk')
      .pluck()
      .all(table);
    const keys = info.length > 0 ? info : ['rowid'];
    const select = `SELECT ${[...keys, ...columns].join(', ')} FROM ${table}`;
    const order = `ORDER BY ${keys.join(', ')} LIMIT ${rows}`;
    const after = `(${keys.join(', ')}) > (${keys.map(() => '?').join(', ')})`;
    return {
      first: this.#db.prepare<[], Value[]>(`${select} ${order}`).raw(),
      next: this.#db.prepare<unknown[], Value[]>(`${select} WHERE ${after} ${order}`).raw(),
      keys: keys.length,
      rows,
      nids,
    };
  }

  #mark(go: Go): void {
    const scan = go.scans[0];
    if (scan === undefined) return;
    const rows = go.after === undefined ? scan.first.all() : scan.next.all(...go.after);
    for (const row of rows) {
      for (const nid of scan.nids(row.slice(scan.keys))) {
        const bit = typeof nid === 'number' ? nid - go.from : -1;
        if (bit >= 0 && bit < WINDOW) go.marks[bit >> 3] = (go.marks[bit >> 3] ?? 0) | (1 << (bit & 7));
      }
    }
    go.after = rows.at(-1)?.slice(0, scan.keys);
    if (rows.length < scan.rows) {
      go.scans.shift();
      go.after = undefined;
    }
  }

  /** Deletes what has no mark among the next rows; false when all is done. */
  #delete(go: Go): boolean {
    const end = Math.min(go.until, go.from + WINDOW);
    const nids = this.#db
      .prepare<[number, number, number], number>(
        `SELECT nid FROM ${go.kind} WHERE nid >= ? AND nid < ? ORDER BY nid LIMIT ?`,
      )
      .pluck()
      .all(go.deleteFrom, end, DELETES);
    const unused = nids.filter((nid) => {
      const bit = nid - go.from;
      return ((go.marks[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0;
    });
    if (unused.length > 0) {
      const statement = this.#db.prepare<[string], never>(
        `DELETE FROM ${go.kind} WHERE nid IN (SELECT value FROM json_each(?))`,
      );
      this.#db.write<void>(() => void statement.run(JSON.stringify(unused)));
      this.#interning.clearCache(go.kind);
    }
    go.deleteFrom = (nids.at(-1) ?? end) + 1;
    return nids.length === DELETES;
  }

  #finish(go: Go): void {
    this.stop();
    this.#restUntil = this.#clock.monotonic() + REST_MS;
    const more = go.from + WINDOW < go.until;
    const kind = more ? go.kind : (kinds[(kinds.indexOf(go.kind) + 1) % kinds.length] ?? 'user');
    this.#db.write<void>(() => void this.#save.run(`${kind} ${more ? go.from + WINDOW : 1}`));
  }
}

function columnOf(reference: string): Column {
  const [table = '', column = ''] = reference.split('.');
  return { table, column };
}

function columnName({ column }: Column): string {
  return column;
}

// Fixed numbers stay, used or not.
function firstSwept(kind: SweptKind): number {
  return kind === 'event_type' || kind === 'state_key' ? FIRST_FREE_NID : 1;
}
