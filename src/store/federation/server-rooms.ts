import type { Database } from '../db.ts';
import type { RoomNid, ServerNid, StreamPos } from '../nids.ts';

/** A span of positions [from, to) in which a server is in a room. */
export interface ServerInterval {
  readonly server: ServerNid;
  readonly from: StreamPos;
  readonly to: StreamPos | null;
}

const columns = 'server, from_pos AS "from", to_pos AS "to"';

/** Which servers are in which rooms, and when: read by room or by server. `RoomServers` writes it. */
export class ServerRooms {
  readonly #hadOthers;
  readonly #hasOthers;
  readonly #page;
  readonly #isIn;
  readonly #intervals;
  readonly #rooms;
  readonly #left;

  constructor(db: Database) {
    this.#hasOthers = db
      .prepare<number[], 1>(
        'SELECT 1 FROM room_server WHERE room = ? AND server <> ? AND from_pos <= ?' +
          ' AND (to_pos IS NULL OR to_pos > ?) LIMIT 1',
      )
      .pluck();
    this.#hadOthers = db
      .remember<[room: number, own: number], 1>('SELECT 1 FROM room_server WHERE room = ? AND server <> ? LIMIT 1')
      .pluck();
    this.#page = db.prepare<number[], ServerInterval>(
      `SELECT ${columns} FROM room_server WHERE room = ? AND server > ?` +
        ' AND from_pos <= ? AND (to_pos IS NULL OR to_pos > ?) ORDER BY server, from_pos LIMIT ?',
    );
    this.#isIn = db
      .prepare<number[], 1>(
        'SELECT 1 FROM room_server WHERE room = ? AND server = ? AND from_pos <= ?' +
          ' AND (to_pos IS NULL OR to_pos > ?) LIMIT 1',
      )
      .pluck();
    this.#intervals = db.prepare<number[], ServerInterval>(
      `SELECT ${columns} FROM room_server WHERE room = ? AND server = ?` +
        ' AND from_pos <= ? AND (to_pos IS NULL OR to_pos > ?) ORDER BY from_pos',
    );
    this.#rooms = db
      .prepare<number[], RoomNid>(
        'SELECT room FROM room_server WHERE server = ? AND room > ? AND to_pos IS NULL ORDER BY room LIMIT ?',
      )
      .pluck();
    this.#left = db
      .prepare<number[], RoomNid>(
        'SELECT DISTINCT room FROM room_server WHERE server = ? AND room > ? AND to_pos > ? ORDER BY room LIMIT ?',
      )
      .pluck();
  }

  /** Whether servers other than `own` are to be told of what happens in the room at `pos`. */
  hasOthers(room: RoomNid, pos: StreamPos, own: ServerNid): boolean {
    // Most rooms of a small server are its own users' only: there it costs nothing.
    if (this.#hadOthers.get(room, own) === undefined) return false;
    return this.#hasOthers.get(room, own, pos, pos) !== undefined;
  }

  /** One page of the servers that are in the room somewhere in [first, last], by NID: at most `limit` intervals. */
  page(room: RoomNid, first: StreamPos, last: StreamPos, after: ServerNid | 0, limit: number): ServerInterval[] {
    return this.#page.all(room, after, last, first, limit);
  }

  /** Whether the server is to be told of what happens in the room at `pos`. */
  isIn(room: RoomNid, server: ServerNid, pos: StreamPos): boolean {
    return this.#isIn.get(room, server, pos, pos) !== undefined;
  }

  /** When the server is in the room, as far as that is in (since, to]. */
  intervals(room: RoomNid, server: ServerNid, since: StreamPos, to: StreamPos): ServerInterval[] {
    return this.#intervals.all(room, server, to, since + 1);
  }

  /** One page of the rooms where the server is, or was later than `since`. */
  rooms(server: ServerNid, since: StreamPos, after: RoomNid | 0, limit: number): RoomNid[] {
    const rooms = [...this.#rooms.all(server, after, limit), ...this.#left.all(server, after, since + 1, limit)];
    return [...new Set(rooms)].sort((a, b) => a - b).slice(0, limit);
  }
}
