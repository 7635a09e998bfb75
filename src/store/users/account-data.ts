import type { Database } from '../db.ts';
import type { RoomNid, StreamPos, UserNid } from '../nids.ts';

export interface AccountDataRow {
  readonly type: string;
  /** JSON text of the content. */
  readonly content: string;
  readonly pos: StreamPos;
}

/** Stands for "no room": global account data. */
const noRoom = 0;

/** What clients keep for a user: global, and for a room. */
export class AccountDataStore {
  readonly #find;
  readonly #list;
  readonly #changed;
  readonly #put;
  readonly #removeAll;
  readonly #size;

  constructor(db: Database) {
    this.#find = db.prepare<[user: number, room: number, type: string], AccountDataRow>(
      'SELECT type, content, pos FROM account_data WHERE user = ? AND room = ? AND type = ?',
    );
    this.#list = db.prepare<[user: number, room: number], AccountDataRow>(
      'SELECT type, content, pos FROM account_data WHERE user = ? AND room = ? ORDER BY type',
    );
    this.#changed = db.rememberStretch<[user: number, room: number, after: number, upTo: number], AccountDataRow>(
      // Few types are kept for one room, so the primary key's range serves; a global sync reads all of them anyway.
      // Asked to sort, the planner would walk the data of all rooms by position instead.
      'SELECT type, content, pos FROM account_data WHERE user = ? AND room = ? AND +pos > ? AND +pos <= ?',
      { keys: 2, large: true },
    );
    this.#put = db.prepare<[number, number, string, string, number]>(
      'INSERT INTO account_data (user, room, type, content, pos) VALUES (?, ?, ?, ?, ?)' +
        ' ON CONFLICT (user, room, type) DO UPDATE SET content = excluded.content, pos = excluded.pos',
    );
    this.#size = db
      .prepare<[user: number], number | null>('SELECT sum(octet_length(content)) FROM account_data WHERE user = ?')
      .pluck();
    this.#removeAll = db.prepare<[user: number]>('DELETE FROM account_data WHERE user = ?');
  }

  find(user: UserNid, room: RoomNid | undefined, type: string): AccountDataRow | undefined {
    return this.#find.get(user, room ?? noRoom, type);
  }

  /** By type. */
  list(user: UserNid, room: RoomNid | undefined): AccountDataRow[] {
    return this.#list.all(user, room ?? noRoom);
  }

  /** Those that changed in (after, upTo], oldest first. */
  changed(user: UserNid, room: RoomNid | undefined, after: StreamPos, upTo: StreamPos): AccountDataRow[] {
    return this.#changed.all(user, room ?? noRoom, after, upTo).toSorted((a, b) => a.pos - b.pos);
  }

  put(user: UserNid, room: RoomNid | undefined, type: string, content: string, pos: StreamPos): void {
    this.#put.run(user, room ?? noRoom, type, content, pos);
  }

  /** Bytes of all that is kept for a user. */
  size(user: UserNid): number {
    return this.#size.get(user) ?? 0;
  }

  removeAll(user: UserNid): void {
    this.#removeAll.run(user);
  }
}
