import type { Database } from '../db.ts';
import type { EventRow } from '../events/event-row.ts';
import { eventFlags } from '../events/flags.ts';
import type { EventNid, RoomNid } from '../nids.ts';
import type { Boundary } from '../timeline.ts';

/**
 * Takes old events out of rooms: messages whole, state events, which others rest on, only out of the room's order.
 * Writing methods belong inside a write.
 */
export class OldEvents {
  readonly #takeBody;
  readonly #leaveCited;
  readonly #leaveCitedInPlace;
  readonly #remove;
  readonly #removeArrival;
  readonly #removePlace;
  readonly #clearPlace;
  readonly #flag;
  readonly #release;
  readonly #dropMissing;
  readonly #reports;
  readonly #dropReports;

  constructor(db: Database) {
    this.#takeBody = ['event_raw', 'event_body'].map((table) =>
      db.prepare<[nid: number], number>(`DELETE FROM ${table} WHERE nid = ? RETURNING length(body)`).pluck(),
    );
    this.#leaveCited = db.prepare<[room: number, child: number], never>(
      'INSERT OR IGNORE INTO cited_event (room, event) SELECT ?, event.nid FROM event_edge' +
        ' CROSS JOIN event ON event.nid = event_edge.parent WHERE event_edge.child = ? AND event.pos IS NOT NULL',
    );
    this.#leaveCitedInPlace = db.prepare<[room: number, child: number], never>(
      'INSERT OR IGNORE INTO cited_event (room, event) SELECT ?, event_edge.parent FROM event_edge' +
        ' LEFT JOIN event ON event.nid = event_edge.parent WHERE event_edge.child = ?' +
        ' AND (event.nid IS NULL OR event.state_key IS NULL OR event.segment IS NOT NULL)',
    );
    this.#remove = [
      'DELETE FROM event_after WHERE event = ?',
      'DELETE FROM event_edge WHERE child = ?',
      'DELETE FROM event_txn WHERE event = ?',
      'DELETE FROM redaction WHERE target = ?',
      'DELETE FROM pending_redaction WHERE target = ?',
      'DELETE FROM history_state WHERE segment = -?',
      'DELETE FROM event WHERE nid = ?',
    ].map((sql) => db.prepare<[nid: number], never>(sql));
    this.#removeArrival = ['DELETE FROM stream_event WHERE pos = ?', 'DELETE FROM outgoing WHERE pos = ?'].map((sql) =>
      db.prepare<[pos: number], never>(sql),
    );
    this.#removePlace = db.prepare<[segment: number, idx: number], never>(
      'DELETE FROM timeline WHERE segment = ? AND idx = ?',
    );
    this.#clearPlace = db.prepare<[nid: number], never>('UPDATE event SET segment = NULL, idx = NULL WHERE nid = ?');
    this.#flag = db.prepare<[set: number, clear: number, nid: number], never>(
      'UPDATE event SET flags = (flags | ?) & ~? WHERE nid = ?',
    );
    this.#release = db.prepare<[room: number, event: number], never>(
      'DELETE FROM kept_message WHERE room = ? AND event = ?',
    );
    this.#dropMissing = db.prepare<[room: number, children: string], never>(
      'DELETE FROM backward_extremity WHERE room = ? AND child IN (SELECT value FROM json_each(?))',
    );
    this.#reports = db
      .prepare<[after: number, limit: number], number | null>(
        'SELECT max(nid) FROM (SELECT nid FROM report WHERE nid > ? ORDER BY nid LIMIT ?)',
      )
      .pluck();
    this.#dropReports = db.prepare<[from: number, upTo: number, room: number], never>(
      'DELETE FROM report WHERE nid > ? AND nid <= ? AND room = ? AND event IS NOT NULL' +
        ' AND NOT EXISTS (SELECT 1 FROM event WHERE event.nid = report.event)',
    );
  }

  /** Deletes an event that is no state event and all that is stored with it alone. Answers the size of its body. */
  remove({ nid, room, pos, segment, idx }: EventRow): number {
    // What was known of the room's ends stays right without it.
    if (pos !== null) this.#leaveCited.run(room, nid);
    let bytes = 0;
    for (const statement of this.#takeBody) bytes += statement.get(nid) ?? 0;
    for (const statement of this.#remove) statement.run(nid);
    this.#release.run(room, nid);
    if (pos !== null) for (const statement of this.#removeArrival) statement.run(pos);
    if (segment !== null && idx !== null) this.#removePlace.run(segment, idx);
    return bytes;
  }

  /**
   * Takes an event out of the order of the room. It stays what it is to those that cite it; one that came by backfill
   * is again known without its place.
   */
  displace({ nid, room, pos, segment, idx }: EventRow & Boundary): void {
    // Who cites an event is looked for in the order of the room; and what was deleted may come again.
    if (pos !== null) this.#leaveCitedInPlace.run(room, nid);
    this.#clearPlace.run(nid);
    this.#removePlace.run(segment, idx);
    if (pos === null) this.#flag.run(eventFlags.OUTLIER, eventFlags.BACKFILLED, nid);
  }

  /** What is missing before these events is not looked for any more. */
  forgetMissing(room: RoomNid, children: readonly EventNid[]): void {
    if (children.length > 0) this.#dropMissing.run(room, JSON.stringify(children));
  }

  /** Deletes reports of events that are gone, among the next `limit` reports. Answers where to go on, if anywhere. */
  forgetReports(room: RoomNid, after: number, limit: number): number | undefined {
    const upTo = this.#reports.get(after, limit) ?? undefined;
    if (upTo !== undefined) this.#dropReports.run(after, upTo, room);
    return upTo;
  }
}
