import Sqlite from 'better-sqlite3';
import type { EventId, KeyId, ServerName } from '../../protocol/ids/types.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { EventNid } from '../nids.ts';
import { SpoolServers } from './spool-servers.ts';
import { type SpooledSigners, SpoolUrgency, urgencies } from './spool-urgency.ts';

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
  readonly signers: SpooledSigners;
  readonly ts: Millis;
  /** The event as it came. */
  readonly body: Uint8Array;
}

export interface WaitingEvent {
  readonly nid: number;
  readonly body: Buffer;
}

export interface SpooledEntry {
  readonly nid: number;
  readonly eventId: EventId;
  /** Its number in hearth.db if it was taken. */
  readonly event: EventNid | null;
}

/** What became of an event. `rejected`: it is stored, but in no state. */
export type SpoolOutcome = 'taken' | 'rejected' | 'dropped';

export interface SettledEvent {
  readonly nid: number;
  readonly outcome: SpoolOutcome;
  /** Its number in hearth.db. */
  readonly event?: EventNid | undefined;
}

export interface SpooledSigner {
  /** Where the next page goes on. */
  readonly nid: number;
  readonly server: ServerName;
  readonly keyId: KeyId;
  /** The newest time of an event that it signed. */
  readonly ts: Millis;
}

export interface SpooledKey {
  readonly nid: number;
  /** The public key, and until when what it signed counts. */
  readonly key: Uint8Array;
  readonly validUntil: number;
}

const statuses = { waiting: 0, taken: 1, rejected: 2, dropped: 3, handedOut: 4, cited: 5, known: 6 } as const;

const schema = `
CREATE TABLE event (
  nid     INTEGER PRIMARY KEY,
  id      TEXT NOT NULL UNIQUE,
  parts   INTEGER NOT NULL DEFAULT 0,
  status  INTEGER NOT NULL DEFAULT 5,  -- 0 waiting, 1 taken, 2 rejected, 3 dropped, 4 handed out, 5 cited only, 6 known elsewhere
  pending INTEGER NOT NULL DEFAULT 0,  -- auth events that are not settled
  event   INTEGER,                     -- its number in hearth.db
  key     INTEGER,                     -- of entry
  urgency INTEGER NOT NULL DEFAULT 0   -- 1 taken before others, and so is what it cites, 2 that is marked
) STRICT;
CREATE INDEX event_ready ON event (nid) WHERE status = 0 AND pending = 0;
CREATE INDEX event_urgent ON event (nid) WHERE status = 0 AND pending = 0 AND urgency = 2;
CREATE INDEX event_next ON event (nid) WHERE urgency = 1;
CREATE INDEX event_outside ON event (nid) WHERE status = 5;
CREATE TABLE body (
  nid   INTEGER PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT;
CREATE TABLE cites (
  parent INTEGER NOT NULL,
  child  INTEGER NOT NULL,
  PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
CREATE TABLE signer (
  nid         INTEGER PRIMARY KEY,
  server      TEXT NOT NULL,
  key_id      TEXT NOT NULL,
  ts          INTEGER NOT NULL,
  key         BLOB,
  valid_until INTEGER,
  urgent      INTEGER NOT NULL DEFAULT 0,
  UNIQUE (server, key_id)
) STRICT;
CREATE INDEX signer_urgent ON signer (nid) WHERE urgent = 1;
CREATE TABLE server (
  nid  INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE            -- of one that is in the room
) STRICT;
CREATE TABLE entry (
  nid   INTEGER PRIMARY KEY,
  type  TEXT NOT NULL,
  skey  TEXT NOT NULL,
  event INTEGER,                       -- of the state
  UNIQUE (type, skey)
) STRICT;`;

/** The page cache; the file itself grows as long as the answer does. */
const cacheKib = 2048;

/**
 * The events of one large answer on disk, unverified, in a file of its own that is thrown away afterwards. Hands them
 * out in an order in which every event comes behind those that authorise it, without ever holding them all.
 */
export class Spool implements Disposable {
  readonly urgency: SpoolUrgency;
  readonly servers: SpoolServers;
  readonly #db: Sqlite.Database;
  readonly #find;
  readonly #cited;
  readonly #fill;
  readonly #addPart;
  readonly #keepBody;
  readonly #findKey;
  readonly #addKey;
  readonly #setKey;
  readonly #entryOf;
  readonly #cite;
  readonly #sign;
  readonly #ready;
  readonly #waiting;
  readonly #status;
  readonly #freed;
  readonly #outside;
  readonly #signers;
  readonly #setSigner;
  readonly #signer;
  readonly #state;

