import type { BuiltEvent } from '../protocol/events/build.ts';
import { redactsOf } from '../protocol/events/client-event.ts';
import type { RoomVersionRules } from '../protocol/room-versions.ts';
import type { AuthGraph } from '../store/auth/auth-graph.ts';
import type { Database } from '../store/db.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { Extremities } from '../store/events/extremities.ts';
import { eventFlags } from '../store/events/flags.ts';
import { membershipCode } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { EventNid, RoomNid, StatePoint, StreamPos } from '../store/nids.ts';
import type { CurrentChange, RoomStateStore } from '../store/state/room-state-store.ts';
import type { Timeline } from '../store/timeline.ts';
import type { Streams } from '../streams/streams.ts';
import type { AuthEvents } from './auth-events.ts';
import type { CommittedEvent, EventObserver } from './observer.ts';
import type { RedactionEffects } from './redaction-effects.ts';
import type { RelationIndex } from './relations/relation-index.ts';
import type { StateEngine } from './state-engine.ts';

/** What became of an event. Only an accepted one has a place in the room; an outlier waits for one. */
export type Outcome = 'accepted' | 'soft-failed' | 'rejected' | 'outlier';

/** A complete event with everything that was found out about it. */
export interface EventInput {
  readonly room: RoomNid;
  readonly rules: RoomVersionRules;
  readonly event: BuiltEvent;
  /** The event's number: `Interning.event` of its ID. */
  readonly nid: EventNid;
  readonly outcome: Outcome;
  /** The state before it; unknown for an outlier. */
  readonly before: StatePoint | undefined;
  readonly prevEvents: readonly EventNid[];
  readonly authEvents: readonly EventNid[];
  /**
   * What an accepted event changes in the room's current state. Left out unless that is known: when its prev_events are
   * all ends of the room and the state before it is the current one.
   */
  readonly changes?: readonly CurrentChange[];
  /** The position that was drawn for it already. */
  readonly pos?: StreamPos;
}

const outcomeFlags: Readonly<Record<Outcome, number>> = {
  accepted: 0,
  'soft-failed': eventFlags.SOFT_FAILED,
  rejected: eventFlags.REJECTED,
  outlier: eventFlags.OUTLIER,
};

export interface InputUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly extremities: Extremities;
  readonly authGraph: AuthGraph;
  readonly roomState: RoomStateStore;
  readonly timeline: Timeline;
  readonly streams: Streams;
  readonly authEvents: AuthEvents;
  readonly redactions: RedactionEffects;
  readonly stateEngine: StateEngine;
  readonly relationIndex: RelationIndex;
}

/**
 * The only place that commits events. Everything an event brings with it is written in the caller's transaction:
 * row, body, edges, extremities, its places in both orders, auth graph, current state and all that is derived from
 * it, redactions, and what observers keep. A throw leaves nothing behind.
 */
export class RoomInput {
  readonly #uses: InputUses;
  readonly #observers: readonly EventObserver[];

  constructor(uses: InputUses, observers: readonly EventObserver[]) {
    this.#uses = uses;
    this.#observers = observers;
  }

  /** Inside a write. Where the event comes from, and whether it may be, was decided before. */
  commit(input: EventInput): CommittedEvent {
    const { db, events, roomState, streams, authEvents, redactions, relationIndex } = this.#uses;
    const isLive = input.outcome === 'accepted';
    const pos = isLive ? (input.pos ?? streams.next()) : undefined;
    const row = this.#row(input, pos);
    // Numbers of a transaction that is rolled back are given out again.
    db.afterRollback(() => {
      authEvents.forget(input.nid);
      redactions.forget(row);
    });
    events.insert({
      ...row,
      membership: row.membership ?? undefined,
      pos: row.pos ?? undefined,
      segment: row.segment ?? undefined,
      idx: row.idx ?? undefined,
      before: input.before,
      canonical: input.event.canonical,
      parents: input.prevEvents,
    });
    this.#link(input, row);
    const changes = input.changes ?? this.#advance(input, row);
    if (pos !== undefined) roomState.applyCurrent(input.room, pos, changes);
    const committed: CommittedEvent = { row, rules: input.rules, ...input.event };
    if (!isLive) return committed;
    redactions.apply(committed, redactsOf(input.event.pdu, input.rules));
    relationIndex.onEvent(committed);
    for (const observer of this.#observers) observer.onEvent(committed);
    this.#touch(committed);
    return committed;
  }

  /** By forks, the state after the event and the new current state have to be found out. */
  #advance({ room, rules }: EventInput, row: EventRow): readonly CurrentChange[] {
    const { extremities, stateEngine } = this.#uses;
    return stateEngine.advance({ nid: room, rules }, row, extremities.forward(room));
  }

  #row(input: EventInput, pos: StreamPos | undefined): EventRow {
    const { interning, timeline } = this.#uses;
    const { pdu } = input.event;
    const place = pos === undefined ? undefined : timeline.append(input.room, input.nid, pos);
    const membership =
      pdu.type === 'm.room.member' && pdu.state_key !== undefined
        ? membershipCode(pdu.content['membership'])
        : undefined;
    return {
      nid: input.nid,
      room: input.room,
      type: interning.type(pdu.type),
      sender: interning.user(pdu.sender),
      stateKey: pdu.state_key === undefined ? null : interning.stateKey(pdu.type, pdu.state_key),
      depth: pdu.depth,
      ts: pdu.origin_server_ts,
      flags: outcomeFlags[input.outcome],
      membership: membership ?? null,
      pos: pos ?? null,
      segment: place?.segment ?? null,
      idx: place?.idx ?? null,
      line: input.before?.line ?? null,
      linePos: input.before?.pos ?? null,
    };
  }

  /** The event's place among the events it cites. */
  #link({ room, prevEvents, authEvents, outcome }: EventInput, row: EventRow): void {
    const { extremities, authGraph } = this.#uses;
    // A soft-failed event is never built upon by us, but a rejected or soft-failed one does not free its parents.
    if (outcome === 'accepted') extremities.replace(room, prevEvents, [row.nid]);
    if (row.stateKey !== null) authGraph.add(row.nid, room, authEvents, row.stateKey);
  }

  #touch({ row }: CommittedEvent): void {
    const { streams, interning } = this.#uses;
    streams.touchRoom(row.room);
    if (row.stateKey === null || row.type !== wellKnown.types.member || row.membership === null) return;
    // Whoever has just been invited, or is no longer in the room, is not among those that the room reaches.
    const { skey } = interning.stateKeyOf(row.stateKey);
    const user = interning.findUser(skey);
    if (user !== undefined) streams.touchUser(user);
  }
}
