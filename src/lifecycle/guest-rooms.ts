import { MatrixError } from '../protocol/errors.ts';
import type { CommittedEvent, EventObserver } from '../rooms/input/observer.ts';
import type { Memberships } from '../rooms/membership/membership.ts';
import { currentState, type StateSources } from '../rooms/state/current-state.ts';
import type { Database } from '../store/db.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { RoomNid, StateKeyNid, UserNid } from '../store/nids.ts';
import type { AccountStore } from '../store/users/accounts.ts';
import type { Requester } from '../users/login/requester.ts';
import type { Log } from '../util/log.ts';

export interface GuestRoomsUses extends StateSources {
  readonly db: Database;
  readonly accounts: Pick<AccountStore, 'guestsIn'>;
  readonly memberships: Memberships;
  readonly asSender: (user: UserNid) => Requester | undefined;
  readonly log: Log;
}

const { guestAccess, redaction, member } = wellKnown.types;

/**
 * Guests leave a room that does not want guests any more.
 * @see https://spec.matrix.org/v1.19/client-server-api/#guest-access
 */
export class GuestRooms implements EventObserver {
  /** Memberships are looked at too: what a crash has left shows then at the latest. */
  readonly follows = { live: [guestAccess, redaction, member] };
  readonly #uses: GuestRoomsUses;
  /** Rooms being emptied of guests: bounded by what is committed at the same moment. */
  readonly #underWay = new Set<Promise<void>>();

  constructor(uses: GuestRoomsUses) {
    this.#uses = uses;
  }

  onEvent({ row }: CommittedEvent): void {
    this.#look(row.room);
  }

  onCorrected(room: RoomNid, keys: readonly StateKeyNid[]): void {
    if (keys.includes(wellKnown.stateKeys.guestAccess)) this.#look(room);
  }

  #look(room: RoomNid): void {
    const { db, accounts } = this.#uses;
    if (accounts.guestsIn(room).length === 0 || this.#isWelcoming(room)) return;
    db.afterCommit(() => this.#begin(room));
  }

  /** Resolves when nobody is being shown out any more. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  #isWelcoming(room: RoomNid): boolean {
    return currentState(this.#uses, room)('m.room.guest_access', '')?.content['guest_access'] === 'can_join';
  }

  #begin(room: RoomNid): void {
    const work = this.#empty(room).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  async #empty(room: RoomNid): Promise<void> {
    const { accounts, memberships, interning, asSender, log } = this.#uses;
    // Not inside the commit that brought the change.
    await Promise.resolve();
    const roomId = interning.roomId(room);
    for (const user of accounts.guestsIn(room)) {
      const guest = asSender(user);
      if (guest === undefined) continue;
      try {
        await memberships.leave(guest, roomId);
      } catch (error) {
        if (!(error instanceof MatrixError)) log.error('guests.leave_failed', { room: roomId, cause: error });
      }
    }
  }
}
