import type { Database } from '../db.ts';
import type { RoomNid, ServerNid, StreamPos } from '../nids.ts';

/** How far the servers that keep up have been told. */
export interface Progress {
  readonly told: StreamPos;
  /** The end of the span that they are being told of; equal to `told` if there is none. */
  readonly telling: StreamPos;
  /** Of that span: servers with NIDs up to here have had it. */
  readonly done: ServerNid | 0;
  /** Outgoing events are all there after this position. */
  readonly kept: StreamPos;
}

/** A server that is behind the others, or ahead of what they are being told. */
export interface Destination {
  readonly server: ServerNid;
  /** Told of events up to here … */
  readonly told: StreamPos;
  /** … and of everything else up to here. */
  readonly edus: StreamPos;
  /** The end of a transaction that was begun. */
  readonly upTo: StreamPos | null;
  /** Up to here it is told only what still matters, room by room. */
  readonly catchTo: StreamPos | null;
  readonly catchRoom: RoomNid | 0;
  readonly failures: number;
  /** Wall clock; `null` if there was nothing more to tell. */
  readonly due: number | null;
  readonly error: string | null;
}

/** What a new row begins with. */
export type NewDestination = Pick<Destination, 'server' | 'told' | 'edus' | 'upTo' | 'failures' | 'due' | 'error'>;

const columns = 'server, told, edus, upto AS upTo, catch_to AS catchTo, catch_room AS catchRoom, failures, due, error';

/**
 * How far other servers have been told: one cursor for all that keep up, a row each for those that do not. Writing
 * methods belong inside a write.
 */
export class DestinationStore {
  readonly #progress;
  readonly #begin;
  readonly #done;
  readonly #finish;
  readonly #keep;
  readonly #one;
  readonly #among;
  readonly #ready;
  readonly #firstDue;
  readonly #nextDue;
  readonly #behind;
  readonly #oldest;
  readonly #put;
  readonly #wake;
  readonly #aim;
  readonly #told;
  readonly #catchUp;
  readonly #caught;
  readonly #failed;
  readonly #idle;
  readonly #clearIdle;
  readonly #beyond;

