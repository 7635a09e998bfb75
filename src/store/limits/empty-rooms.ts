import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import { memberships } from '../events/membership.ts';
import type { RoomNid } from '../nids.ts';

/** Finds rooms that nobody of ours has to do with any more. Writing methods belong inside a write. */
export class EmptyRoomStore {
  readonly #page;
  readonly #isOurs;
  readonly #isStored;
  readonly #mark;
  readonly #unmark;
  readonly #due;

  constructor(db: Database) {
    this.#page = db
      .prepare<[number, number], RoomNid>('SELECT nid FROM room WHERE nid > ? ORDER BY nid LIMIT ?')
      .pluck();
    const { join, invite, knock } = memberships;
    const isOurs = db
      .prepare<[number, number, number, number], 1>(
        'SELECT 1 FROM local_member WHERE room = ? AND membership IN (?, ?, ?) LIMIT 1',
      )
      .pluck();
    this.#isOurs = (room: RoomNid) => isOurs.get(room, join, invite, knock) !== undefined;
    this.#isStored = db
      .prepare<[number, number, number, number, number], 0 | 1>(
        'SELECT NOT EXISTS (SELECT 1 FROM room_purge WHERE room = ?) AND NOT EXISTS' +
          ' (SELECT 1 FROM room_import WHERE room = ?) AND NOT EXISTS (SELECT 1 FROM room_join WHERE room = ?) AND (EXISTS (SELECT 1 FROM room_info WHERE room = ?)' +
          ' OR EXISTS (SELECT 1 FROM local_member WHERE room = ?))',
      )
      .pluck();
    this.#mark = db.prepare<[number, number], never>(
      'INSERT INTO empty_room (room, since) VALUES (?, ?) ON CONFLICT DO NOTHING',
    );
    this.#unmark = db.prepare<[number], never>('DELETE FROM empty_room WHERE room = ?');
    this.#due = db
      .prepare<[number], RoomNid>('SELECT room FROM empty_room WHERE since <= ? ORDER BY since LIMIT 1')
      .pluck();
  }

  /** Looks at the next rooms; answers the last of them, `undefined` after the last of all. */
  look(after: RoomNid | 0, limit: number, now: Millis): RoomNid | undefined {
    const page = this.#page.all(after, limit);
    for (const room of page) {
      if (this.isEmpty(room)) this.#mark.run(room, now);
      else this.#unmark.run(room);
    }
    return page.length < limit ? undefined : page.at(-1);
  }

  /** Whether something of the room is stored that nobody of ours has to do with, and it is not being taken in. */
  isEmpty(room: RoomNid): boolean {
    return !this.#isOurs(room) && this.#isStored.get(room, room, room, room, room) === 1;
  }

  /** One that has been empty since then at least. */
  emptySince(then: Millis): RoomNid | undefined {
    return this.#due.get(then);
  }

  unmark(room: RoomNid): void {
    this.#unmark.run(room);
  }
}
