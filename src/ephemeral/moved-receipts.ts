import type { CommittedEvent, EventObserver } from '../rooms/input/observer.ts';
import { threadRootOf } from '../rooms/read/threads.ts';
import { mainThread, type ReceiptRow, type ReceiptStore, unthreaded } from '../store/ephemeral/receipts.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { EventNid, RoomNid } from '../store/nids.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { Timeline } from '../store/timeline.ts';
import type { Streams } from '../streams/streams.ts';
import type { AccountData } from '../users/account-data.ts';

export interface MovedReceiptsUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly timeline: Timeline;
  readonly receipts: ReceiptStore;
  readonly roomState: RoomStateStore;
  readonly accountData: AccountData;
  readonly streams: Streams;
}

/** Events among which the one before it in the same thread is looked for. */
const farthest = 100;

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
    const moved = receipts.at(row.room, row.nid);
    for (const receipt of moved) {
      const event = this.#before(row, receipt.thread);
      if (event === undefined) receipts.remove(row.room, receipt);
      else receipts.put(row.room, { ...receipt, event, pos: streams.next() });
    }
    const before = this.#before(row, unthreaded);
    for (const user of roomState.localJoined(row.room)) {
      if (accountData.ofRoom(user, row.room, 'm.fully_read')?.['event_id'] !== eventId) continue;
      const content = before === undefined ? {} : { event_id: interning.eventId(before) };
      accountData.put(user, row.room, 'm.fully_read', content);
    }
  }

  /** The event before it, in the same thread. */
  #before({ segment, idx, room }: EventRow, thread: ReceiptRow['thread']): EventNid | undefined {
    if (segment === null || idx === null) return undefined;
    const page = this.#uses.timeline.page(segment, idx - 1, 'b', thread === unthreaded ? 1 : farthest);
    return page.events.find(({ event }) => this.#isIn(room, event, thread))?.event;
  }

  #isIn(room: RoomNid, event: EventNid, thread: ReceiptRow['thread']): boolean {
    if (thread === unthreaded || event === thread) return true;
    const { events, interning } = this.#uses;
    const root = threadRootOf(this.#uses, room, events.bare(event)['content']);
    return root === undefined ? thread === mainThread : interning.findEvent(root) === thread;
  }
}
