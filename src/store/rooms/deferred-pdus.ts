import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { EventNid, RoomNid, ServerNid } from '../nids.ts';

/** Stands for the event that is missing where none is. */
export const nothing = 0 as EventNid;

/** A verified event that cannot be judged yet. */
export interface DeferredPdu {
  readonly event: EventNid;
  readonly room: RoomNid;
  /** Who sent it. */
  readonly origin: ServerNid;
  /** One of the events that it lacks, or `nothing`. */
  readonly missing: EventNid;
  readonly redacted: boolean;
  /** Canonical JSON. */
  readonly body: string;
  readonly tries: number;
  readonly retryAt: Millis;
}

type Row = Omit<DeferredPdu, 'redacted'> & { readonly redacted: 0 | 1 };

/** Events of other servers that wait for what they cite. Writing methods belong inside a write. */
export class DeferredPduStore {
  readonly #due;
  readonly #next;
  readonly #ready;
  readonly #count;
  readonly #countIn;
  readonly #countOf;
  readonly #one;
  readonly #insert;
  readonly #postpone;
  readonly #hurry;
  readonly #remove;

  constructor(db: Database) {
    const columns = 'event, room, origin, missing, redacted, body, tries, retry_at AS retryAt';
    this.#due = db.prepare<[number, number], Row>(
      `SELECT ${columns} FROM deferred_pdu WHERE retry_at <= ? ORDER BY retry_at LIMIT ?`,
    );
    this.#next = db.prepare<[], { at: Millis }>(
      'SELECT retry_at AS at FROM deferred_pdu WHERE retry_at > 0 ORDER BY retry_at LIMIT 1',
    );
    this.#ready = db.prepare<[number, number], Row>(
      `SELECT ${columns} FROM deferred_pdu WHERE room = ?` +
        ' AND EXISTS (SELECT 1 FROM event WHERE event.nid = deferred_pdu.missing) LIMIT ?',
    );
    this.#count = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM deferred_pdu WHERE retry_at > 0');
    this.#countIn = db.prepare<[number], { count: number }>(
      'SELECT count(*) AS count FROM deferred_pdu WHERE room = ?',
    );
    this.#countOf = db.prepare<[number], { count: number }>(
      'SELECT count(*) AS count FROM deferred_pdu WHERE retry_at > 0 AND origin = ?',
    );
    this.#one = db.prepare<[number], Row>(`SELECT ${columns} FROM deferred_pdu WHERE event = ?`);
    this.#insert = db.prepare<[number, number, number, number, number, string, number, number], never>(
      'INSERT OR IGNORE INTO deferred_pdu (event, room, origin, missing, redacted, body, tries, retry_at)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#postpone = db.prepare<[number, number, number, number], never>(
      'UPDATE deferred_pdu SET missing = ?, tries = ?, retry_at = ? WHERE event = ?',
    );
    this.#hurry = db.prepare<[number, number], never>('UPDATE deferred_pdu SET tries = 0, retry_at = ? WHERE room = ?');
    this.#remove = db.prepare<[number], never>('DELETE FROM deferred_pdu WHERE event = ?');
  }

  /** Those whose time has come, at most `limit`. */
  due(now: Millis, limit: number): DeferredPdu[] {
    return this.#due.all(now, limit).map(read);
  }

  /** When the next is due. */
  next(): Millis | undefined {
    return this.#next.get()?.at;
  }

  /** Those of a room that lack something which is here by now, at most `limit`. */
  ready(room: RoomNid, limit: number): DeferredPdu[] {
    return this.#ready.all(room, limit).map(read);
  }

  /** How many wait in a room. */
  countIn(room: RoomNid): number {
    return this.#countIn.get(room)?.count ?? 0;
  }

  /** How many of one server wait. Looks at all that wait. */
  countOf(origin: ServerNid): number {
    return this.#countOf.get(origin)?.count ?? 0;
  }

  /** How many wait in all. */
  count(): number {
    return this.#count.get()?.count ?? 0;
  }

  find(event: EventNid): DeferredPdu | undefined {
    const row = this.#one.get(event);
    return row === undefined ? undefined : read(row);
  }

  add(pdu: DeferredPdu): void {
    const { event, room, origin, missing, redacted, body, tries, retryAt } = pdu;
    this.#insert.run(event, room, origin, missing, redacted ? 1 : 0, body, tries, retryAt);
  }

  postpone(event: EventNid, missing: EventNid, tries: number, retryAt: Millis): void {
    this.#postpone.run(missing, tries, retryAt, event);
  }

  /** Those of a room are due at once, as if they had not been tried. */
  hurry(room: RoomNid, now: Millis): void {
    this.#hurry.run(now, room);
  }

  remove(event: EventNid): void {
    this.#remove.run(event);
  }
}

function read(row: Row): DeferredPdu {
  return { ...row, redacted: row.redacted === 1 };
}
