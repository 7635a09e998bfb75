import type { Millis } from '../../util/brand.ts';
import type { Database, Statement } from '../db.ts';
import { memberships } from '../events/membership.ts';
import type { EventNid, RoomNid } from '../nids.ts';

export interface PendingPurge {
  readonly room: RoomNid;
  readonly stage: number;
  readonly cursor: number;
}

/** Rows deleted in a slice where each is one small row. */
const rows = 500;
/** Events deleted in a slice: each has rows in a dozen tables. */
const events = 60;
/** Numbers of events looked through in a slice; events of a room may be anywhere among all others. */
const window = 10_000;
/** Rows looked through in a slice of a table that no index tells the rooms of. */
const looked = 3_000;

/** Takes part in a slice: answers where the stage goes on; `undefined`: it is done. Inside a write. */
type Stage = (room: RoomNid, cursor: number) => number | undefined;

/**
 * Deletes everything that this server knows of a room, slice by slice. `begin` makes the room one that is not known
 * here; what is left after that is found by nobody. Writing methods belong inside a write.
 */
export class RoomPurgeStore {
  readonly #stages: readonly Stage[];
  readonly #due;
  readonly #find;
  readonly #insert;
  readonly #move;
  readonly #end;
  readonly #hideTables;
  readonly #guests;
  readonly #perUser;
  readonly #leftUsers;
  readonly #dropMember;