  constructor(db: Database) {
    this.#progress = db.prepare<[], Progress>('SELECT told, telling, done, kept FROM outbox WHERE one = 1');
    this.#begin = db.prepare<[number], never>('UPDATE outbox SET telling = ?, done = 0 WHERE one = 1');
    this.#done = db.prepare<[number], never>('UPDATE outbox SET done = ? WHERE one = 1');
    this.#finish = db.prepare<[number, number], never>(
      'UPDATE outbox SET told = ?, telling = ?, done = 0 WHERE one = 1',
    );
    this.#keep = db.prepare<[number], never>('UPDATE outbox SET kept = ? WHERE one = 1');
    this.#one = db.prepare<[number], Destination>(`SELECT ${columns} FROM destination WHERE server = ?`);
    this.#among = db.prepare<[string], { server: ServerNid; isIdle: 0 | 1 }>(
      'SELECT destination.server, destination.due IS NULL AS isIdle FROM json_each(?) AS wanted' +
        ' CROSS JOIN destination ON destination.server = wanted.value',
    );
    this.#ready = db
      .prepare<[number, number], ServerNid>('SELECT server FROM destination WHERE due <= ? ORDER BY due LIMIT ?')
      .pluck();
    this.#firstDue = db
      .remember<[], number>('SELECT due FROM destination WHERE due IS NOT NULL ORDER BY due LIMIT 1')
      .pluck();
    this.#nextDue = db
      .prepare<[number], number>('SELECT due FROM destination WHERE due > ? ORDER BY due LIMIT 1')
      .pluck();
    this.#behind = db.prepare<[number, number], Destination>(
      `SELECT ${columns} FROM destination WHERE server > ? ORDER BY server LIMIT ?`,
    );
    this.#oldest = db
      .prepare<[], StreamPos>('SELECT told FROM destination WHERE told >= 0 ORDER BY told LIMIT 1')
      .pluck();
    this.#put = db.prepare<(number | string | null)[], never>(
      'INSERT OR IGNORE INTO destination (server, told, edus, upto, failures, due, error) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#wake = db.prepare<[number, number], never>('UPDATE destination SET due = ? WHERE server = ? AND due IS NULL');
    this.#aim = db.prepare<[number | null, number], never>('UPDATE destination SET upto = ? WHERE server = ?');
    this.#told = db.prepare<[number, number, number, number], never>(
      'UPDATE destination SET told = ?, edus = ?, upto = NULL, failures = 0, due = ?, error = NULL WHERE server = ?',
    );
    this.#catchUp = db.prepare<[number, number], never>(
      'UPDATE destination SET catch_to = ?, catch_room = 0, upto = NULL WHERE server = ?',
    );
    this.#caught = db.prepare<(number | null)[], never>(
      'UPDATE destination SET told = ?, edus = ?, catch_to = ?, catch_room = ?, failures = 0, due = ?, error = NULL' +
        ' WHERE server = ?',
    );
    this.#failed = db.prepare<[number, number, string, number], never>(
      'UPDATE destination SET failures = ?, due = ?, error = ? WHERE server = ?',
    );
    this.#idle = db.prepare<[number, number, number], never>(
      'UPDATE destination SET told = ?, edus = ?, upto = NULL, failures = 0, due = NULL, error = NULL WHERE server = ?',
    );
    this.#clearIdle = db.prepare<[number], never>('DELETE FROM destination WHERE due IS NULL AND told <= ?');
    this.#beyond = db.prepare<[number, number], never>('UPDATE destination SET due = ? WHERE due > ?');
  }

  progress(): Progress {
    const progress = this.#progress.get();
    if (progress === undefined) throw new Error('the outbox has no row');
    return progress;
  }

  /** All that keep up are told of everything up to `telling` from now on. */
  begin(telling: StreamPos): void {
    this.#begin.run(telling);
  }

  /** Servers with NIDs up to `server` have had the span, or with `isPending` only those before it. */
  done(server: ServerNid | 0, isPending: boolean): void {
    this.#done.run(isPending ? server - 1 : server);
  }

  /** All that keep up have been told up to `told`. Rows of those that have nothing beyond it go. */
  finish(told: StreamPos): void {
    this.#finish.run(told, told);
    this.#clearIdle.run(told);
  }

  /** Outgoing events up to `pos` are no longer all there. */
  keepAfter(pos: StreamPos): void {
    this.#keep.run(pos);
  }

  get(server: ServerNid): Destination | undefined {
    return this.#one.get(server);
  }

  /** Which of the servers have a row, and whether there was nothing more to tell them. */
  among(servers: readonly ServerNid[]): Map<ServerNid, { readonly isIdle: boolean }> {
    const rows = this.#among.all(JSON.stringify(servers));
    return new Map(rows.map(({ server, isIdle }) => [server, { isIdle: isIdle === 1 }]));
  }

  /** Servers that may be told something now, those first that have waited longest. */
  ready(now: number, limit: number): ServerNid[] {
    return (this.#firstDue.get() ?? Infinity) > now ? [] : this.#ready.all(now, limit);
  }

  /** When the next one may be told something, later than `now`. */
  nextDue(now: number): number | undefined {
    const first = this.#firstDue.get();
    return first === undefined || first > now ? first : this.#nextDue.get(now);
  }

  /** One page of the rows, by NID. */
  page(after: ServerNid | 0, limit: number): Destination[] {
    return this.#behind.all(after, limit);
  }

  /** How far the one that is furthest behind has been told. */
  oldest(): StreamPos | undefined {
    return this.#oldest.get();
  }

  /** Gives a server a row; one that has one keeps it. */
  add(row: NewDestination): void {
    this.#put.run(row.server, row.told, row.edus, row.upTo, row.failures, row.due, row.error);
  }

  /** There is something to tell a server that had been told all. */
  wake(server: ServerNid, now: number): void {
    this.#wake.run(now, server);
  }

  /** A transaction that ends there is begun. */
  aim(server: ServerNid, upTo: StreamPos): void {
    this.#aim.run(upTo, server);
  }

  /** It has been told that far, and may be told more. */
  told(server: ServerNid, told: StreamPos, edus: StreamPos, due: number): void {
    this.#told.run(told, edus, due, server);
  }

  /** From now on it is told only what still matters, up to `to`. */
  catchUp(server: ServerNid, to: StreamPos): void {
    this.#catchUp.run(to, server);
  }

  /** A step of catching up; with `catchTo` null the last. */
  caught(row: Pick<Destination, 'server' | 'told' | 'edus' | 'catchTo' | 'catchRoom'>, due: number): void {
    this.#caught.run(row.told, row.edus, row.catchTo, row.catchRoom, due, row.server);
  }

  failed(server: ServerNid, failures: number, due: number, error: string): void {
    this.#failed.run(failures, due, error, server);
  }

  /** It has been told everything up to `told`. */
  idle(server: ServerNid, told: StreamPos): void {
    this.#idle.run(told, told, server);
  }

  /** A server that has come back is told at once. */
  due(server: ServerNid, now: number): void {
    const row = this.#one.get(server);
    if (row?.due !== null && row !== undefined && row.due > now) {
      this.#failed.run(row.failures, now, row.error ?? '', server);
    }
  }

  /** No wait may end later than `latest`, whatever the clock said when it began: such servers may be told now. */
  endWaitsAfter(latest: number, now: number): void {
    this.#beyond.run(now, latest);
  }
}
