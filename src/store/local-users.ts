import type { Statement } from './database/statement.ts';
import type { Database } from './db.ts';
import type { RoomNid, UserNid } from './nids.ts';

/** Who of our users must hear of what happens in a room. */
export class LocalUsers {
  readonly #inRoom: Statement<[number], UserNid>;

  constructor(db: Database) {
    // 1 join, 2 invite: see events/membership.ts.
    this.#inRoom = db
      .prepare<[number], UserNid>('SELECT user FROM local_member WHERE room = ? AND membership IN (1, 2)')
      .pluck();
  }

  /** The local users who are joined or invited. */
  inRoom(room: RoomNid): IterableIterator<UserNid> {
    return this.#inRoom.iterate(room);
  }
}
