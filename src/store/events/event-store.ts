import type { EventLike } from '../../protocol/events/redact.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { JsonObject } from '../../util/json.ts';
import { BodyReader } from '../bodies/body-reader.ts';
import { bodyTables, storedBody } from '../bodies/unpack.ts';
import type { Preparing } from '../database/reader.ts';
import type { Interning } from '../interning/interning.ts';
import type { EventNid, StatePoint, StreamPos } from '../nids.ts';
import { type EventRow, eventColumns, type NewEvent } from './event-row.ts';
import { PassingEvent, type PassingRow } from './passing-event.ts';

/** Numbers of an event may lie outside what a column or a double holds; order survives the clamp. */
function clamp(value: number): number {
  const whole = Math.trunc(value);
  return Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number.isNaN(whole) ? 0 : whole));
}

/** What is read together is what a young collection finds alive, each with a body of some hundred bytes or more. */
const bodiesAtOnce = 8;

/** Event rows, their bodies and their `prev_events` edges. Writing methods belong inside a write. */
export class EventStore {
  readonly #bodies: BodyReader;
  readonly #interning: Interning;
  readonly #row;
  readonly #rows;
  readonly #passing;
  readonly #parents;
  readonly #after;
  readonly #insertRow;
  readonly #insertBody;
  readonly #replaceBody;
  readonly #dropPacked;
  readonly #insertEdge;
  readonly #updateFlags;
  readonly #updateBefore;
  readonly #updatePlace;
  readonly #upsertAfter;
  readonly #deleteAfter;

