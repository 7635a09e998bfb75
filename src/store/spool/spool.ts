import Sqlite from 'better-sqlite3';
import type { EventId, KeyId, ServerName } from '../../protocol/ids/types.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { EventNid } from '../nids.ts';

/** Where in the answer an event stood; an event of the state is mostly in the auth chain of another as well. */
export const spoolParts = { state: 1, authChain: 2 } as const;

/** What is known of an event without checking who sent it. */
export interface SpooledEvent {
  readonly eventId: EventId;
  /** A bit of `spoolParts`. */
  readonly part: number;
  readonly authEvents: readonly EventId[];
  readonly type: string;
  readonly stateKey: string;
  readonly signers: Iterable<{ readonly server: ServerName; readonly keyIds: readonly KeyId[] }>;
  readonly ts: Millis;
  /** The event as it came. */
  readonly body: Uint8Array;
}

export interface WaitingEvent {
  readonly nid: number;
  readonly eventId: EventId;
  readonly body: Buffer;
}

export interface SpooledEntry extends WaitingEvent {
  /** Its number in hearth.db if it was taken. */
  readonly event: EventNid | null;
}

/** What became of an event. `rejected`: it is stored, but in no state. */
export type SpoolOutcome = 'taken' | 'rejected' | 'dropped';

const statuses = { waiting: 0, taken: 1, rejected: 2, dropped: 3 } as const;

const schema = `
CREATE TABLE event (
  nid     INTEGER PRIMARY KEY,
  id      TEXT NOT NULL UNIQUE,
  parts   INTEGER NOT NULL,
  type    TEXT NOT NULL,
  skey    TEXT NOT NULL,
  status  INTEGER NOT NULL DEFAULT 0,  -- 0 waiting, 1 taken, 2 rejected, 3 dropped
  pending INTEGER NOT NULL DEFAULT 0,  -- auth events that are not settled
  event   INTEGER,                     -- its number in hearth.db
  body    BLOB NOT NULL
) STRICT;
CREATE INDEX event_ready ON event (status, pending, nid);
CREATE TABLE cites (
  child  INTEGER NOT NULL,
  parent TEXT NOT NULL,
  PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
CREATE TABLE signer (
  server TEXT NOT NULL,
  key_id TEXT NOT NULL,
  ts     INTEGER NOT NULL,
  PRIMARY KEY (server, key_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE entry (
  type TEXT NOT NULL,
  skey TEXT NOT NULL,
  nid  INTEGER NOT NULL,
  PRIMARY KEY (type, skey)
) STRICT, WITHOUT ROWID;`;

/** The page cache; the file itself grows as long as the answer does. */
const cacheKib = 2048;

/**
 * The events of one large answer on disk, unverified, in a file of its own that is thrown away afterwards. Hands them
 * out in an order in which every event comes behind those that authorise it, without ever holding them all.
 */
export class Spool implements Disposable {
  readonly #db: Sqlite.Database;
  readonly #discard: () => void;
  readonly #find;
  readonly #insert;
  readonly #addPart;
  readonly #entry;
  readonly #entryOf;
  readonly #cite;
  readonly #sign;
  readonly #ready;
  readonly #citers;
  readonly #settle;
  readonly #freed;
  readonly #outside;
  readonly #signers;
  readonly #state;
  readonly #left;

