import type { Database } from '../db.ts';
import type { EventNid, RoomNid, UserNid } from '../nids.ts';

export interface ReportRow {
  readonly nid: number;
  /** Milliseconds since the epoch. */
  readonly ts: number;
  readonly reporter: UserNid;
  readonly room: RoomNid | null;
  readonly event: EventNid | null;
  readonly reported: UserNid | null;
  readonly reason: string;
}

/** What people have reported to the admin. */
export class ReportStore {
  readonly #insert;
  readonly #page;
  readonly #remove;
  readonly #removeUpTo;

  constructor(db: Database) {
    this.#insert = db.prepare<[number, number, number | null, number | null, number | null, string]>(
      'INSERT INTO report (ts, reporter, room, event, reported, reason) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#page = db.prepare<[before: number, limit: number], ReportRow>(
      'SELECT nid, ts, reporter, room, event, reported, reason FROM report WHERE nid < ? ORDER BY nid DESC LIMIT ?',
    );
    this.#remove = db.prepare<[nid: number]>('DELETE FROM report WHERE nid = ?');
    this.#removeUpTo = db.prepare<[nid: number]>('DELETE FROM report WHERE nid <= ?');
  }

  insert(report: Omit<ReportRow, 'nid'>): number {
    const { ts, reporter, room, event, reported, reason } = report;
    return Number(this.#insert.run(ts, reporter, room, event, reported, reason).lastInsertRowid);
  }

  /** The newest first, those with a number below `before`. */
  page(before: number, limit: number): ReportRow[] {
    return this.#page.all(before, limit);
  }

  /** Whether there was one. */
  remove(nid: number): boolean {
    return this.#remove.run(nid).changes === 1;
  }

  /** That one and all older ones. */
  removeUpTo(nid: number): void {
    this.#removeUpTo.run(nid);
  }
}