  constructor(db: Preparing, interning: Interning) {
    this.#interning = interning;
    this.#bodies = new BodyReader(db, interning);
    this.#row = db.prepare<[number], EventRow>(`SELECT ${eventColumns} FROM event WHERE nid = ?`);
    this.#rows = db.prepare<[string], EventRow>(
      `SELECT ${eventColumns} FROM json_each(?) AS wanted CROSS JOIN event ON event.nid = wanted.value`,
    );
    this.#passing = db.prepare<[string], PassingRow>(
      `SELECT ${eventColumns}, ${storedBody} FROM json_each(?) AS wanted` +
        ` CROSS JOIN event ON event.nid = wanted.value ${bodyTables}`,
    );
    this.#parents = db.prepare<[number], { parent: EventNid }>('SELECT parent FROM event_edge WHERE child = ?');
    this.#after = db.prepare<[number], StatePoint>('SELECT line, line_pos AS pos FROM event_after WHERE event = ?');
    this.#insertRow = db.prepare<unknown[], never>(
      'INSERT INTO event (nid, room, type, sender, state_key, depth, ts, flags, membership, pos, segment, idx, line, line_pos)' +
        ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    this.#insertBody = db.prepare<[number, Buffer], never>('INSERT INTO event_raw (nid, body) VALUES (?, ?)');
    this.#replaceBody = db.prepare<[number, Buffer], never>(
      'INSERT OR REPLACE INTO event_raw (nid, body) VALUES (?, ?)',
    );
    this.#dropPacked = db.prepare<[number], never>('DELETE FROM event_body WHERE nid = ?');
    this.#insertEdge = db.prepare<[number, number], never>(
      'INSERT OR IGNORE INTO event_edge (child, parent) VALUES (?, ?)',
    );
    this.#updateFlags = db.prepare<[number, number, number], never>(
      'UPDATE event SET flags = (flags | ?) & ~? WHERE nid = ?',
    );
    this.#updateBefore = db.prepare<[number, number, number], never>(
      'UPDATE event SET line = ?, line_pos = ? WHERE nid = ?',
    );
    this.#updatePlace = db.prepare<[number | null, number | null, number | null, number], never>(
      'UPDATE event SET pos = ?, segment = ?, idx = ? WHERE nid = ?',
    );
    this.#upsertAfter = db.prepare<[number, number, number], never>(
      'INSERT OR REPLACE INTO event_after (event, line, line_pos) VALUES (?, ?, ?)',
    );
    this.#deleteAfter = db.prepare<[number], never>('DELETE FROM event_after WHERE event = ?');
  }

  /** Stores the row, the edges and the raw body, which waits there to be packed. */
  insert(event: NewEvent): void {
    this.#insertRow.run(
      event.nid,
      event.room,
      event.type,
      event.sender,
      event.stateKey,
      clamp(event.depth),
      clamp(event.ts),
      event.flags,
      event.membership ?? null,
      event.pos ?? null,
      event.segment ?? null,
      event.idx ?? null,
      event.before?.line ?? null,
      event.before?.pos ?? null,
    );
    this.#insertBody.run(event.nid, Buffer.from(event.canonical));
    for (const parent of event.parents) this.#insertEdge.run(event.nid, parent);
  }

  row(nid: EventNid): EventRow | undefined {
    return this.#row.get(nid);
  }

  /** The rows that exist, in the order asked for. */
  rows(nids: readonly EventNid[]): EventRow[] {
    return nids.length === 0 ? [] : this.#rows.all(JSON.stringify(nids));
  }

  /**
   * Events with their bodies, in the order asked for, for what is gone through once: nothing of it is cached. They are
   * read a few at a time, as they are asked for.
   */
  *passing(nids: readonly EventNid[]): Generator<PassingEvent> {
    for (let at = 0; at < nids.length; at += bodiesAtOnce) {
      const names = this.#interning.pageNames();
      const rows = this.#passing.all(JSON.stringify(nids.slice(at, at + bodiesAtOnce)));
      for (const row of rows) yield new PassingEvent(row, names);
    }
  }

  /** The event as it was signed. Throws if there is none. */
  pdu(nid: EventNid): JsonObject {
    return this.#bodies.one(nid, 'whole');
  }

  /** The same for hashing and passing on: numbers that a double would change stay as they were signed. Throws likewise. */
  exact(nid: EventNid): EventLike {
    return parseExactJson(this.#bodies.canonical(nid)) as EventLike;
  }

  /** The event without `hashes` and `signatures`, as the auth rules read it. Cheaper than `pdu`. */
  unsealed(nid: EventNid): JsonObject {
    return this.#bodies.one(nid, 'unsealed');
  }

  /** The event without anything that only servers see: no seals, edges, depth. For showing; several times cheaper. */
  bare(nid: EventNid): JsonObject {
    return this.#bodies.one(nid, 'shown');
  }

  /** The canonical JSON of the event, byte for byte as it was inserted. */
  canonical(nid: EventNid): string {
    return this.#bodies.canonical(nid);
  }

  /** Several events like `canonical`, in the order asked for; what does not exist is left out. */
  canonicals(nids: readonly EventNid[]): Map<EventNid, string> {
    return this.#bodies.canonicals(nids);
  }

  /** Several events; what does not exist is left out. */
  pdus(nids: readonly EventNid[]): Map<EventNid, JsonObject> {
    return this.#bodies.many(nids, 'whole');
  }

  /** Several events like `bare`; what does not exist is left out. */
  bares(nids: readonly EventNid[]): Map<EventNid, JsonObject> {
    return this.#bodies.many(nids, 'shown');
  }

  /** Puts another body in place of an event's own: its redacted form. */
  replaceBody(nid: EventNid, canonical: string): void {
    this.#replaceBody.run(nid, Buffer.from(canonical));
    this.#dropPacked.run(nid);
  }

  /** Sets and clears bits of `eventFlags`. */
  setFlags(nid: EventNid, set: number, clear: number): void {
    this.#updateFlags.run(set, clear, nid);
  }

  /** Moves the point of the state before an event: after a correction, or once an outlier gets its place. */
  setBefore(nid: EventNid, before: StatePoint): void {
    this.#updateBefore.run(before.line, before.pos, nid);
  }

  /** Gives an event its places in the two orders, or takes them away. */
  setPlace(nid: EventNid, place: { pos: StreamPos | null; segment: number | null; idx: number | null }): void {
    this.#updatePlace.run(place.pos, place.segment, place.idx, nid);
  }

  /** What was recorded by `setAfter`. Without a record the state after a state event is (line, pos) of its row. */
  recordedAfter(nid: EventNid): StatePoint | undefined {
    return this.#after.get(nid);
  }

  /** Records the state after a state event; `undefined` forgets the record. */
  setAfter(nid: EventNid, after: StatePoint | undefined): void {
    if (after === undefined) this.#deleteAfter.run(nid);
    else this.#upsertAfter.run(nid, after.line, after.pos);
  }

  /** `prev_events`, in no order. */
  parents(nid: EventNid): EventNid[] {
    return this.#parents.all(nid).map((edge) => edge.parent);
  }
}
