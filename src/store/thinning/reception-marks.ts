import { type Millis, millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { EventNid, StreamPos } from '../nids.ts';

/** Marks older than that are kept one for each day. */
const closely = 60 * 24 * 60 * 60_000;
const day = 24 * 60 * 60_000;
/** Whoever was off for longer waits a day. */
const lately = 30 * day;

/** What had come by when, as our own clock says. Writing methods belong inside a write. */
export class ReceptionMarks {
  readonly #last;
  readonly #newest;
  readonly #heardOf;
  readonly #between;
  readonly #insert;
  readonly #dropFuture;
  readonly #dropClose;
  readonly #before;
  readonly #since;

  constructor(db: Database) {
    this.#last = db.prepare<[], { ts: Millis; pos: StreamPos }>(
      'SELECT ts, pos FROM reception_mark WHERE ts > 0 ORDER BY ts DESC LIMIT 1',
    );
    this.#between = db.prepare<[from: number, to: number], 1>(
      'SELECT 1 FROM reception_mark WHERE ts >= ? AND ts <= ? LIMIT 1',
    );
    this.#newest = db.prepare<[], number | null>('SELECT max(nid) FROM event_id').pluck();
    this.#heardOf = db
      .prepare<[ts: number], EventNid>('SELECT heard_of FROM reception_mark WHERE ts <= ? ORDER BY ts DESC LIMIT 1')
      .pluck();
    this.#insert = db.prepare<[ts: number, pos: number, event: number], never>(
      'INSERT INTO reception_mark (ts, pos, heard_of) VALUES (?, ?, ?)' +
        ' ON CONFLICT DO UPDATE SET pos = excluded.pos, heard_of = excluded.heard_of',
    );
    this.#dropFuture = db.prepare<[now: number], never>('DELETE FROM reception_mark WHERE ts > ?');
    this.#dropClose = db.prepare<[dayBegin: number, dayEnd: number, dayBegin: number], never>(
      'DELETE FROM reception_mark WHERE ts >= ? AND ts < ?' +
        ' AND ts > (SELECT min(ts) FROM reception_mark AS first WHERE first.ts >= ?)',
    );
    this.#before = db
      .prepare<[ts: number], StreamPos>('SELECT pos FROM reception_mark WHERE ts <= ? ORDER BY ts DESC LIMIT 1')
      .pluck();
    this.#since = db
      .prepare<[from: number, pos: number], Millis>(
        'SELECT ts FROM reception_mark WHERE ts > ? AND pos >= ? ORDER BY ts LIMIT 1',
      )
      .pluck();
  }

  /** Whether one is to be made: something has come since the last, which is so long ago, or a day is over, or the clock was ahead then. */
  isDue(pos: StreamPos, now: Millis, interval: number): boolean {
    const last = this.#last.get();
    if (last === undefined || last.ts > now || now - last.ts >= day) return true;
    return last.pos < pos && now - last.ts >= interval;
  }

  /**
   * Whether the clock has shown about this time for a day. One that is years ahead after a start is mostly put right
   * within minutes.
   */
  isSteady(now: Millis): boolean {
    return this.#between.get(now - lately, now - day) !== undefined;
  }

  /** Everything up to `pos` is here now. */
  add(pos: StreamPos, now: Millis): void {
    // Made while the clock was ahead: all they say is that what they name is here by now.
    this.#dropFuture.run(now);
    this.#insert.run(now, pos, this.#newest.get() ?? 0);
    const past = Math.floor((now - closely) / day) * day;
    this.#dropClose.run(past - day, past, past - day);
  }

  /** Everything up to this position had come by then; `undefined`: that is not known of anything. */
  receivedBy(ts: Millis): StreamPos | undefined {
    return this.#before.get(ts);
  }

  /** IDs of events up to this number had been heard of by then. */
  heardOfBy(ts: Millis): EventNid | undefined {
    return this.#heardOf.get(ts);
  }

  /** By when a position had come; `undefined`: since the last mark. */
  timeOf(pos: StreamPos): Millis | undefined {
    return this.#since.get(millis(0), pos);
  }
}
