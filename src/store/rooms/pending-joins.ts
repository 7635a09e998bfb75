import type { ServerName } from '../../protocol/ids/types.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Database } from '../db.ts';
import type { RoomNid, UserNid } from '../nids.ts';

/** A join through other servers, as it was asked for. */
export interface PendingJoin {
  readonly room: RoomNid;
  readonly user: UserNid;
  readonly servers: readonly ServerName[];
  readonly said: Readonly<JsonObject>;
}

/** How many are looked at together; hardly ever is there more than one. */
const together = 16;

/** Joins under way, for the case that the process does not live to see their end. Writing methods belong inside a write. */
export class PendingJoins {
  readonly #begin;
  readonly #tried;
  readonly #exhaust;
  readonly #end;
  readonly #has;
  readonly #list;

  constructor(db: Database) {
    this.#begin = db.prepare<[number, number, string, string], never>(
      'INSERT INTO room_join (room, user, servers, said) VALUES (?, ?, ?, ?)' +
        ' ON CONFLICT (room) DO UPDATE SET user = excluded.user, servers = excluded.servers, said = excluded.said',
    );
    this.#tried = db.prepare<[number], never>('UPDATE room_join SET tries = tries + 1 WHERE room = ?');
    this.#exhaust = db.prepare<[number, number], never>('UPDATE room_join SET tries = max(tries, ?) WHERE room = ?');
    this.#end = db.prepare<[number], never>('DELETE FROM room_join WHERE room = ?');
    this.#has = db.prepare<[number], { room: RoomNid }>('SELECT room FROM room_join WHERE room = ?');
    this.#list = db.prepare<
      [number, number],
      { room: RoomNid; user: UserNid; servers: string; said: string; tries: number }
    >('SELECT room, user, servers, said, tries FROM room_join WHERE room > ? ORDER BY room LIMIT ?');
  }

  begin({ room, user, servers, said }: PendingJoin): void {
    this.#begin.run(room, user, JSON.stringify(servers), JSON.stringify(said));
  }

  /** It is taken up once more. */
  tried(room: RoomNid): void {
    this.#tried.run(room);
  }

  /** It is not taken up any more, but there is something to be cleared up elsewhere: as after so many tries. */
  exhaust(room: RoomNid, tries: number): void {
    this.#exhaust.run(tries, room);
  }

  end(room: RoomNid): void {
    this.#end.run(room);
  }

  has(room: RoomNid): boolean {
    return this.#has.get(room) !== undefined;
  }

  /** Some of them, by room. */
  list(after: RoomNid | 0): (PendingJoin & { readonly tries: number })[] {
    return this.#list.all(after, together).map(({ servers, said, ...join }) => ({
      ...join,
      servers: JSON.parse(servers) as ServerName[],
      said: JSON.parse(said) as JsonObject,
    }));
  }
}
