import type { Pdu } from '../../protocol/events/pdu.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { type EventRow, pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Extremities } from '../../store/events/extremities.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, StatePoint } from '../../store/nids.ts';
import type { Segments } from '../../store/segments.ts';
import type { KeptMessages } from '../../store/thinning/kept-messages.ts';
import type { Timeline } from '../../store/timeline.ts';
import type { Streams } from '../../streams/streams.ts';
import type { RelationIndex } from '../relations/relation-index.ts';
import type { ResolvedRoom } from '../state/state-engine.ts';
import type { EventObservers } from './event-observers.ts';
import type { CommittedEvent } from './observer.ts';
import type { RedactionEffects } from './redaction-effects.ts';

export interface EventRemovalUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly extremities: Extremities;
  readonly segments: Segments;
  readonly timeline: Timeline;
  readonly keptMessages: Pick<KeptMessages, 'wasCited'>;
  readonly streams: Streams;
  readonly redactions: RedactionEffects;
  readonly relationIndex: RelationIndex;
  readonly observers: EventObservers;
}

/** What an event is that has no place in the room after all. */
export interface Removal {
  readonly outcome: 'rejected' | 'soft-failed';
  readonly before: StatePoint;
  /** The state after a soft-failed event; what follows a rejected one does so in the state before it. */
  readonly after?: StatePoint | undefined;
}

/**
 * Takes an event that had its place out of its room, with all that was made of it. The opposite of `RoomInput.commit`,
 * but for what it did to the current state: that is resolved anew when all such events are gone. An event that gets its
 * place late, the other way round, is committed like any other that has just come in.
 */
export class EventRemoval {
  readonly #uses: EventRemovalUses;

  constructor(uses: EventRemovalUses) {
    this.#uses = uses;
  }

  /** Inside a write. */
  takeOut(room: ResolvedRoom, row: EventRow, removal: Removal): void {
    const { redactions, relationIndex, observers, streams } = this.#uses;
    const event = this.#event(room.rules, row);
    this.#displace(row, removal);
    this.#unlink(row);
    this.#closeGap(row);
    redactions.takeBack(event);
    relationIndex.remove(row, event.pdu.content);
    observers.onTakenOut(event);
    redactions.forget(row);
    streams.touchRoom(room.nid);
  }

  #event(rules: RoomVersionRules, row: EventRow): CommittedEvent {
    const { events, interning } = this.#uses;
    const { nid } = row;
    const event = { eventId: interning.eventId(nid), pdu: events.pdu(nid) as Pdu, canonical: events.canonical(nid) };
    return { ...event, row, rules };
  }

  #displace({ nid, segment, idx, pos }: EventRow, { outcome, before, after }: Removal): void {
    const { events, timeline } = this.#uses;
    const { REJECTED, SOFT_FAILED } = eventFlags;
    events.setFlags(nid, outcome === 'rejected' ? REJECTED : SOFT_FAILED, outcome === 'rejected' ? SOFT_FAILED : 0);
    events.setBefore(nid, before);
    events.setAfter(nid, after);
    if (segment !== null && idx !== null) timeline.remove(segment, idx);
    if (pos !== null) timeline.forgetArrival(pos);
    events.setPlace(nid, { pos: null, segment: null, idx: null });
  }

  /** It ends no room, and what it cites does if nothing else that is accepted cites it. */
  #unlink(row: EventRow): void {
    const { extremities, events } = this.#uses;
    const free = events.parents(row.nid).filter((parent) => this.#endsRoom(parent, row));
    extremities.replace(row.room, [row.nid], free);
  }

  #endsRoom(parent: EventNid, child: EventRow): boolean {
    const { events, timeline, segments, keptMessages } = this.#uses;
    const row = events.row(parent);
    const first = row === undefined || row.segment === null ? undefined : segments.get(row.segment);
    if (row === undefined || first === undefined || pointBefore(row) === undefined) return false;
    if (keptMessages.wasCited(row.room, parent)) return false;
    // What was taken in late may stand after those that cite it.
    const isLate = row.segment === child.segment && (row.idx ?? 0) > (child.idx ?? 0);
    const idx = isLate ? first.fromPos - 1 : (row.idx ?? 0);
    return !timeline.isCitedBehind({ segment: first.nid, idx }, parent);
  }

  /**
   * What is missing before the event is missing before what is left of its segment. Without anything left there, the segment
   * goes on in the one before it: what comes next follows that.
   */
  #closeGap({ nid, room, segment: place }: EventRow): void {
    const { extremities, segments, timeline } = this.#uses;
    const segment = place === null ? undefined : segments.get(place);
    if (segment === undefined) return;
    const missing = extremities.takeBehind(room, nid);
    const oldest = timeline.oldest(segment.nid);
    if (oldest !== undefined) for (const parent of missing) extremities.addBackward(room, parent, oldest.event);
    else if (segment.older === null) {
      const before = segments.preceding(segment);
      if (before !== undefined) timeline.link(segment.nid, before);
    }
  }
}
