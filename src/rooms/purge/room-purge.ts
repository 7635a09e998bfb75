import { MatrixError } from '../../protocol/errors.ts';
import type { RoomId } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EmptyRoomStore } from '../../store/limits/empty-rooms.ts';
import type { RoomPurgeStore } from '../../store/limits/room-purge.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { StateImports } from '../../store/state/state-import.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { Log } from '../../util/log.ts';
import type { AuthEvents } from '../input/auth-events.ts';

export interface RoomPurgesUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomPurges: RoomPurgeStore;
  readonly emptyRooms: EmptyRoomStore;
  readonly stateImports: StateImports;
  readonly authEvents: Pick<AuthEvents, 'forgetAll'>;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a room stays after the last of our users has left it. */
  readonly emptyRoomsAfter: Millis;
}

/** Rooms looked at in a slice. */
const roomsPerSlice = 100;
/** Between two looks at all rooms. */
const lookEvery = 60 * 60_000;
/** What was sent last, the leaves that come before a purge, is delivered meanwhile. */
const delivery = 60_000;
/** A room of the usual size is gone by then. */
const retryAfter = 30;

/** Deletes rooms: those that the admin names, and those that nobody here has been in for a while. */
export class RoomPurges {
  readonly #uses: RoomPurgesUses;
  #looked = -Infinity;
  #cursor: RoomNid | 0 = 0;
  /** Rooms that are being entered: a handful. */
  readonly #held = new Set<RoomNid>();

  constructor(uses: RoomPurgesUses) {
    this.#uses = uses;
  }

  /** Has the room deleted, from the next minute on. `in use`: somebody of ours is in it, invited or knocking. */
  begin(roomId: RoomId): 'begun' | 'unknown' | 'in use' {
    const { interning, emptyRooms, roomPurges, stateImports, clock } = this.#uses;
    const room = interning.findRoom(roomId);
    if (room === undefined) return 'unknown';
    if (roomPurges.isPending(room)) return 'begun';
    if (this.#held.has(room) || roomPurges.isOurs(room) || stateImports.find(room) !== undefined) return 'in use';
    if (!emptyRooms.isEmpty(room)) return 'unknown';
    this.#begin(room, millis(clock.now() + delivery));
    return 'begun';
  }

  /** 503 M_UNKNOWN while the room is being deleted: what comes in now would go with it. */
  requireNone(roomId: RoomId): void {
    const room = this.#uses.interning.findRoom(roomId);
    if (room === undefined || !this.#uses.roomPurges.isPending(room)) return;
    throw new MatrixError(503, 'M_UNKNOWN', 'What is left of this room is being deleted: try again in a moment', {
      headers: { 'Retry-After': String(retryAfter) },
    });
  }

  /** No purge of the room begins until what is returned is disposed of. Throws like `requireNone`. */
  hold(roomId: RoomId, room: RoomNid): Disposable {
    this.requireNone(roomId);
    this.#held.add(room);
    return { [Symbol.dispose]: () => void this.#held.delete(room) };
  }

  /** Does a slice of a few milliseconds; false: there is nothing to do. */
  slice(): boolean {
    const { db, clock, roomPurges, log, interning } = this.#uses;
    const due = roomPurges.due(clock.now());
    if (due === undefined) return this.#look();
    const more = db.write(() => roomPurges.slice(due));
    this.#uses.authEvents.forgetAll();
    if (!more) log.info('rooms.purged', { room: interning.roomId(due.room) });
    return true;
  }

  #look(): boolean {
    const { db, clock, emptyRooms, emptyRoomsAfter } = this.#uses;
    const empty = emptyRooms.emptySince(millis(clock.now() - emptyRoomsAfter));
    if (empty !== undefined) {
      if (emptyRooms.isEmpty(empty) && !this.#held.has(empty)) this.#begin(empty, clock.now());
      else db.write<void>(() => emptyRooms.unmark(empty));
      return true;
    }
    if (this.#cursor === 0 && clock.monotonic() - this.#looked < lookEvery) return false;
    const next = db.write(() => emptyRooms.look(this.#cursor, roomsPerSlice, clock.now()));
    this.#cursor = next ?? 0;
    this.#looked = clock.monotonic();
    return next !== undefined;
  }

  #begin(room: RoomNid, start: Millis): void {
    const { db, roomPurges, log, interning } = this.#uses;
    db.write<void>(() => roomPurges.begin(room, start));
    log.info('rooms.purge_begins', { room: interning.roomId(room) });
  }
}
