import type { AuthEvents } from '../rooms/auth-events.ts';
import type { CommittedEvent, EventObserver } from '../rooms/observer.ts';
import type { RoomDirectoryStore } from '../store/directory/rooms.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { RoomNid, StateKeyNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';

export interface OpenRoomsUses {
  readonly authEvents: AuthEvents;
  readonly roomState: RoomStateStore;
  readonly roomDirectory: RoomDirectoryStore;
}

/** Keeps the list of rooms that anybody may join or read, whose members everybody can find. */
export class OpenRooms implements EventObserver {
  readonly #uses: OpenRoomsUses;

  constructor(uses: OpenRoomsUses) {
    this.#uses = uses;
  }

  onEvent({ row }: CommittedEvent): void {
    // Of the current state and not of the event: where a room has forked, another event may have come to hold.
    if (row.stateKey === null || row.type === wellKnown.types.member) return;
    const { joinRules, historyVisibility } = wellKnown.stateKeys;
    const isOpen =
      this.#says(row.room, joinRules, 'join_rule', 'public') ||
      this.#says(row.room, historyVisibility, 'history_visibility', 'world_readable');
    this.#uses.roomDirectory.setOpen(row.room, isOpen);
  }

  #says(room: RoomNid, key: StateKeyNid, field: string, value: string): boolean {
    const event = this.#uses.roomState.current(room, key);
    return event !== undefined && this.#uses.authEvents.get(event).content[field] === value;
  }
}
