import type { Database } from '../db.ts';
import { wellKnown } from '../interning/well-known.ts';
import type { EventNid, RoomNid, UserNid } from '../nids.ts';

/** A place in the public directory: the size and the number of a room that is or was there. */
export interface ListPlace {
  readonly room: number;
  readonly joined: number;
}

/** A room of the public directory. */
export interface ListedRoom extends ListPlace {
  readonly room: RoomNid;
}

/** The directory of rooms: which are published, which are open to all, what is in a space, who is in which together. */
export class RoomDirectoryStore {
  readonly #after;
  readonly #before;
  readonly #count;
  readonly #children;
  readonly #mutual;
  readonly #mutualCount;
  readonly #open;
  readonly #close;

  constructor(db: Database) {
    this.#after = db.prepare<[joined: number, room: number, limit: number], ListedRoom>(
      'SELECT room, joined FROM room_info WHERE published = 1 AND joined > 0 AND (joined, room) < (?, ?)' +
        ' ORDER BY joined DESC, room DESC LIMIT ?',
    );
    this.#before = db.prepare<[joined: number, room: number, limit: number], ListedRoom>(
      'SELECT room, joined FROM room_info WHERE published = 1 AND joined > 0 AND (joined, room) > (?, ?)' +
        ' ORDER BY joined, room LIMIT ?',
    );
    this.#count = db.prepare<[], number>('SELECT count(*) FROM room_info WHERE published = 1 AND joined > 0').pluck();
    // What a room has besides its members is little in most rooms; whoever fills one with state slows down that one.
    this.#children = db
      .prepare<[room: number, type: number, limit: number], EventNid>(
        'SELECT current_state.event FROM current_state INDEXED BY current_state_other' +
          ' CROSS JOIN state_key ON state_key.nid = current_state.key' +
          ' WHERE current_state.room = ? AND current_state.other = 1 AND state_key.type = ? LIMIT ?',
      )
      .pluck();
    const mutual =
      ' FROM local_member AS mine CROSS JOIN member AS theirs ON theirs.room = mine.room' +
      ' WHERE mine.user = ? AND mine.membership = 1 AND theirs.user = ? AND theirs.membership = 1';
    this.#mutual = db
      .prepare<[user: number, other: number, after: number, limit: number], RoomNid>(
        `SELECT mine.room${mutual} AND mine.room > ? ORDER BY mine.room LIMIT ?`,
      )
      .pluck();
    this.#mutualCount = db.prepare<[user: number, other: number], number>(`SELECT count(*)${mutual}`).pluck();
    this.#open = db.prepare<[room: number], never>('INSERT OR IGNORE INTO open_room (room) VALUES (?)');
    this.#close = db.prepare<[room: number], never>('DELETE FROM open_room WHERE room = ?');
  }

  /** Published rooms that come after a place, the largest first; without a place from the first. */
  after(place: ListPlace | undefined, limit: number): ListedRoom[] {
    return this.#after.all(place?.joined ?? Number.MAX_SAFE_INTEGER, place?.room ?? 0, limit);
  }

  /** Published rooms that come before a place, the nearest first. */
  before(place: ListPlace, limit: number): ListedRoom[] {
    return this.#before.all(place.joined, place.room, limit);
  }

  count(): number {
    return this.#count.get() ?? 0;
  }

  /** The `m.space.child` events of a room's current state, at most so many of them. */
  children(room: RoomNid, limit: number): EventNid[] {
    return this.#children.all(room, wellKnown.types.spaceChild, limit);
  }

  /** Rooms that a local user and somebody else are both in, by room. */
  mutual(user: UserNid, other: UserNid, after: number, limit: number): RoomNid[] {
    return this.#mutual.all(user, other, after, limit);
  }

  mutualCount(user: UserNid, other: UserNid): number {
    return this.#mutualCount.get(user, other) ?? 0;
  }

  /** Inside a write: whether anybody may join or read the room. */
  setOpen(room: RoomNid, isOpen: boolean): void {
    (isOpen ? this.#open : this.#close).run(room);
  }
}
