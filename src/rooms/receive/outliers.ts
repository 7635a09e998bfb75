import { refIds } from '../../protocol/events/pdu.ts';
import type { EventId } from '../../protocol/ids/types.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid } from '../../store/nids.ts';
import type { RoomInput } from '../input/input.ts';
import { type AuthJudge, isOfRoom, type VersionedRoom } from './auth-judge.ts';
import { byAuth } from './topology.ts';
import type { VerifiedEvent } from './verify.ts';

export interface OutliersUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly input: RoomInput;
  readonly judge: AuthJudge;
}

export interface AddedOutliers {
  /** What is stored now, of these and from before; look at the row's flags for what was rejected. */
  readonly added: Map<EventId, EventNid>;
  /** What cites auth events that are not here. */
  readonly waiting: EventId[];
  /** What belongs to another room. */
  readonly foreign: EventId[];
}

/** Events that are known without their place in the graph: auth chains, states, invites. */
export class Outliers {
  readonly #uses: OutliersUses;

  constructor(uses: OutliersUses) {
    this.#uses = uses;
  }

  /**
   * Inside a write. Authorises each event against its own auth events, which are stored or among these, and commits it
   * as an outlier, rejected or not. The room needs no state here. Give it slices of a hundred or so, ancestors first.
   */
  add(room: VersionedRoom, events: readonly VerifiedEvent[]): AddedOutliers {
    const { judge } = this.#uses;
    const result: AddedOutliers = { added: new Map(), waiting: [], foreign: [] };
    for (const event of byAuth(events)) {
      if (!isOfRoom(event, room)) result.foreign.push(event.eventId);
      else if (judge.missing(room, event).length > 0) result.waiting.push(event.eventId);
      else result.added.set(event.eventId, this.#addOne(room, event));
    }
    return result;
  }

  #addOne(room: VersionedRoom, event: VerifiedEvent): EventNid {
    const { interning, events, input, judge } = this.#uses;
    const nid = interning.event(event.eventId);
    const known = events.row(nid);
    // What was rejected may have been for want of something that is here by now.
    const rejectedOutlier = eventFlags.REJECTED | eventFlags.OUTLIER;
    if (known !== undefined && (known.flags & rejectedOutlier) !== rejectedOutlier) return nid;
    if (known !== undefined && !judge.isSame(room, known, event)) return nid;
    const { allowed } = judge.byAuthEvents(room, judge.asAuthEvent(event, nid));
    if (known !== undefined && !allowed) return nid;
    input.commit({
      room: room.nid,
      rules: room.rules,
      event,
      nid,
      outcome: 'outlier',
      rejected: !allowed,
      before: undefined,
      prevEvents: refIds(event.pdu.prev_events).map((id) => interning.event(id)),
      authEvents: judge.cited(room, event),
    });
    return nid;
  }
}
