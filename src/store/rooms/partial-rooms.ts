import type { ServerName } from '../../protocol/ids/types.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { EventNid, LineNid, RoomNid, StreamPos, UserNid } from '../nids.ts';

/** A room that was entered with a part of its state. */
export interface PartialRoom {
  readonly room: RoomNid;
  /** The main line, and the position on it where what is missing belongs. */
  readonly line: LineNid;
  readonly base: StreamPos;
  /** The state before it is what is asked for. */
  readonly joinEvent: EventNid;
  /** Who joined by it. */
  readonly user: UserNid;
  /** Who is asked, the one that let us in first. */
  readonly servers: readonly ServerName[];
  readonly since: Millis;
}

/** How far such a room is filled in. */
export interface PartialProgress {
  /** Events stored for it, and members filled in. */
  readonly events: number;
  readonly members: number;
}

/** A failed try. */
export interface PartialSetback {
  readonly problem: string;
  readonly nextTry: Millis;
  /** Nobody is asked any more unless the admin says so. */
  readonly givesUp: boolean;
}

/** A room with everything that is known of its filling in. */
export interface PartialRoomRecord extends PartialRoom, PartialProgress {
  readonly tries: number;
  readonly nextTry: Millis;
  readonly givesUp: boolean;
  readonly problem: string | undefined;
  /** All of the state is here, and what came meanwhile is gone through again. */
  readonly filled: boolean;
}

/** Something that was decided about while a room was partial. */
export interface PartialEvent {
  readonly nr: number;
  readonly event: EventNid;
}

interface Row {
  readonly room: RoomNid;
  readonly line: LineNid;
  readonly base: StreamPos;
  readonly joinEvent: EventNid;
  readonly user: UserNid;
  readonly servers: string;
  readonly since: number;
  readonly tries: number;
  readonly nextTry: number;
  readonly givesUp: 0 | 1;
  readonly problem: string | null;
  readonly events: number;
  readonly members: number;
  readonly filled: 0 | 1;
}

const columns =
  'room, line, base, event AS joinEvent, user, servers, since, tries, next_try AS nextTry,' +
  ' gives_up AS givesUp, problem, events, members, filled';
/** How many are looked at together; hardly ever is there more than one or two. */
const together = 16;

/** Rooms that were entered with a part of their state, until the rest is here. Writing methods belong inside a write. */
export class PartialRooms {
  readonly #begin;
  readonly #find;
  readonly #has;
  readonly #list;
  readonly #progress;
  readonly #setBack;
  readonly #postpone;
  readonly #retry;
  readonly #fill;
  readonly #addEvent;
  readonly #events;
  readonly #dropEvent;
  readonly #dropEvents;
  readonly #dropOriginals;
  readonly #end;
  readonly #complete;
  readonly #completedAt;
  readonly #forgetCompletion;
  readonly #completedBetween;