  /** `file` must not exist. */
  constructor(file: string) {
    this.#db = openFile(file);
    this.urgency = new SpoolUrgency(this.#db);
    this.servers = new SpoolServers(this.#db);
    const prepare = <P extends unknown[], R>(sql: string) => this.#db.prepare<P, R>(sql);
    this.#find = prepare<[string], { nid: number; parts: number; status: number; key: number | null }>(
      'SELECT nid, parts, status, key FROM event WHERE id = ?',
    );
    this.#cited = prepare<[string], never>('INSERT INTO event (id) VALUES (?)');
    this.#fill = prepare<[number, number, number, number], never>(
      `UPDATE event SET status = ${statuses.waiting}, parts = ?, pending = ?, key = ? WHERE nid = ?`,
    );
    this.#addPart = prepare<[number, number], never>('UPDATE event SET parts = parts | ? WHERE nid = ?');
    this.#keepBody = prepare<[number, Uint8Array], never>('INSERT INTO body (nid, bytes) VALUES (?, ?)');
    this.#findKey = prepare<[string, string], { nid: number }>('SELECT nid FROM entry WHERE type = ? AND skey = ?');
    this.#addKey = prepare<[string, string], never>('INSERT INTO entry (type, skey) VALUES (?, ?)');
    this.#setKey = prepare<[number, number], never>('UPDATE entry SET event = ? WHERE nid = ? AND event IS NULL');
    this.#entryOf = prepare<[string, string], SpooledEntry>(
      'SELECT event.nid, id AS eventId, CASE status WHEN 1 THEN event.event END AS event' +
        ' FROM entry CROSS JOIN event ON event.nid = entry.event WHERE entry.type = ? AND entry.skey = ?',
    );
    this.#cite = prepare<[number, number], never>('INSERT OR IGNORE INTO cites (parent, child) VALUES (?, ?)');
    this.#sign = prepare<[string, string, number], never>(
      'INSERT INTO signer (server, key_id, ts) VALUES (?, ?, ?)' +
        ' ON CONFLICT (server, key_id) DO UPDATE SET ts = excluded.ts WHERE excluded.ts > ts',
    );
    this.#ready = { all: readyOf(this.#db, ''), urgent: readyOf(this.#db, ` AND urgency = ${urgencies.urgent}`) };
    this.#waiting = prepare<[number, number], { nid: number; eventId: EventId }>(
      `SELECT nid, id AS eventId FROM event WHERE nid > ? AND +status = ${statuses.waiting} ORDER BY nid LIMIT ?`,
    );
    this.#status = prepare<[number, number | null, number], never>(
      'UPDATE event SET status = ?, event = ? WHERE nid = ?',
    );
    this.#freed = prepare<[number], never>(
      'UPDATE event SET pending = pending - 1 WHERE nid IN (SELECT child FROM cites WHERE parent = ?)',
    );
    this.#outside = prepare<[number, number], { nid: number; eventId: EventId }>(
      `SELECT nid, id AS eventId FROM event WHERE status = ${statuses.cited} AND nid > ? ORDER BY nid LIMIT ?`,
    );
    this.#signers = { all: signersOf(this.#db, ' AND key IS NULL'), urgent: signersOf(this.#db, ' AND urgent = 1') };
    this.#setSigner = prepare<[Uint8Array, number, number], never>(
      'UPDATE signer SET key = ?, valid_until = ? WHERE nid = ?',
    );
    this.#signer = prepare<[string, string], { key: Buffer | null; validUntil: number | null }>(
      'SELECT key, valid_until AS validUntil FROM signer WHERE server = ? AND key_id = ?',
    );
    // The + keeps the planner from reading all that were taken and sorting them.
    this.#state = prepare<[number, number], { nid: number; event: EventNid }>(
      'SELECT nid, event FROM event WHERE nid > ? AND +status = 1 AND (parts & 1) <> 0 ORDER BY nid LIMIT ?',
    );
  }

  /** Runs `fn` in one transaction. */
  write<T>(fn: () => T): T {
    return this.#db.transaction(fn)();
  }

  /** Keeps an event. False for a second event of the state under one key. Before anything is handed out. */
  put(event: SpooledEvent): boolean {
    const { eventId, part } = event;
    const found = this.#find.get(eventId);
    // In room versions 1 and 2 two events may claim one ID: the first is the one that is kept.
    const known = found?.status === statuses.cited ? undefined : found;
    const isMore = ((known?.parts ?? 0) & part) === 0;
    if (known !== undefined && isMore) this.#addPart.run(part, known.nid);
    const { nid, key } = known ?? this.#fillIn(event, found?.nid ?? this.#idOf(eventId));
    if (part !== spoolParts.state || !isMore) return true;
    return this.#setKey.run(nid, key as number).changes > 0;
  }

  #fillIn({ eventId: _id, part, authEvents, type, stateKey, signers, ts, body }: SpooledEvent, nid: number) {
    const parents = new Set(authEvents);
    const key = this.#findKey.get(type, stateKey)?.nid ?? Number(this.#addKey.run(type, stateKey).lastInsertRowid);
    this.#fill.run(part, parents.size, key, nid);
    this.#keepBody.run(nid, body);
    for (const parent of parents) this.#cite.run(this.#find.get(parent)?.nid ?? this.#idOf(parent), nid);
    for (const { server, keyIds } of signers) for (const keyId of keyIds) this.#sign.run(server, keyId, ts);
    return { nid, key };
  }

  #idOf(eventId: EventId): number {
    return Number(this.#cited.run(eventId).lastInsertRowid);
  }

  /** The event of the state under a key. */
  entry(type: string, stateKey: string): SpooledEntry | undefined {
    return this.#entryOf.get(type, stateKey);
  }

  /**
   * Servers and keys that signed, in the order in which they came: those whose public keys are not known yet, or those
   * that signed what is urgent.
   */
  signers(after: number, limit: number, onlyUrgent = false): SpooledSigner[] {
    const statement = onlyUrgent ? this.#signers.urgent : this.#signers.all;
    return statement.all(after, limit).map((signer) => ({ ...signer, ts: millis(signer.ts) }));
  }

  /** A page of the events that nothing is known of yet but what they say. */
  waiting(after: number, limit: number): { readonly nid: number; readonly eventId: EventId }[] {
    return this.#waiting.all(after, limit);
  }

  /** Public keys that were found out. */
  setKeys(keys: readonly SpooledKey[]): void {
    for (const { nid, key, validUntil } of keys) this.#setSigner.run(key, validUntil, nid);
  }

  key(server: ServerName, keyId: KeyId): { readonly key: Buffer; readonly validUntil: number } | undefined {
    const row = this.#signer.get(server, keyId);
    const key = row?.key ?? undefined;
    return key && { key, validUntil: row?.validUntil ?? 0 };
  }

  /** Events cited as authorising that are not among these. */
  outside(after: number, limit: number): { readonly nid: number; readonly eventId: EventId }[] {
    return this.#outside.all(after, limit);
  }

  /** Cited events that are stored elsewhere: those that cite them need not wait for them. */
  known(nids: readonly number[]): void {
    for (const nid of nids) {
      this.#status.run(statuses.known, null, nid);
      this.#freed.run(nid);
    }
  }

  /**
   * Hands out events all of whose auth events are settled: up to so many, and at least one, with up to so many bytes.
   * They are handed out once.
   */
  ready(limit: number, maxBytes: number, onlyUrgent = false): WaitingEvent[] {
    const events: WaitingEvent[] = [];
    let bytes = 0;
    const statement = onlyUrgent ? this.#ready.urgent : this.#ready.all;
    for (const event of statement.iterate()) {
      bytes += event.body.length;
      if (events.length > 0 && bytes > maxBytes) break;
      events.push(event);
      if (events.length === limit) break;
    }
    for (const { nid } of events) this.#status.run(statuses.handedOut, null, nid);
    return events;
  }

  /** Records what became of events: what cites those that are stored waits for one less. */
  settle(events: readonly SettledEvent[]): void {
    for (const { nid, outcome, event } of events) {
      this.#status.run(statuses[outcome], event ?? null, nid);
      if (outcome !== 'dropped') this.#freed.run(nid);
    }
  }

  /** A page of the state: what was taken of it. */
  state(after: number, limit: number): { readonly nid: number; readonly event: EventNid }[] {
    return this.#state.all(after, limit);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function openFile(file: string): Sqlite.Database {
  const db = new Sqlite(file);
  // Nobody reads the file after a crash: it may be damaged then. The journal of a small write fits into memory.
  db.pragma('journal_mode = MEMORY');
  db.pragma('synchronous = OFF');
  db.pragma('locking_mode = EXCLUSIVE');
  db.pragma('temp_store = FILE');
  db.pragma(`cache_size = -${cacheKib}`);
  db.exec(schema);
  return db;
}

function readyOf(db: Sqlite.Database, which: string) {
  return db.prepare<[], WaitingEvent>(
    `SELECT event.nid, bytes AS body FROM event CROSS JOIN body ON body.nid = event.nid` +
      ` WHERE status = ${statuses.waiting} AND pending = 0${which} AND event.nid > 0 ORDER BY event.nid`,
  );
}

function signersOf(db: Sqlite.Database, which: string) {
  return db.prepare<[number, number], { nid: number; server: ServerName; keyId: KeyId; ts: number }>(
    `SELECT nid, server, key_id AS keyId, ts FROM signer WHERE nid > ?${which} ORDER BY nid LIMIT ?`,
  );
}
