import { canonicalJson } from '../../protocol/canonical-json.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Database, Statement } from '../db.ts';
import type { Interning } from '../interning/interning.ts';
import type { EventNid } from '../nids.ts';
import { bodyColumns, hideFederation, type PackedRow, unpack } from './unpack.ts';

/** Reads bodies in every format that was ever written. */
export class BodyReader {
  readonly #interning: Interning;
  readonly #one: Statement<[number], PackedRow>;
  readonly #many: Statement<[string], PackedRow>;

  constructor(db: Database, interning: Interning) {
    this.#interning = interning;
    this.#one = db.prepare(
      `SELECT ${bodyColumns} FROM event_body JOIN event ON event.nid = event_body.nid WHERE event_body.nid = ?`,
    );
    this.#many = db.prepare(
      `SELECT ${bodyColumns} FROM json_each(?) AS wanted CROSS JOIN event_body ON event_body.nid = wanted.value` +
        ' CROSS JOIN event ON event.nid = event_body.nid',
    );
  }

  pdu(nid: EventNid): JsonObject {
    return this.#read(this.#get(nid), true);
  }

  bare(nid: EventNid): JsonObject {
    return this.#read(this.#get(nid), false);
  }

  canonical(nid: EventNid): string {
    const row = this.#get(nid);
    return row.format === 0 ? row.body.toString() : canonicalJson(unpack(row, this.#interning, true), 'lenient');
  }

  pdus(nids: readonly EventNid[]): Map<EventNid, JsonObject> {
    return this.#readMany(nids, true);
  }

  bares(nids: readonly EventNid[]): Map<EventNid, JsonObject> {
    return this.#readMany(nids, false);
  }

  #readMany(nids: readonly EventNid[], whole: boolean): Map<EventNid, JsonObject> {
    const found = new Map<EventNid, JsonObject>();
    if (nids.length === 0) return found;
    for (const row of this.#many.all(JSON.stringify(nids))) found.set(row.nid, this.#read(row, whole));
    return found;
  }

  #get(nid: EventNid): PackedRow {
    const row = this.#one.get(nid);
    if (row === undefined) throw new Error(`no event has the number ${nid}`);
    return row;
  }

  #read(row: PackedRow, whole: boolean): JsonObject {
    if (row.format !== 0) return unpack(row, this.#interning, whole);
    const pdu = JSON.parse(row.body.toString()) as JsonObject;
    return whole ? pdu : hideFederation(pdu);
  }
}
