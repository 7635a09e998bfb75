import type { Database } from '../db.ts';
import type { RoomNid, ServerNid, StreamPos } from '../nids.ts';

/**
 * Which servers receive what happens in a room, as intervals of positions [from, to): a server's first join opens one,
 * and the event by which its last user goes is the last inside.
 */
export class RoomServers {
  readonly #open;
  readonly #at;
  readonly #wasIn;
  readonly #current;
  readonly #begin;
  readonly #setJoined;
  readonly #tell;
  readonly #told;
  readonly #untell;
  readonly #end;
  readonly #endAll;

  constructor(db: Database) {
    this.#open = db.prepare<[number, number], { from: StreamPos; joined: number; told: 0 | 1 }>(
      'SELECT from_pos AS "from", joined, told FROM room_server' +
        ' WHERE room = ? AND server = ? AND to_pos IS NULL ORDER BY from_pos DESC LIMIT 1',
    );
    this.#at = db.prepare<[number, number, number, number, number], { server: ServerNid }>(
      'SELECT DISTINCT server FROM room_server WHERE room = ? AND server > ?' +
        ' AND from_pos <= ? AND (to_pos IS NULL OR to_pos > ?) ORDER BY server LIMIT ?',
    );
    this.#wasIn = db.prepare<[number, number, number, number], { found: 1 }>(
      'SELECT 1 AS found FROM room_server WHERE room = ? AND server = ?' +
        ' AND from_pos <= ? AND (to_pos IS NULL OR to_pos - 1 > ?) LIMIT 1',
    );
    this.#current = db.prepare<[number, number, number], { server: ServerNid; joined: number }>(
      'SELECT server, joined FROM room_server WHERE room = ? AND server > ? AND to_pos IS NULL ORDER BY server LIMIT ?',
    );
    this.#begin = db.prepare<[number, number, number, number], never>(
      'INSERT INTO room_server (room, server, from_pos, to_pos, joined) VALUES (?, ?, ?, NULL, ?)',
    );
    this.#setJoined = db.prepare<[number, number, number, number], never>(
      'UPDATE room_server SET joined = ? WHERE room = ? AND server = ? AND from_pos = ?',
    );
    this.#tell = db.prepare<[number, number, number], never>(
      'UPDATE room_server SET told = 1 WHERE room = ? AND server = ? AND from_pos = ?',
    );
    this.#told = db.prepare<[number, number, number], { server: ServerNid; from: StreamPos; joined: number }>(
      'SELECT server, from_pos AS "from", joined FROM room_server' +
        ' WHERE room = ? AND server > ? AND to_pos IS NULL AND told = 1 ORDER BY server LIMIT ?',
    );
    this.#untell = db.prepare<[number, number, number], never>(
      'UPDATE room_server SET told = 0 WHERE room = ? AND server = ? AND from_pos = ?',
    );
    this.#end = db.prepare<[number, number, number, number], never>(
      'UPDATE room_server SET joined = 0, to_pos = ? WHERE room = ? AND server = ? AND from_pos = ?',
    );
    this.#endAll = db.prepare<[number, number], never>(
      'UPDATE room_server SET joined = 0, told = 0, to_pos = ? WHERE room = ? AND to_pos IS NULL',
    );
  }

  /**
   * `by` more (or fewer) users of the server are joined from `pos` on. Answers 1 if the server entered the room by
   * that, -1 if it left it.
   */
  change(room: RoomNid, server: ServerNid, by: number, pos: StreamPos): 1 | 0 | -1 {
    if (by === 0) return 0;
    const open = this.#open.get(room, server);
    if (open === undefined) {
      this.#begin.run(room, server, pos, by);
      return 1;
    }
    if (open.joined + by > 0 || open.told === 1) {
      this.#setJoined.run(open.joined + by, room, server, open.from);
      return 0;
    }
    this.#end.run(pos + 1, room, server, open.from);
    return -1;
  }

  /**
   * Another server says that this one is in the room, from `pos` on; who of its users is not known yet. Answers 1 if
   * that is news.
   */
  tell(room: RoomNid, server: ServerNid, pos: StreamPos): 1 | 0 {
    const open = this.#open.get(room, server);
    if (open === undefined) this.#begin.run(room, server, pos, 0);
    this.#tell.run(room, server, open?.from ?? pos);
    return open === undefined ? 1 : 0;
  }

  /** Whether the server is in the room by the word of another one. */
  isTold(room: RoomNid, server: ServerNid): boolean {
    return this.#open.get(room, server)?.told === 1;
  }

  /** One page of the servers that are in the room by the word of another one, with how many of its users are known to be. */
  told(room: RoomNid, after: ServerNid | 0, limit: number): { server: ServerNid; from: StreamPos; joined: number }[] {
    return this.#told.all(room, after, limit);
  }

  /** Somebody of the server is known to be in the room: what was told counts no more. */
  settleTold(room: RoomNid, { server, from }: { readonly server: ServerNid; readonly from: StreamPos }): void {
    this.#untell.run(room, server, from);
  }

  /** All who are in the room are known, nobody of the server among them. */
  endTold(
    room: RoomNid,
    { server, from }: { readonly server: ServerNid; readonly from: StreamPos },
    pos: StreamPos,
  ): void {
    this.#untell.run(room, server, from);
    this.#end.run(pos + 1, room, server, from);
  }

  /** How many users of the server are joined. */
  joined(room: RoomNid, server: ServerNid): number {
    return this.#open.get(room, server)?.joined ?? 0;
  }

  /** Whether a user of the server was joined by the state of the main line at `pos`. */
  wasIn(room: RoomNid, server: ServerNid, pos: StreamPos): boolean {
    return this.#wasIn.get(room, server, pos, pos) !== undefined;
  }

  /** One page of the servers that must receive what happened at `pos`. */
  at(room: RoomNid, pos: StreamPos, after: ServerNid | 0, limit: number): ServerNid[] {
    return this.#at.all(room, after, pos, pos, limit).map((row) => row.server);
  }

  /** One page of the servers that are in the room now, each with how many of its users are joined. */
  current(room: RoomNid, after: ServerNid | 0, limit: number): { server: ServerNid; joined: number }[] {
    return this.#current.all(room, after, limit);
  }

  /** Ends every interval before `pos`: what comes then is about a room that we enter anew. */
  endAll(room: RoomNid, pos: StreamPos): void {
    this.#endAll.run(pos, room);
  }
}
