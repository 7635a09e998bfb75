import type { Database } from '../db.ts';
import type { RoomNid } from '../nids.ts';

/** Which rooms this server publishes in its directory. */
export class DirectoryStore {
  readonly #isPublished;
  readonly #setPublished;

  constructor(db: Database) {
    this.#isPublished = db.prepare<[room: number], { published: number }>(
      'SELECT published FROM room_info WHERE room = ?',
    );
    this.#setPublished = db.prepare<[published: number, room: number], unknown>(
      'UPDATE room_info SET published = ? WHERE room = ?',
    );
  }

  isPublished(room: RoomNid): boolean {
    return this.#isPublished.get(room)?.published === 1;
  }

  setPublished(room: RoomNid, published: boolean): void {
    this.#setPublished.run(published ? 1 : 0, room);
  }
}
