import type { RoomId, UserId } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomLimitStore } from '../../store/limits/room-limits.ts';
import type { Clock } from '../../util/clock.ts';

export interface ExemptionUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomLimits: RoomLimitStore;
  readonly clock: Clock;
}

/** Rooms and people of ours that no limit on rooms holds for. */
export class Exemptions {
  readonly #uses: ExemptionUses;

  constructor(uses: ExemptionUses) {
    this.#uses = uses;
  }

  /** A room, known or not yet. */
  room(roomId: RoomId, exempt: boolean): void {
    const { db, interning, roomLimits, clock } = this.#uses;
    db.write<void>(() => {
      const known = interning.findRoom(roomId);
      if (exempt) roomLimits.exemptRoom(known ?? interning.room(roomId), clock.now());
      else if (known !== undefined) roomLimits.unexemptRoom(known);
    });
  }

  user(userId: UserId, exempt: boolean): void {
    const { db, interning, roomLimits, clock } = this.#uses;
    db.write<void>(() => {
      const known = interning.findUser(userId);
      if (exempt) roomLimits.exemptUser(known ?? interning.user(userId), clock.now());
      else if (known !== undefined) roomLimits.unexemptUser(known);
    });
  }

  /** The first thousand of each. */
  list(): { rooms: RoomId[]; users: UserId[] } {
    const { interning, roomLimits } = this.#uses;
    return {
      rooms: roomLimits.exemptRooms().map((nid) => interning.roomId(nid)),
      users: roomLimits.exemptUsers().map((nid) => interning.userId(nid)),
    };
  }
}
