import type { Database } from '../db.ts';
import type { RoomNid } from '../nids.ts';

/** Rooms whose current state is still to be resolved from the states at their ends. */
export class UnsettledRooms {
  readonly #has;
  readonly #add;
  readonly #remove;
  readonly #list;

  constructor(db: Database) {
    this.#has = db.remember<[number], { room: RoomNid }>('SELECT room FROM unsettled_room WHERE room = ?');
    this.#add = db.prepare<[number], never>('INSERT OR IGNORE INTO unsettled_room (room) VALUES (?)');
    this.#remove = db.prepare<[number], never>('DELETE FROM unsettled_room WHERE room = ?');
    this.#list = db.prepare<[number, number], { room: RoomNid }>(
      'SELECT room FROM unsettled_room WHERE room > ? ORDER BY room LIMIT ?',
    );
  }

  has(room: RoomNid): boolean {
    return this.#has.get(room) !== undefined;
  }

  /** Inside a write. */
  add(room: RoomNid): void {
    this.#add.run(room);
  }

  /** Inside a write. */
  remove(room: RoomNid): void {
    this.#remove.run(room);
  }

  list(after: RoomNid | 0, limit: number): RoomNid[] {
    return this.#list.all(after, limit).map(({ room }) => room);
  }
}
