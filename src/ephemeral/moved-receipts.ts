import type { CommittedEvent, EventObserver } from '../rooms/observer.ts';
import type { ReceiptStore } from '../store/ephemeral/receipts.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { EventNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { Timeline } from '../store/timeline.ts';
import type { Streams } from '../streams/streams.ts';
import type { AccountData } from '../users/account-data.ts';

export interface MovedReceiptsUses {
  readonly interning: Interning;
  readonly timeline: Timeline;
  readonly receipts: ReceiptStore;
  readonly roomState: RoomStateStore;
  readonly accountData: AccountData;
  readonly streams: Streams;
}

/**
 * Receipts and fully-read markers at an event that is taken out of its room move to the one before it, as nobody can be
 * shown where they are. What was read by them stays read.
 */
export class MovedReceipts implements EventObserver {
  readonly follows = {};
  readonly #uses: MovedReceiptsUses;

  constructor(uses: MovedReceiptsUses) {
    this.#uses = uses;
  }

  onEvent(): void {}

  onTakenOut({ row, eventId }: CommittedEvent): void {
    const { receipts, roomState, accountData, streams, interning } = this.#uses;
    const before = this.#before(row);
    receipts.move(row.room, row.nid, before, () => streams.next());
    for (const user of roomState.localJoined(row.room)) {
      if (accountData.ofRoom(user, row.room, 'm.fully_read')?.['event_id'] !== eventId) continue;
      const content = before === undefined ? {} : { event_id: interning.eventId(before) };
      accountData.put(user, row.room, 'm.fully_read', content);
    }
  }

  #before({ segment, idx }: EventRow): EventNid | undefined {
    if (segment === null || idx === null) return undefined;
    return this.#uses.timeline.page(segment, idx - 1, 'b', 1).events[0]?.event;
  }
}