  /** `file` must not exist. `discard` removes it. */
  constructor(file: string, discard: () => void) {
    this.#discard = discard;
    this.#db = new Sqlite(file);
    // Nobody reads the file after a crash: it may be damaged then. The journal of a small write fits into memory.
    this.#db.pragma('journal_mode = MEMORY');
    this.#db.pragma('synchronous = OFF');
    this.#db.pragma('locking_mode = EXCLUSIVE');
    this.#db.pragma('temp_store = FILE');
    this.#db.pragma(`cache_size = -${cacheKib}`);
    this.#db.exec(schema);
    const prepare = <P extends unknown[], R>(sql: string) => this.#db.prepare<P, R>(sql);
    this.#find = prepare<[string], { nid: number; parts: number; type: string; skey: string }>(
      'SELECT nid, parts, type, skey FROM event WHERE id = ?',
    );
    this.#insert = prepare<[string, number, string, string, number, Uint8Array], never>(
      'INSERT INTO event (id, parts, type, skey, pending, body) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#addPart = prepare<[number, number], never>('UPDATE event SET parts = parts | ? WHERE nid = ?');
    this.#entry = prepare<[string, string, number], never>(
      'INSERT OR IGNORE INTO entry (type, skey, nid) VALUES (?, ?, ?)',
    );
    this.#entryOf = prepare<[string, string], SpooledEntry>(
      'SELECT event.nid, id AS eventId, body, CASE status WHEN 1 THEN event.event END AS event' +
        ' FROM entry CROSS JOIN event ON event.nid = entry.nid WHERE entry.type = ? AND entry.skey = ?',
    );
    this.#cite = prepare<[number, string], never>('INSERT OR IGNORE INTO cites (child, parent) VALUES (?, ?)');
    this.#sign = prepare<[string, string, number], never>(
      'INSERT INTO signer (server, key_id, ts) VALUES (?, ?, ?)' +
        ' ON CONFLICT (server, key_id) DO UPDATE SET ts = max(ts, excluded.ts)',
    );
    this.#ready = prepare<[number], WaitingEvent>(
      'SELECT nid, id AS eventId, body FROM event WHERE status = 0 AND pending = 0 ORDER BY nid LIMIT ?',
    );
    this.#citers = prepare<[string, number, number], { child: number }>(
      'SELECT child FROM cites WHERE parent = ? AND child > ? ORDER BY child LIMIT ?',
    );
    this.#settle = prepare<[number, number | null, number], never>(
      'UPDATE event SET status = ?, event = ? WHERE nid = ?',
    );
    this.#freed = prepare<[string], never>(
      'UPDATE event SET pending = pending - 1 WHERE nid IN (SELECT value FROM json_each(?))',
    );
    this.#outside = prepare<[string, number], { parent: EventId }>(
      'SELECT DISTINCT parent FROM cites WHERE parent > ?' +
        ' AND NOT EXISTS (SELECT 1 FROM event WHERE id = parent) ORDER BY parent LIMIT ?',
    );
    this.#signers = prepare<[string, string, number], { server: ServerName; keyId: KeyId; ts: number }>(
      'SELECT server, key_id AS keyId, ts FROM signer WHERE (server, key_id) > (?, ?) ORDER BY server, key_id LIMIT ?',
    );
    // The + keeps the planner from reading all that were taken and sorting them.
    this.#state = prepare<[number, number], { nid: number; event: EventNid }>(
      'SELECT nid, event FROM event WHERE nid > ? AND +status = 1 AND (parts & 1) <> 0 ORDER BY nid LIMIT ?',
    );
    this.#left = prepare<[], { count: number }>('SELECT count(*) AS count FROM event WHERE status = 0');
  }

  /** Runs `fn` in one transaction. */
  write<T>(fn: () => T): T {
    return this.#db.transaction(fn)();
  }

  /** Keeps an event. False for a second event of the state under one key. */
  put(event: SpooledEvent): boolean {
    const { eventId, part } = event;
    // In room versions 1 and 2 two events may claim one ID: the first is the one that is kept.
    const known = this.#find.get(eventId);
    const nid = known?.nid ?? this.#add(event);
    if (known !== undefined && (known.parts & part) === 0) this.#addPart.run(part, nid);
    if (part !== spoolParts.state || ((known?.parts ?? 0) & part) !== 0) return true;
    return this.#entry.run(known?.type ?? event.type, known?.skey ?? event.stateKey, nid).changes > 0;
  }

  #add({ eventId, part, authEvents, type, stateKey, signers, ts, body }: SpooledEvent): number {
    const parents = new Set(authEvents);
    const nid = Number(this.#insert.run(eventId, part, type, stateKey, parents.size, body).lastInsertRowid);
    for (const parent of parents) this.#cite.run(nid, parent);
    for (const { server, keyIds } of signers) for (const keyId of keyIds) this.#sign.run(server, keyId, ts);
    return nid;
  }

  /** The event of the state under a key. */
  entry(type: string, stateKey: string): SpooledEntry | undefined {
    return this.#entryOf.get(type, stateKey);
  }

  /** Servers and keys that signed, with the newest time of an event they signed, by server and key. */
  signers(after: { server: string; keyId: string }, limit: number) {
    return this.#signers
      .all(after.server, after.keyId, limit)
      .map(({ server, keyId, ts }) => ({ server, keyId, ts: millis(ts) }));
  }

  /** Events cited as authorising that are not among these, in the order of their IDs. */
  outside(after: string, limit: number): EventId[] {
    return this.#outside.all(after, limit).map(({ parent }) => parent);
  }

  /** Events all of whose auth events are settled. */
  ready(limit: number): WaitingEvent[] {
    return this.#ready.all(limit);
  }

  /** Records what became of an event; `nid`: its number in hearth.db. */
  settle(event: number, outcome: SpoolOutcome, nid?: EventNid): void {
    this.#settle.run(statuses[outcome], nid ?? null, event);
  }

  /** An event is settled: its children wait for one less. A page of them; where to go on, or `undefined` at the end. */
  free(eventId: EventId, after: number, limit: number): number | undefined {
    const children = this.#citers.all(eventId, after, limit).map(({ child }) => child);
    if (children.length > 0) this.#freed.run(JSON.stringify(children));
    return children.length < limit ? undefined : children.at(-1);
  }

  /** A page of the state: what was taken of it. `at` is where the next page begins. */
  state(after: number, limit: number): { readonly nid: number; readonly event: EventNid }[] {
    return this.#state.all(after, limit);
  }

  /** Events that could not be settled. */
  get left(): number {
    return this.#left.get()?.count ?? 0;
  }

  [Symbol.dispose](): void {
    this.#db.close();
    this.#discard();
  }
}
