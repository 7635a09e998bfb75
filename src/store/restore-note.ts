import type { Millis } from '../util/brand.ts';
import type { Statement } from './database/statement.ts';
import type { Database } from './db.ts';
import type { RoomNid } from './nids.ts';

/** The note that this database came out of a backup and that what follows from it is still to be done. */
export class RestoreNote {
  readonly #get: Statement<[string], number>;
  readonly #set: Statement<[string, bigint], never>;
  readonly #remove: Statement<[string], never>;
  readonly #nextRoom: Statement<[number], RoomNid>;

  constructor(db: Database) {
    this.#get = db.prepare<[string], number>('SELECT value FROM meta WHERE key = ?').pluck();
    this.#set = db.prepare(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
    );
    this.#remove = db.prepare('DELETE FROM meta WHERE key = ?');
    this.#nextRoom = db
      .prepare<[number], RoomNid>('SELECT room FROM room_info WHERE room > ? ORDER BY room LIMIT 1')
      .pluck();
  }

  /** When it was restored, until `begun` is called. */
  pending(): Millis | undefined {
    return this.#get.get('restored') as Millis | undefined;
  }

  /** Inside a write: what had to be done before anybody was answered is done; the rooms are next. */
  begun(): void {
    this.#remove.run('restored');
    this.#set.run('catch_up', 0n);
  }

  /** The last room that was caught up, 0 before the first; `undefined`: there is nothing to catch up. */
  roomsCaughtUp(): RoomNid | 0 | undefined {
    return this.#get.get('catch_up') as RoomNid | 0 | undefined;
  }

  nextRoom(after: RoomNid | 0): RoomNid | undefined {
    return this.#nextRoom.get(after);
  }

  /** Inside a write. Without a room, all are. */
  caughtUp(room: RoomNid | undefined): void {
    if (room === undefined) this.#remove.run('catch_up');
    else this.#set.run('catch_up', BigInt(room));
  }
}
