import type Sqlite from 'better-sqlite3';
import type { EventId } from '../../protocol/ids/types.ts';
import type { Millis } from '../../util/brand.ts';
import type { EventNid } from '../nids.ts';
import { openSpoolFile, statuses } from './spool-schema.ts';
import { SpoolServers } from './spool-servers.ts';
import { type SpooledSigners, SpoolSigners } from './spool-signers.ts';
import { SpoolUrgency, urgencies } from './spool-urgency.ts';

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

/**
 * The events of one large answer on disk, unverified, in a file of its own that is thrown away afterwards. Hands them
 * out in an order in which every event comes behind those that authorise it, without ever holding them all. How far
 * that is stands in another file.
 */
export class Spool implements Disposable {
  readonly urgency: SpoolUrgency;
  readonly servers: SpoolServers;
  readonly signers: SpoolSigners;
  readonly #db: Sqlite.Database;
  readonly #find;
  readonly #cited;
  readonly #citedOnly;
  readonly #fill;
  readonly #wait;
  readonly #addPart;
  readonly #keepBody;
  readonly #findKey;
  readonly #addKey;
  readonly #setKey;
  readonly #entryOf;
  readonly #cite;
  readonly #ready;
  readonly #waiting;
  readonly #status;
  readonly #freed;
  readonly #outside;
  readonly #state;
  readonly #beginAnew;

  /** `file` must not exist, or hold a complete answer: then it is taken over from the beginning, see `beginAnew`. */
  constructor(file: string, isNew = true) {
    this.#db = openSpoolFile(file, isNew);
    this.urgency = new SpoolUrgency(this.#db);
    this.servers = new SpoolServers(this.#db);
    this.signers = new SpoolSigners(this.#db);
    const prepare = <P extends unknown[], R>(sql: string) => this.#db.prepare<P, R>(sql);
    this.#find = prepare<[string], { nid: number; parts: number; key: number | null }>(
      'SELECT nid, parts, key FROM event WHERE id = ?',
    );
    this.#cited = prepare<[string], never>('INSERT INTO event (id) VALUES (?)');
    this.#citedOnly = prepare<[number], never>('INSERT INTO progress (nid) VALUES (?)');
    this.#fill = prepare<[number, number, number, number], never>(
      'UPDATE event SET parts = ?, parents = ?, key = ? WHERE nid = ?',
    );
    this.#wait = prepare<[number, number], never>(
      `UPDATE progress SET status = ${statuses.waiting}, pending = ? WHERE nid = ?`,
    );
    this.#addPart = prepare<[number, number], never>('UPDATE event SET parts = parts | ? WHERE nid = ?');
    this.#keepBody = prepare<[number, Uint8Array], never>('INSERT INTO body (nid, bytes) VALUES (?, ?)');
    this.#findKey = prepare<[string, string], { nid: number }>('SELECT nid FROM entry WHERE type = ? AND skey = ?');
    this.#addKey = prepare<[string, string], never>('INSERT INTO entry (type, skey) VALUES (?, ?)');
    this.#setKey = prepare<[number, number], never>('UPDATE entry SET event = ? WHERE nid = ? AND event IS NULL');
    this.#entryOf = prepare<[string, string], SpooledEntry>(
      'SELECT event.nid, id AS eventId, CASE status WHEN 1 THEN progress.event END AS event' +
        ' FROM entry CROSS JOIN event ON event.nid = entry.event CROSS JOIN progress ON progress.nid = event.nid' +
        ' WHERE entry.type = ? AND entry.skey = ?',
    );
    this.#cite = prepare<[number, number], never>('INSERT OR IGNORE INTO cites (parent, child) VALUES (?, ?)');
    this.#ready = { all: readyOf(this.#db, ''), urgent: readyOf(this.#db, ` AND urgency = ${urgencies.urgent}`) };
    this.#waiting = prepare<[number, number], { nid: number; eventId: EventId }>(
      'SELECT progress.nid, id AS eventId FROM progress CROSS JOIN event ON event.nid = progress.nid' +
        ` WHERE progress.nid > ? AND +status = ${statuses.waiting} ORDER BY progress.nid LIMIT ?`,
    );
    this.#status = prepare<[number, number | null, number], never>(
      'UPDATE progress SET status = ?, event = ? WHERE nid = ?',
    );
    this.#freed = prepare<[number], never>(
      'UPDATE progress SET pending = pending - 1 WHERE nid IN (SELECT child FROM cites WHERE parent = ?)',
    );
    this.#outside = prepare<[number, number], { nid: number; eventId: EventId }>(
      'SELECT progress.nid, id AS eventId FROM progress CROSS JOIN event ON event.nid = progress.nid' +
        ` WHERE status = ${statuses.cited} AND progress.nid > ? ORDER BY progress.nid LIMIT ?`,
    );
    // The + keeps the planner from reading all that were taken and sorting them.
    this.#state = prepare<[number, number], { nid: number; event: EventNid }>(
      'SELECT progress.nid, progress.event FROM progress CROSS JOIN event ON event.nid = progress.nid' +
        ' WHERE progress.nid > ? AND +status = 1 AND (parts & 1) <> 0 ORDER BY progress.nid LIMIT ?',
    );
    this.#beginAnew = prepare<[number, number], { nid: number }>(
      'INSERT INTO progress (nid, status, pending)' +
        ` SELECT nid, CASE parts WHEN 0 THEN ${statuses.cited} ELSE ${statuses.waiting} END, parents` +
        ' FROM event WHERE nid > ? ORDER BY nid LIMIT ? RETURNING nid',
    );
  }

  /** Of an answer that was complete before: so many more events wait to be taken over. Where to go on; `undefined`: that was all. */
  beginAnew(after: number, limit: number): number | undefined {
    const added = this.#beginAnew.all(after, limit);
    return added.length < limit ? undefined : Math.max(...added.map(({ nid }) => nid));
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
    const known = found?.parts === 0 ? undefined : found;
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
    this.#wait.run(parents.size, nid);
    this.#keepBody.run(nid, body);
    for (const parent of parents) this.#cite.run(this.#find.get(parent)?.nid ?? this.#idOf(parent), nid);
    this.signers.add(signers, ts);
    return { nid, key };
  }

  #idOf(eventId: EventId): number {
    const nid = Number(this.#cited.run(eventId).lastInsertRowid);
    this.#citedOnly.run(nid);
    return nid;
  }

  /** The event of the state under a key. */
  entry(type: string, stateKey: string): SpooledEntry | undefined {
    return this.#entryOf.get(type, stateKey);
  }

  /** A page of the events that nothing is known of yet but what they say. */
  waiting(after: number, limit: number): { readonly nid: number; readonly eventId: EventId }[] {
    return this.#waiting.all(after, limit);
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

function readyOf(db: Sqlite.Database, which: string) {
  return db.prepare<[], WaitingEvent>(
    `SELECT progress.nid, bytes AS body FROM progress CROSS JOIN body ON body.nid = progress.nid` +
      ` WHERE status = ${statuses.waiting} AND pending = 0${which} AND progress.nid > 0 ORDER BY progress.nid`,
  );
}
