import { canonicalJson } from '../../protocol/canonical-json.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Preparing } from '../database/reader.ts';
import type { Interning } from '../interning/interning.ts';
import type { Names } from '../interning/names.ts';
import type { EventNid } from '../nids.ts';
import { type BodyPart, bodyColumns, bodyTables, type PackedRow, strip, unpack } from './unpack.ts';

/** Reads bodies in every format that was ever written. */
export class BodyReader {
  readonly #interning: Interning;
  readonly #one;
  readonly #many;

  constructor(db: Preparing, interning: Interning) {
    this.#interning = interning;
    this.#one = db.prepare<[number], PackedRow>(`SELECT ${bodyColumns} FROM event ${bodyTables} WHERE event.nid = ?`);
    this.#many = db.prepare<[string], PackedRow>(
      `SELECT ${bodyColumns} FROM json_each(?) AS wanted CROSS JOIN event ON event.nid = wanted.value ${bodyTables}`,
    );
  }

  /** Throws if there is no such event. */
  one(nid: EventNid, part: BodyPart): JsonObject {
    return this.#read(this.#get(nid), part);
  }

  /** What does not exist is left out. */
  many(nids: readonly EventNid[], part: BodyPart): Map<EventNid, JsonObject> {
    const found = new Map<EventNid, JsonObject>();
    if (nids.length === 0) return found;
    for (const row of this.#many.all(JSON.stringify(nids))) found.set(row.nid, this.#read(row, part));
    return found;
  }

  /** What does not exist is left out. No name that occurs in them is kept in memory. */
  canonicals(nids: readonly EventNid[]): Map<EventNid, string> {
    const found = new Map<EventNid, string>();
    if (nids.length === 0) return found;
    const names = this.#interning.pageNames();
    for (const row of this.#many.all(JSON.stringify(nids))) found.set(row.nid, textOf(row, names));
    return found;
  }

  canonical(nid: EventNid): string {
    return textOf(this.#get(nid), this.#interning);
  }

  #get(nid: EventNid): PackedRow {
    const row = this.#one.get(nid);
    if (row === undefined) throw new Error(`no event has the number ${nid}`);
    return row;
  }

  #read(row: PackedRow, part: BodyPart): JsonObject {
    return readBody(row, this.#interning, part);
  }
}

/** The event of a body in any format. */
export function readBody(row: PackedRow, names: Names, part: BodyPart): JsonObject {
  if (row.format !== 0) return unpack(row, names, part);
  return strip(JSON.parse(row.body.toString()) as JsonObject, part);
}

function textOf(row: PackedRow, names: Names): string {
  return row.format === 0 ? row.body.toString() : canonicalJson(unpack(row, names, 'whole'), 'lenient');
}
