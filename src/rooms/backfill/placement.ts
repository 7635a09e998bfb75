import type { Pdu } from '../../protocol/events/pdu.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Extremities } from '../../store/events/extremities.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid } from '../../store/nids.ts';
import type { Segment } from '../../store/segments.ts';
import type { RoomInput } from '../input/input.ts';
import type { AuthJudge, VersionedRoom } from '../receive/auth-judge.ts';
import { type Edges, isPassed } from './edges.ts';
import type { HistoricStates } from './historic-states.ts';
import type { HistoricEvent } from './order.ts';

export interface PlacementUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly extremities: Extremities;
  readonly input: RoomInput;
  readonly judge: AuthJudge;
  readonly edges: Edges;
  readonly states: HistoricStates;
}

/** Gives events of the past their places. Inside a write. */
export class Placement {
  readonly #uses: PlacementUses;

  constructor(uses: PlacementUses) {
    this.#uses = uses;
  }

  /**
   * Puts an event that is stored as an outlier before all others of a segment. One that was rejected, or that could not
   * be stored, is passed: history goes on with what it cites. True if the event is to be seen there.
   */
  place(room: VersionedRoom, segment: Segment, { eventId, prevEvents }: HistoricEvent): boolean {
    const { interning, events, edges } = this.#uses;
    const nid = interning.event(eventId);
    const row = events.row(nid);
    const missing = edges.missing(prevEvents.map((id) => interning.event(id)));
    if (row === undefined || isPassed(row.flags)) {
      edges.replace(room.nid, nid, missing);
      return false;
    }
    if (row.segment !== null) {
      // It came another way meanwhile.
      edges.replace(room.nid, nid, []);
      return false;
    }
    this.#commit(room, segment, nid, missing);
    return true;
  }

  #commit(room: VersionedRoom, segment: Segment, nid: EventNid, missing: readonly EventNid[]): void {
    const { interning, events, input, judge, states } = this.#uses;
    const event = {
      eventId: interning.eventId(nid),
      pdu: events.pdu(nid) as Pdu,
      canonical: events.canonical(nid),
    };
    const authEvents = judge.cited(room, event);
    states.begin(segment);
    const committed = input.commit({
      room: room.nid,
      rules: room.rules,
      event,
      nid,
      outcome: 'backfilled',
      segment: segment.nid,
      gap: missing,
      before: undefined,
      prevEvents: events.parents(nid),
      authEvents,
    });
    states.follow(committed.row, segment, authEvents);
  }
}
