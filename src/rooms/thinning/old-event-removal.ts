import { redactsOf } from '../../protocol/events/client-event.ts';
import type { Pdu } from '../../protocol/events/pdu.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid } from '../../store/nids.ts';
import type { RedactionStore } from '../../store/rooms/redactions.ts';
import type { MessageTextStore } from '../../store/search/message-text.ts';
import type { KeptMessages } from '../../store/thinning/kept-messages.ts';
import type { OldEvents } from '../../store/thinning/old-events.ts';
import type { Thinned } from '../../store/thinning/thinning-jobs.ts';
import type { Boundary } from '../../store/timeline.ts';
import type { AuthEvents } from '../input/auth-events.ts';
import type { KnownRooms } from '../known-rooms.ts';
import type { RelationIndex } from '../relations/relation-index.ts';

export interface OldEventRemovalUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly oldEvents: OldEvents;
  readonly keptMessages: KeptMessages;
  readonly redactions: RedactionStore;
  readonly messageText: MessageTextStore;
  readonly relationIndex: RelationIndex;
  readonly authEvents: Pick<AuthEvents, 'forget'>;
  readonly rooms: Pick<KnownRooms, 'rulesOf'>;
}

/** Takes single events out of a room's history, with what was made of them. Inside a write. */
export class OldEventRemoval {
  readonly #uses: OldEventRemovalUses;

  constructor(uses: OldEventRemovalUses) {
    this.#uses = uses;
  }

  /** An event that has its place: a message is deleted, a state event stays without the place. */
  take(row: EventRow & Boundary): Thinned {
    const { oldEvents, keptMessages } = this.#uses;
    if (row.stateKey === null && !this.isNeeded(row)) return { events: 1, states: 0, bytes: this.delete(row) };
    this.#forgetContent(row);
    oldEvents.displace(row);
    if (row.stateKey !== null) return { events: 0, states: 1, bytes: 0 };
    keptMessages.keep(row);
    return { events: 0, states: 0, bytes: 0 };
  }

  /** Whether a message has to stay: as an end of the room, for another server, or because what it redacts is here. */
  isNeeded(row: EventRow): boolean {
    const { keptMessages, redactions, events } = this.#uses;
    if (keptMessages.isNeeded(row)) return true;
    const target = this.#targetOf(row);
    return target !== undefined && redactions.of(target) === row.nid && events.row(target) !== undefined;
  }

  /** Deletes a message. Answers the size of its body. */
  delete(row: EventRow): number {
    const { oldEvents, redactions, authEvents } = this.#uses;
    this.#forgetContent(row);
    const target = this.#targetOf(row);
    if (target !== undefined) redactions.drop(target, row.nid);
    const redaction = redactions.of(row.nid);
    redactions.letGo(row.room, row.nid);
    const bytes = oldEvents.remove(row);
    // Should somebody bring the event again, it is to be what it was.
    if (redaction !== undefined && this.#hasPlace(redaction)) redactions.defer(row.nid, redaction);
    authEvents.forget(row.nid);
    return bytes;
  }

  /** What follows from what an event says in its place. */
  #forgetContent(row: EventRow): void {
    const { events, relationIndex, messageText } = this.#uses;
    if (row.segment !== null) relationIndex.remove(row, events.bare(row.nid)['content']);
    messageText.remove(row.nid);
  }

  #targetOf(row: EventRow): EventNid | undefined {
    const { interning, events, rooms } = this.#uses;
    if (row.type !== wellKnown.types.redaction) return undefined;
    const target = redactsOf(events.unsealed(row.nid) as Pdu, rooms.rulesOf(row.room));
    return target === undefined ? undefined : interning.findEvent(target);
  }

  #hasPlace(nid: EventNid): boolean {
    return typeof this.#uses.events.row(nid)?.segment === 'number';
  }
}
