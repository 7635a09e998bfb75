import { authTypesFor } from '../../protocol/event-auth/selection.ts';
import type { AuthEvent, StateLookup } from '../../protocol/event-auth/types.ts';
import type { EventId } from '../../protocol/ids/types.ts';
import { type EventRow, pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, StatePoint } from '../../store/nids.ts';
import type { PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { RoomInput } from '../input/input.ts';
import type { KnownRoom } from '../known-rooms.ts';
import { currentState, type StateSources, stateAt } from '../state/current-state.ts';
import type { StateEngine } from '../state/state-engine.ts';
import type { AuthJudge } from './auth-judge.ts';
import type { Fate, Lacking } from './fate.ts';
import type { Horizon } from './horizon.ts';
import type { VerifiedEvent } from './verify.ts';

export interface JudgingUses extends StateSources {
  readonly events: EventStore;
  readonly stateEngine: StateEngine;
  readonly input: RoomInput;
  readonly horizon: Horizon;
  readonly partialRooms: Pick<PartialRooms, 'has' | 'find'>;
  readonly judge: AuthJudge;
}

/** What is known about an event besides what is stored. */
export interface Circumstances {
  /** More bits of `eventFlags`. */
  readonly flags?: number;
  /** Events that the room's policy server does not recommend. */
  readonly notRecommended?: ReadonlySet<EventId>;
  /** The members of a partial room are all here by now. */
  readonly isFinal?: boolean;
  /** The states after events that are not here, as other servers told them. */
  readonly statesAfter?: ReadonlyMap<EventId, StatePoint>;
}

/** An event on its way through the phases, and what each has found out for the next. */
interface Case extends Circumstances {
  readonly room: KnownRoom;
  readonly event: VerifiedEvent;
  readonly nid: EventNid;
  readonly asAuth: AuthEvent<EventNid>;
  /** Members of the room may be missing. */
  readonly isPartial: boolean;
  before: StatePoint | undefined;
  /** `prev_events` that are not here. */
  gap: EventNid[];
  rejection: string | undefined;
  softFailure: string | undefined;
}

type Verdict = Fate | Lacking | undefined;

/**
 * Decides about events of other servers whose signatures are right, one after the other in one write. It fetches
 * nothing: what an event lacks is the answer, and whoever can get it comes back.
 * @see https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
 */
export class Judging {
  readonly #uses: JudgingUses;
  readonly #phases: readonly (readonly [name: string, phase: (event: Case) => Verdict])[] = [
    ['known', (event) => this.#known(event)],
    ['auth-events', (event) => this.#authEvents(event)],
    ['auth-static', (event) => this.#authStatic(event)],
    ['state-before', (event) => this.#stateBefore(event)],
    ['auth-state', (event) => this.#authState(event)],
    ['soft-fail', (event) => this.#softFail(event)],
    ['commit', (event) => this.#commit(event)],
  ];

  constructor(uses: JudgingUses) {
    this.#uses = uses;
  }

  /** Inside a write. */
  decide(room: KnownRoom, event: VerifiedEvent, circumstances: Circumstances = {}): Fate | Lacking {
    const { interning, judge } = this.#uses;
    const nid = interning.event(event.eventId);
    const asAuth = judge.asAuthEvent(event, nid);
    const found = { before: undefined, gap: [], rejection: undefined, softFailure: undefined };
    const isPartial = circumstances.isFinal !== true && this.#uses.partialRooms.has(room.nid);
    const course: Case = { ...circumstances, ...found, room, event, nid, asAuth, isPartial };
    for (const [, phase] of this.#phases) {
      const verdict = phase(course);
      if (verdict !== undefined) return verdict;
    }
    throw new Error('no phase has decided about the event');
  }

  /** An outlier gets its place; what was rejected may have been for want of something that is here by now. */
  #known({ room, event, nid, asAuth }: Case): Verdict {
    const { events, judge, horizon } = this.#uses;
    const row = events.row(nid);
    if (row === undefined) return undefined;
    if (!judge.isSame(room, row, event)) return { outcome: 'dropped', reason: 'Another event has this ID' };
    // The room's beginning is part of every state and auth chain, and has no state before it that could give it a place.
    const isBeginning = row.type === wellKnown.types.create && (row.flags & eventFlags.REJECTED) === 0;
    const isOutlier = (row.flags & (eventFlags.OUTLIER | eventFlags.REJECTED)) === eventFlags.OUTLIER;
    // It has had its place, or would not have kept it.
    const isPast = isOutlier && horizon.isBelowFloor(room.nid, event.pdu.depth, asAuth.prevEvents);
    const isUndecided = (row.flags & (eventFlags.OUTLIER | eventFlags.REJECTED)) !== 0 && !isPast;
    if (!isBeginning && isUndecided) return undefined;
    return { outcome: 'duplicate', nid, before: pointBefore(row) };
  }

  #authEvents({ room, event }: Case): Verdict {
    const authEvents = this.#uses.judge.missing(room, event);
    return authEvents.length === 0 ? undefined : { outcome: 'lacking', authEvents, prevEvents: [] };
  }

  /** 4. Passes authorisation rules based on the event's auth events. */
  #authStatic(course: Case): Verdict {
    const { room, asAuth } = course;
    const verdict = this.#uses.judge.byAuthEvents(room, asAuth);
    if (!verdict.allowed) course.rejection = `By its auth events: ${verdict.reason}`;
    else if (asAuth.type === 'm.room.create') course.rejection = 'A room has one create event';
    else if (asAuth.prevEvents.length === 0) course.rejection = 'It has no prev_events';
    return undefined;
  }

  #stateBefore(course: Case): Verdict {
    const { stateEngine, events, interning } = this.#uses;
    const points: StatePoint[] = [];
    const prevEvents: EventId[] = [];
    if (this.#citesElsewhere(course)) {
      course.rejection ??= 'Its prev_events hold an event of another room';
      return undefined;
    }
    for (const nid of course.asAuth.prevEvents) {
      const eventId = interning.eventId(nid);
      const told = course.statesAfter?.get(eventId);
      const point = stateEngine.stateAfter(nid) ?? told ?? this.#beforeJoin(course, nid);
      if (point === undefined) prevEvents.push(eventId);
      else points.push(point);
      if (((events.row(nid)?.flags ?? eventFlags.OUTLIER) & eventFlags.OUTLIER) !== 0) course.gap.push(nid);
    }
    if (prevEvents.length === 0) {
      if (points.length > 0) course.before = stateEngine.merge(course.room, points);
      return undefined;
    }
    // Nothing is fetched for the sake of what is rejected anyway.
    return course.rejection === undefined ? { outcome: 'lacking', authEvents: [], prevEvents } : undefined;
  }

  /**
   * In a room that was entered with a part of its state: the state after the one event that the join cites is the state
   * before the join.
   */
  #beforeJoin({ room, isPartial }: Case, parent: EventNid): StatePoint | undefined {
    const partial = isPartial ? this.#uses.partialRooms.find(room.nid) : undefined;
    if (partial === undefined) return undefined;
    const parents = this.#uses.events.parents(partial.joinEvent);
    return parents.length === 1 && parents[0] === parent ? { line: partial.line, pos: partial.base } : undefined;
  }

  /** What holds in another room says nothing about this one. */
  #citesElsewhere({ room, asAuth }: Case): boolean {
    return asAuth.prevEvents.some((nid) => (this.#uses.events.row(nid)?.room ?? room.nid) !== room.nid);
  }

  /** 5. Passes authorisation rules based on the state before the event. */
  #authState(course: Case): Verdict {
    const { room, asAuth, before } = course;
    if (course.rejection !== undefined || before === undefined) return undefined;
    const state = stateAt(this.#uses, before);
    const verdict = this.#uses.judge.inState(
      room.rules,
      asAuth,
      course.isPartial ? this.#filledUp(asAuth, state) : state,
    );
    if (!verdict.allowed) course.rejection = `By the state before it: ${verdict.reason}`;
    return undefined;
  }

  /** A state without all of its members: what it does not say of them is what the event itself cites. */
  #filledUp({ authEvents }: AuthEvent<EventNid>, state: StateLookup<EventNid>): StateLookup<EventNid> {
    const cited = authEvents.map((nid) => this.#uses.authEvents.get(nid));
    return (type, stateKey) => {
      const found = state(type, stateKey);
      if (found !== undefined || type !== 'm.room.member') return found;
      return cited.find((event) => event.type === type && event.stateKey === stateKey);
    };
  }

  /** 6. Passes authorisation rules based on the current state of the room. 7. Is recommended by its policy server. */
  #softFail(course: Case): Verdict {
    const { room, asAuth, before } = course;
    if (course.rejection !== undefined || before === undefined) return undefined;
    const { stateEngine, judge } = this.#uses;
    if (course.notRecommended?.has(course.event.eventId) === true) {
      course.softFailure = "The room's policy server does not recommend it";
      return undefined;
    }
    // Of a sender whose membership is not known yet it cannot be told what the current state says.
    if (course.isPartial) return undefined;
    if (this.#uses.horizon.isBelowFloor(room.nid, course.event.pdu.depth, asAuth.prevEvents)) {
      course.softFailure = 'It belongs to a part of the history that was deleted here';
      return undefined;
    }
    this.#uses.input.lookAt(room, authTypesFor(asAuth, room.rules));
    if (stateEngine.isTip(room.nid, before)) return undefined;
    const state = currentState(this.#uses, room.nid);
    // The current state is corrected when all of the room's events have been gone through.
    const verdict =
      course.isFinal === true
        ? judge.inDoubtfulState(room.rules, asAuth, state)
        : judge.inState(room.rules, asAuth, state);
    if (!verdict.allowed) course.softFailure = `By the current state: ${verdict.reason}`;
    return undefined;
  }

  /** Whether a rejection changes nothing about an event that is stored. */
  #staysAsItIs(course: Case, known: EventRow): boolean {
    // Rejected before, and still.
    const wasRejected = (known.flags & eventFlags.REJECTED) !== 0;
    if (wasRejected) return course.before === undefined || pointBefore(known) !== undefined;
    return this.#isReliedOn(course, known);
  }

  /**
   * Whether an event without a place stays what it is although it cannot have the place that was asked for: the current
   * state rests on it, or that there is something against it is only what another server tells of the state before it.
   */
  #isReliedOn({ room, asAuth, statesAfter }: Case, { nid, flags, stateKey }: EventRow): boolean {
    const { roomState, interning } = this.#uses;
    if ((flags & (eventFlags.OUTLIER | eventFlags.REJECTED)) !== eventFlags.OUTLIER) return false;
    if (stateKey !== null && roomState.current(room.nid, stateKey) === nid) return true;
    return asAuth.prevEvents.some((prev) => statesAfter?.has(interning.eventId(prev)) === true);
  }

  #commit(course: Case): Fate {
    const { room, event, nid, asAuth, before, gap, rejection, softFailure, flags = 0 } = course;
    const { input, judge, events, horizon } = this.#uses;
    const outcome = rejection !== undefined ? 'rejected' : softFailure !== undefined ? 'soft-failed' : 'accepted';
    const reason = rejection ?? softFailure;
    const fate = { outcome, nid, before, ...(reason === undefined ? {} : { reason }) } as const;
    const known = outcome === 'rejected' ? events.row(nid) : undefined;
    if (known !== undefined && this.#staysAsItIs(course, known)) return fate;
    input.commit({
      room: room.nid,
      rules: room.rules,
      event,
      nid,
      outcome,
      before,
      prevEvents: asAuth.prevEvents,
      authEvents: judge.cited(room, event),
      flags,
      isFinal: course.isFinal === true,
      ...(outcome === 'accepted' && gap.length > 0
        ? { gap, goesOn: horizon.goesOnFromPast(room.nid, event.pdu.depth, gap) }
        : {}),
    });
    return fate;
  }
}
