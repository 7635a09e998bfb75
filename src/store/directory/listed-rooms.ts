import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { ServerNid } from '../nids.ts';

/** Where the crawl of one server's directory stands. */
export interface ListedServer {
  readonly server: ServerNid;
  readonly round: Millis;
  readonly next: string | null;
  readonly rooms: number;
  readonly due: Millis;
}

/** A place among all listed rooms, the largest first. */
export interface ListedPlace {
  readonly joined: number;
  readonly roomId: string;
  readonly server: number;
}

export interface ListedRoomRow extends ListedPlace {
  readonly server: ServerNid;
  readonly summary: string;
}

/** The rooms that other servers publish. Writing methods belong inside a write. */
export class ListedRoomStore {
  readonly #after;
  readonly #isOther;
  readonly #servers;
  readonly #put;
  readonly #dropOld;
  readonly #dropAll;
  readonly #due;
  readonly #listed;
  readonly #enlist;
  readonly #move;
  readonly #strike;
  readonly #heardOf;
  readonly #members;

  constructor(db: Database) {
    this.#after = db.prepare<[number, string, number, number], ListedRoomRow>(
      'SELECT server, room_id AS roomId, joined, summary FROM listed_room' +
        ' WHERE (joined, room_id, server) < (?, ?, ?) ORDER BY joined DESC, room_id DESC, server DESC LIMIT ?',
    );
    this.#isOther = db
      .prepare<[string, number], 1>('SELECT 1 FROM listed_room WHERE room_id = ? AND server < ? LIMIT 1')
      .pluck();
    this.#servers = db
      .prepare<[string, number], ServerNid>('SELECT server FROM listed_room WHERE room_id = ? ORDER BY server LIMIT ?')
      .pluck();
    this.#members = db
      .prepare<[string], number | null>('SELECT max(joined) FROM listed_room WHERE room_id = ?')
      .pluck();
    this.#put = db.prepare<[number, string, number, string, number], never>(
      'INSERT INTO listed_room (server, room_id, joined, summary, seen) VALUES (?, ?, ?, ?, ?)' +
        ' ON CONFLICT DO UPDATE SET joined = excluded.joined, summary = excluded.summary, seen = excluded.seen',
    );
    this.#dropOld = db.prepare<[number, number], never>('DELETE FROM listed_room WHERE server = ? AND seen < ?');
    this.#dropAll = db.prepare<[number], never>('DELETE FROM listed_room WHERE server = ?');
    this.#due = db.prepare<[number], ListedServer>(
      'SELECT server, round, next, rooms, due FROM listed_server WHERE due <= ? ORDER BY due LIMIT 1',
    );
    this.#listed = db
      .prepare<[number, number], ServerNid>('SELECT server FROM listed_server WHERE server > ? ORDER BY server LIMIT ?')
      .pluck();
    this.#enlist = db.prepare<[number, number], never>(
      'INSERT OR IGNORE INTO listed_server (server, round, next, rooms, due) VALUES (?, 0, NULL, 0, ?)',
    );
    this.#move = db.prepare<[number, string | null, number, number, number], never>(
      'UPDATE listed_server SET round = ?, next = ?, rooms = ?, due = ? WHERE server = ?',
    );
    this.#strike = db.prepare<[number], never>('DELETE FROM listed_server WHERE server = ?');
    this.#heardOf = db
      .prepare<[number, number, number], ServerNid>(
        // One that does not answer at the moment has been seen later than it answered.
        'SELECT server FROM remote_server WHERE seen > ? AND answered > ? ORDER BY seen DESC LIMIT ?',
      )
      .pluck();
  }

  /** Rooms that come after a place, the largest first; without a place from the first. */
  after(place: ListedPlace | undefined, limit: number): ListedRoomRow[] {
    return this.#after.all(place?.joined ?? Number.MAX_SAFE_INTEGER, place?.roomId ?? '', place?.server ?? 0, limit);
  }

  /** Whether the same room stands there under a server that comes earlier. */
  isListedBefore(roomId: string, server: ServerNid): boolean {
    return this.#isOther.get(roomId, server) !== undefined;
  }

  /** The most members that a server says it has. */
  membersOf(roomId: string): number | undefined {
    return this.#members.get(roomId) ?? undefined;
  }

  /** Servers that publish the room. */
  serversOf(roomId: string, limit: number): ServerNid[] {
    return this.#servers.all(roomId, limit);
  }

  put(server: ServerNid, room: { roomId: string; joined: number; summary: string }, round: Millis): void {
    this.#put.run(server, room.roomId, room.joined, room.summary, round);
  }

  /** Forgets the rooms that a server did not tell in its last round. */
  dropOld(server: ServerNid, round: Millis): void {
    this.#dropOld.run(server, round);
  }

  /** The server whose turn it is. */
  due(now: Millis): ListedServer | undefined {
    return this.#due.get(now);
  }

  listed(after: ServerNid | 0, limit: number): ServerNid[] {
    return this.#listed.all(after, limit);
  }

  enlist(server: ServerNid, due: Millis): void {
    this.#enlist.run(server, due);
  }

  move({ server, round, next, rooms, due }: ListedServer): void {
    this.#move.run(round, next, rooms, due, server);
  }

  /** Forgets a server and its rooms. */
  strike(server: ServerNid): void {
    this.#strike.run(server);
    this.#dropAll.run(server);
  }

  /** Servers that have answered or called since then, the latest first. */
  heardOf(since: Millis, limit: number): ServerNid[] {
    return this.#heardOf.all(since, since, limit);
  }
}
