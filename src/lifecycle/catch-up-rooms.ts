import type { KnownRooms } from '../rooms/known-rooms.ts';
import type { CatchUp } from '../rooms/receive/catch-up.ts';
import type { Database } from '../store/db.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RestoreNote } from '../store/restore-note.ts';
import type { Log } from '../util/log.ts';

export interface CatchUpRoomsUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly restoreNote: RestoreNote;
  readonly knownRooms: KnownRooms;
  readonly catchUp: CatchUp;
  readonly log: Log;
}

/**
 * After a restore, asks the other servers in each room what has happened since the backup, one room after the other.
 * Where it stands is in the database. Of a room whose servers do not answer now, it is heard when they speak again.
 */
export class CatchUpRooms {
  readonly #uses: CatchUpRoomsUses;
  readonly #stopping = new AbortController();

  constructor(uses: CatchUpRoomsUses) {
    this.#uses = uses;
  }

  /** Breaks off the room under way, whose turn it is again after the start. */
  stop(): void {
    this.#stopping.abort();
  }

  /** The next room; true if there may be more. */
  async slice(): Promise<boolean> {
    const { db, interning, restoreNote, knownRooms, catchUp, log } = this.#uses;
    const { signal } = this.#stopping;
    if (signal.aborted) return false;
    const after = restoreNote.roomsCaughtUp();
    if (after === undefined) return false;
    const nid = restoreNote.nextRoom(after);
    if (nid === undefined) {
      db.write<void>(() => restoreNote.caughtUp(undefined));
      return false;
    }
    const room = knownRooms.find(interning.roomId(nid));
    const answered = room === undefined || (await catchUp.room(room, signal));
    if (signal.aborted) return false;
    if (!answered) log.warn('restore.room_not_caught_up', { room: room.roomId });
    db.write<void>(() => restoreNote.caughtUp(nid));
    return true;
  }
}
