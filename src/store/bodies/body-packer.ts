import { canonicalJson } from '../../protocol/canonical-json.ts';
import { checkStrictNumbers } from '../../protocol/parse-json.ts';
import type { Database } from '../db.ts';
import type { Interning } from '../interning/interning.ts';
import type { EventNid } from '../nids.ts';
import { PACKED_FORMAT } from './format-1.ts';
import { pack } from './pack.ts';
import { type PackedRow, unpack } from './unpack.ts';

/** Packs raw bodies, in slices, as a background job. */
export class BodyPacker {
  readonly #db: Database;
  readonly #interning: Interning;
  readonly #waiting;
  readonly #isStored;
  readonly #keep;
  readonly #done;

  constructor(db: Database, interning: Interning) {
    this.#db = db;
    this.#interning = interning;
    this.#waiting = db.prepare<[number], PackedRow>(
      'SELECT event_raw.nid, 0 AS format, event_raw.body, event.room, event.type, event.sender,' +
        ' event.state_key AS stateKey, event.depth, event.ts' +
        ' FROM event_raw CROSS JOIN event ON event.nid = event_raw.nid' +
        ' WHERE event_raw.nid > 0 ORDER BY event_raw.nid LIMIT ?',
    );
    this.#isStored = db.prepare<[number], { nid: EventNid }>('SELECT nid FROM event WHERE nid = ?');
    this.#keep = db.prepare<[number, number, Buffer], never>(
      'INSERT OR REPLACE INTO event_body (nid, format, body) VALUES (?, ?, ?)',
    );
    this.#done = db.prepare<[number], never>('DELETE FROM event_raw WHERE nid = ?');
  }

  /**
   * Looks at no more than `limit` waiting bodies, in one write, and moves them to where they stay. A body is packed if
   * that makes it smaller and it rebuilds byte for byte; otherwise it stays as it is for good. Answers how many were
   * looked at: 0 when idle.
   */
  packSome(limit: number): number {
    const rows = this.#waiting.all(limit);
    if (rows.length === 0) return 0;
    this.#db.write<void>(() => {
      for (const row of rows) {
        const packed = this.#packed(row);
        if (packed === undefined) this.#keep.run(row.nid, 0, row.body);
        else this.#keep.run(row.nid, PACKED_FORMAT, packed);
        this.#done.run(row.nid);
      }
    });
    return rows.length;
  }

  #packed(row: PackedRow): Buffer | undefined {
    const canonical = row.body.toString();
    // Numbers that JavaScript would write differently (or not at all) are found here, not half-way through.
    if (!checkStrictNumbers(canonical)) return undefined;
    const packed = pack(canonical, row, this.#interning, (nid) => this.#isStored.get(nid) !== undefined);
    if (packed.length >= row.body.length) return undefined;
    const rebuilt = unpack({ ...row, format: PACKED_FORMAT, body: packed }, this.#interning, 'whole');
    return canonicalJson(rebuilt, 'lenient') === canonical ? packed : undefined;
  }
}