  constructor(db: Database) {
    this.#due = db.prepare<[number], PendingPurge>(
      'SELECT room, stage, cursor FROM room_purge WHERE room > 0 AND start <= ? ORDER BY room LIMIT 1',
    );
    this.#find = db.prepare<[number], 1>('SELECT 1 FROM room_purge WHERE room = ?').pluck();
    this.#insert = db.prepare<[number, number], never>('INSERT INTO room_purge (room, start) VALUES (?, ?)');
    this.#move = db.prepare<[number, number, number], never>(
      'UPDATE room_purge SET stage = ?, cursor = ? WHERE room = ?',
    );
    this.#end = db.prepare<[number], never>('DELETE FROM room_purge WHERE room = ?');
    this.#guests = db.prepare<[number, number, number, number], { event: EventNid }>(
      'SELECT event FROM local_member WHERE room = ? AND membership IN (?, ?, ?)',
    );
    this.#leftUsers = db
      .prepare<[number, number, number, number], number>(
        'SELECT user FROM local_member WHERE room = ? AND membership NOT IN (?, ?, ?)',
      )
      .pluck();
    this.#dropMember = db.prepare<[number, number], never>('DELETE FROM local_member WHERE user = ? AND room = ?');
    this.#hideTables = [
      'room_info',
      'open_room',
      'room_exemption',
      'outgoing_room',
      'empty_room',
      'room_cost',
      'room_activity',
      'outgrown_room',
      'history_floor',
      'thinning',
      'room_partial',
      'room_completion',
    ].map((table) => db.prepare<[number], never>(`DELETE FROM ${table} WHERE room = ?`));
    this.#perUser = ['push_action', 'push_read', 'unread', 'account_data'].map((table) =>
      db.prepare<[number, number], never>(`DELETE FROM ${table} WHERE user = ? AND room = ?`),
    );
    this.#stages = stagesOf(db, (room) => this.#keptEvents(room));
  }

  /** Whether somebody of ours is in the room, invited to it or knocking. */
  isOurs(room: RoomNid): boolean {
    const { join, invite, knock } = memberships;
    return this.#guests.get(room, join, invite, knock) !== undefined;
  }

  isPending(room: RoomNid): boolean {
    return this.#find.get(room) !== undefined;
  }

  /** From now on the room is not known here; its rows go from `start` on. While nobody of ours is in it. */
  begin(room: RoomNid, start: Millis): void {
    if (this.isPending(room)) return;
    this.#insert.run(room, start);
    for (const statement of this.#hideTables) statement.run(room);
    const { join, invite, knock } = memberships;
    for (const user of this.#leftUsers.all(room, join, invite, knock)) {
      for (const statement of this.#perUser) statement.run(user, room);
      this.#dropMember.run(user, room);
    }
  }

  /** A room whose turn it is. */
  due(now: Millis): PendingPurge | undefined {
    return this.#due.get(now);
  }

  /** Deletes a slice; false: nothing is left of the room. */
  slice({ room, stage, cursor }: PendingPurge): boolean {
    const run = this.#stages[stage];
    if (run === undefined) {
      this.#end.run(room);
      return false;
    }
    const next = run(room, cursor);
    this.#move.run(next === undefined ? stage + 1 : stage, next ?? 0, room);
    return true;
  }

  /** What invites that have come meanwhile rest on. */
  #keptEvents(room: RoomNid): ReadonlySet<number> {
    const { join, invite, knock } = memberships;
    return new Set(this.#guests.all(room, join, invite, knock).map(({ event }) => event));
  }
}

/** In this order: what only an event's row tells the room of goes before the events. */
function stagesOf(db: Database, kept: (room: RoomNid) => ReadonlySet<number>): Stage[] {
  const ofRoom = (room: string) => `(SELECT 1 FROM event WHERE event.nid = ${room} AND event.room = @room)`;
  return [
    direct(db, 'thread', 'root'),
    // What is told to others of the room. Positions are their order, and the newest are last.
    walk(db, 'outgoing', 'pos', 'room = @room'),
    walk(db, 'addressed_event', 'pos', `EXISTS ${ofRoom('event')}`),
    walk(db, 'redaction', 'target', `EXISTS ${ofRoom('target')} OR EXISTS ${ofRoom('redaction')}`),
    walk(db, 'pending_redaction', 'target', `EXISTS ${ofRoom('target')} OR EXISTS ${ofRoom('redaction')}`),
    walk(db, 'relation', 'target', 'segment IN (SELECT nid FROM segment WHERE room = @room)'),
    walk(db, 'report', 'nid', 'room = @room'),
    walk(db, 'account_data', 'user', 'room = @room'),
    walk(db, 'notice_room', 'user', 'room = @room'),
    ...directly(db),
    below(db, 'state_change', 'line', 'key'),
    below(db, 'timeline', 'segment', 'idx'),
    below(db, 'history_state', 'segment', 'key'),
    eventStage(db, kept),
    direct(db, 'line', 'nid'),
    direct(db, 'segment', 'nid'),
  ];
}

/** Tables that begin with the room, or have an index that does. */
function directly(db: Database): Stage[] {
  const tables: [table: string, key: string][] = [
    ['current_state', 'key'],
    ['partial_event', 'nr'],
    ['redacted_original', 'target'],
    ['member', 'user'],
    ['merged_point', 'inputs'],
    ['unsettled_room', 'room'],
    ['room_server', 'server'],
    ['receipt', 'user'],
    ['room_line', 'from_pos'],
    ['forward_extremity', 'event'],
    ['backward_extremity', 'parent'],
    ['alias', 'alias'],
    ['deferred_pdu', 'event'],
    ['kept_message', 'event'],
    ['cited_event', 'event'],
    ['delayed_event', 'id'],
  ];
  return tables.map(([table, key]) => direct(db, table, key));
}

/** `key`: a column that the room's rows differ by, with few rows for a value. */
function direct(db: Database, table: string, key: string, column = 'room'): Stage {
  const remove = slices(db, table, key, column);
  return (room) => (remove(room) ? 0 : undefined);
}

/** Deletes rows; true: there may be more. */
function slices(db: Database, table: string, key: string, column: string): (value: number) => boolean {
  const statement = db.prepare<[number, number, number], never>(
    `DELETE FROM ${table} WHERE ${column} = ? AND ${key} IN (SELECT ${key} FROM ${table} WHERE ${column} = ? LIMIT ?)`,
  );
  return (value) => statement.run(value, value, rows).changes >= rows;
}

/** Tables whose rows belong to a line or a segment of the room: `column` is the name of that table, too. */
function below(db: Database, table: string, column: string, key: string): Stage {
  const parent = column;
  const next = db
    .prepare<[number, number], number | null>(`SELECT min(nid) FROM ${parent} WHERE room = ? AND nid > ?`)
    .pluck();
  const remove = slices(db, table, key, column);
  return (room, cursor) => {
    const nid = next.get(room, cursor) ?? undefined;
    if (nid === undefined) return undefined;
    return remove(nid) ? cursor : nid;
  };
}

/** Tables that only a look at every row tells the rooms of. `key` is a number by which they are sorted. */
function walk(db: Database, table: string, key: string, where: string): Stage {
  const next = db
    .prepare<[number, number], number | null>(
      `SELECT max(${key}) FROM (SELECT ${key} FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ?)`,
    )
    .pluck();
  const statement = db.prepare<{ room: number; from: number; upTo: number }, never>(
    `DELETE FROM ${table} WHERE ${key} > @from AND ${key} <= @upTo AND (${where})`,
  );
  return (room, cursor) => {
    const upTo = next.get(cursor, looked) ?? undefined;
    if (upTo === undefined) return undefined;
    statement.run({ room, from: cursor, upTo });
    return upTo;
  };
}

function eventStage(db: Database, kept: (room: RoomNid) => ReadonlySet<number>): Stage {
  const last = db.prepare<[], number | null>('SELECT max(nid) FROM event').pluck();
  const some = db.prepare<[number, number, number, number], { nid: number; pos: number | null }>(
    'SELECT nid, pos FROM event WHERE nid > ? AND nid <= ? AND room = ? ORDER BY nid LIMIT ?',
  );
  const byNid: Statement<[number], never>[] = [
    'DELETE FROM event_after WHERE event = ?',
    'DELETE FROM event_raw WHERE nid = ?',
    'DELETE FROM event_body WHERE nid = ?',
    'DELETE FROM event_edge WHERE child = ?',
    'DELETE FROM event_txn WHERE event = ?',
    'DELETE FROM auth_node WHERE event = ?',
    'DELETE FROM auth_child WHERE parent = ?',
    'DELETE FROM relation WHERE target = ?',
    'DELETE FROM history_state WHERE segment = -?',
    'DELETE FROM message_text WHERE rowid = ?',
    'DELETE FROM event WHERE nid = ?',
  ].map((sql) => db.prepare<[number], never>(sql));
  const byPos = db.prepare<[number, number], never>('DELETE FROM stream_event WHERE pos = ? AND room = ?');
  return (room, cursor) => {
    if (cursor >= (last.get() ?? 0)) return undefined;
    const upTo = cursor + window;
    const found = some.all(cursor, upTo, room, events);
    const stay = kept(room);
    for (const { nid, pos } of found) {
      if (stay.has(nid)) continue;
      for (const statement of byNid) statement.run(nid);
      if (pos !== null) byPos.run(pos, room);
    }
    return found.length < events ? upTo : (found.at(-1)?.nid ?? upTo);
  };
}
