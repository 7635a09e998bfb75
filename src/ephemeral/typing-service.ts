import { forbidden } from '../protocol/errors.ts';
import type { CommittedEvent, EventObserver } from '../rooms/input/observer.ts';
import type { KnownRooms } from '../rooms/known-rooms.ts';
import type { Database } from '../store/db.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { Requester } from '../users/login/requester.ts';
import type { Millis } from '../util/brand.ts';
import type { Typing } from './typing.ts';

export interface TypingServiceUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly knownRooms: KnownRooms;
  readonly typing: Typing;
}

/** Typing as our users say it, and as their events tell: whoever has sent what was being typed has stopped. */
export class TypingService implements EventObserver {
  readonly follows = { live: 'all' } as const;
  readonly #uses: TypingServiceUses;

  constructor(uses: TypingServiceUses) {
    this.#uses = uses;
  }

  /** The user types for `timeout`, or has stopped. 403 M_FORBIDDEN not in the room. */
  set({ user }: Requester, roomId: string, timeout: Millis | undefined): void {
    const { knownRooms, roomState, typing } = this.#uses;
    const room = knownRooms.getForMember(roomId).nid;
    if (roomState.localMember(user, room)?.membership !== memberships.join) throw forbidden('You are not in this room');
    if (timeout === undefined) typing.stop(room, user);
    else typing.start(room, user, timeout);
  }

  onEvent({ row, pdu }: CommittedEvent): void {
    const { db, interning, typing } = this.#uses;
    const left = row.membership === memberships.leave || row.membership === memberships.ban;
    if (row.stateKey !== null && !left) return;
    const user = left ? interning.findUser(pdu.state_key ?? '') : row.sender;
    // Memory is changed only once the event is certain.
    if (user !== undefined && typing.users(row.room).includes(user)) db.afterCommit(() => typing.stop(row.room, user));
  }
}
