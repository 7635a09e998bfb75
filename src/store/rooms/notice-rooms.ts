import type { Database } from '../db.ts';
import type { RoomNid, UserNid } from '../nids.ts';

/** In which room the server talks to each user. */
export class NoticeRoomStore {
  readonly #find;
  readonly #set;

  constructor(db: Database) {
    this.#find = db.prepare<[user: number], { room: RoomNid }>('SELECT room FROM notice_room WHERE user = ?');
    this.#set = db.prepare<[user: number, room: number]>(
      'INSERT INTO notice_room (user, room) VALUES (?, ?) ON CONFLICT DO UPDATE SET room = excluded.room',
    );
  }

  of(user: UserNid): RoomNid | undefined {
    return this.#find.get(user)?.room;
  }

  /** Inside a write. */
  set(user: UserNid, room: RoomNid): void {
    this.#set.run(user, room);
  }
}