  constructor(db: Database) {
    this.#begin = db.prepare<[number, number, number, number, number, string, number], never>(
      'INSERT INTO room_partial (room, line, base, event, user, servers, since) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#find = db.prepare<[number], Row>(`SELECT ${columns} FROM room_partial WHERE room = ?`);
    this.#has = db.remember<[number], 1>('SELECT 1 FROM room_partial WHERE room = ?').pluck();
    this.#list = db.prepare<[number, number], Row>(
      `SELECT ${columns} FROM room_partial WHERE room > ? ORDER BY room LIMIT ?`,
    );
    this.#progress = db.prepare<[number, number, number], never>(
      'UPDATE room_partial SET events = ?, members = ? WHERE room = ?',
    );
    this.#setBack = db.prepare<[string, number, number, number], never>(
      'UPDATE room_partial SET tries = tries + 1, problem = ?, next_try = ?, gives_up = ? WHERE room = ?',
    );
    this.#postpone = db.prepare<[string, number, number], never>(
      'UPDATE room_partial SET problem = ?, next_try = ? WHERE room = ?',
    );
    this.#retry = db.prepare<[number], never>(
      'UPDATE room_partial SET tries = 0, problem = NULL, next_try = 0, gives_up = 0 WHERE room = ?',
    );
    this.#fill = db.prepare<[number], never>('UPDATE room_partial SET filled = 1 WHERE room = ?');
    this.#addEvent = db.prepare<[number, number, number], never>(
      'INSERT INTO partial_event (room, nr, event) VALUES' +
        ' (?, 1 + coalesce((SELECT max(nr) FROM partial_event WHERE room = ?), 0), ?)',
    );
    this.#events = db.prepare<[number, number], PartialEvent>(
      'SELECT nr, event FROM partial_event WHERE room = ? ORDER BY nr LIMIT ?',
    );
    this.#dropEvent = db.prepare<[number, number], never>('DELETE FROM partial_event WHERE room = ? AND nr = ?');
    this.#dropEvents = db.prepare<[number], never>('DELETE FROM partial_event WHERE room = ?');
    this.#dropOriginals = db.prepare<[number], never>('DELETE FROM redacted_original WHERE room = ?');
    this.#end = db.prepare<[number], never>('DELETE FROM room_partial WHERE room = ?');
    this.#complete = db.prepare<[number, number], never>(
      'INSERT INTO room_completion (room, pos) VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET pos = excluded.pos',
    );
    this.#forgetCompletion = db.prepare<[number], never>('DELETE FROM room_completion WHERE room = ?');
    this.#completedAt = db.remember<[number], StreamPos>('SELECT pos FROM room_completion WHERE room = ?').pluck();
    this.#completedBetween = db
      .rememberStretch<[number, number], RoomNid>(
        'SELECT room FROM room_completion WHERE pos > ? AND pos <= ? ORDER BY pos',
        { keys: 0 },
      )
      .pluck();
  }

  /** What was known of an earlier time in the room is gone. */
  begin({ room, line, base, joinEvent, user, servers, since }: PartialRoom): void {
    this.end(room);
    this.#forgetCompletion.run(room);
    this.#begin.run(room, line, base, joinEvent, user, JSON.stringify(servers), since);
  }

  find(room: RoomNid): PartialRoomRecord | undefined {
    const row = this.#find.get(room);
    return row === undefined ? undefined : read(row);
  }

  /** Asked for each event: one look at a table that is nearly always empty. */
  has(room: RoomNid): boolean {
    return this.#has.get(room) !== undefined;
  }

  /** Some of them, by room. */
  list(after: RoomNid | 0): PartialRoomRecord[] {
    return this.#list.all(after, together).map(read);
  }

  progress(room: RoomNid, { events, members }: PartialProgress): void {
    this.#progress.run(events, members, room);
  }

  /** One more try has failed. */
  setBack(room: RoomNid, { problem, nextTry, givesUp }: PartialSetback): void {
    this.#setBack.run(problem, nextTry, givesUp ? 1 : 0, room);
    // What people had redacted does not stay here for as long as the room's members may be missing.
    if (givesUp) this.#dropOriginals.run(room);
  }

  /** Nothing has failed, but it is not the time for it. */
  postpone(room: RoomNid, problem: string, nextTry: Millis): void {
    this.#postpone.run(problem, nextTry, room);
  }

  /** As if nothing had failed yet. */
  retry(room: RoomNid): void {
    this.#retry.run(room);
  }

  /** All of the state is here. */
  fill(room: RoomNid): void {
    this.#fill.run(room);
  }

  /** An event was decided about while the room is partial. */
  addEvent(room: RoomNid, event: EventNid): void {
    this.#addEvent.run(room, room, event);
  }

  /** Some of those, the first of them first. */
  events(room: RoomNid, limit: number): PartialEvent[] {
    return this.#events.all(room, limit);
  }

  /** One was gone through again. */
  dropEvent(room: RoomNid, nr: number): void {
    this.#dropEvent.run(room, nr);
  }

  /** The room is left. */
  end(room: RoomNid): void {
    this.#end.run(room);
    this.#dropEvents.run(room);
    this.#dropOriginals.run(room);
  }

  /** The rest of the state is here, from `pos` on as far as clients are concerned. */
  complete(room: RoomNid, pos: StreamPos): void {
    this.#end.run(room);
    this.#dropOriginals.run(room);
    this.#complete.run(room, pos);
  }

  /** Since when the room is complete; `undefined` for one that always was, or still is not. */
  completedAt(room: RoomNid): StreamPos | undefined {
    return this.#completedAt.get(room);
  }

  /** Whether a room became complete in (from, to]. */
  hasCompleted(room: RoomNid, from: StreamPos, to: StreamPos): boolean {
    const pos = this.completedAt(room);
    return pos !== undefined && pos > from && pos <= to;
  }

  /** The rooms that became complete in (from, to], by the time. */
  completedBetween(from: StreamPos, to: StreamPos): readonly RoomNid[] {
    return this.#completedBetween.all(from, to);
  }
}

function read({ servers, since, nextTry, givesUp, problem, filled, ...row }: Row): PartialRoomRecord {
  return {
    ...row,
    servers: JSON.parse(servers) as ServerName[],
    since: millis(since),
    nextTry: millis(nextTry),
    givesUp: givesUp === 1,
    problem: problem ?? undefined,
    filled: filled === 1,
  };
}
