import type { AuthEvents } from '../rooms/input/auth-events.ts';
import type { CommittedEvent, EventObserver } from '../rooms/input/observer.ts';
import type { RoomDirectoryStore } from '../store/directory/rooms.ts';
import { memberships } from '../store/events/membership.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { RoomNid, StateKeyNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';

export interface OpenRoomsUses {
  readonly authEvents: AuthEvents;
  readonly roomState: RoomStateStore;
  readonly roomDirectory: RoomDirectoryStore;
}

const { joinRules, historyVisibility } = wellKnown.stateKeys;

/** Keeps the list of rooms that anybody may join or read, whose members everybody can find. */
export class OpenRooms implements EventObserver {
  readonly follows = { live: 'state' } as const;
  readonly #uses: OpenRoomsUses;

  constructor(uses: OpenRoomsUses) {
    this.#uses = uses;
  }

  onEvent({ row }: CommittedEvent): void {
    // A room of other servers comes with its state, of which no event tells.
    const isNewHere =
      row.membership === memberships.join && this.#uses.roomState.localMember(row.sender, row.room)?.pos === row.pos;
    if (row.type !== wellKnown.types.member || isNewHere) this.#look(row.room);
  }

  onCorrected(room: RoomNid, keys: readonly StateKeyNid[]): void {
    if (keys.includes(joinRules) || keys.includes(historyVisibility)) this.#look(room);
  }

  /** Of the current state and not of the event: where a room has forked, another event may have come to hold. */
  #look(room: RoomNid): void {
    const isOpen =
      this.#says(room, joinRules, 'join_rule', 'public') ||
      this.#says(room, historyVisibility, 'history_visibility', 'world_readable');
    this.#uses.roomDirectory.setOpen(room, isOpen);
  }

  #says(room: RoomNid, key: StateKeyNid, field: string, value: string): boolean {
    const event = this.#uses.roomState.current(room, key);
    return event !== undefined && this.#uses.authEvents.get(event).content[field] === value;
  }
}
