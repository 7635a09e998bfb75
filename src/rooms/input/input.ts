import type { RoomMeter } from '../../governor/room-meter.ts';
import type { BuiltEvent } from '../../protocol/events/build.ts';
import { redactsOf } from '../../protocol/events/client-event.ts';
import type { Pdu } from '../../protocol/events/pdu.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { AuthGraph } from '../../store/auth/auth-graph.ts';
import type { Database } from '../../store/db.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Extremities } from '../../store/events/extremities.ts';
import { eventFlags } from '../../store/events/flags.ts';
import { type MembershipCode, membershipCode } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, RoomNid, StateKeyNid, StatePoint, StreamPos } from '../../store/nids.ts';
import type { PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { CurrentChange, RoomStateStore } from '../../store/state/room-state-store.ts';
import type { HistoryFloors } from '../../store/thinning/history-floors.ts';
import type { KeptMessages } from '../../store/thinning/kept-messages.ts';
import type { Timeline } from '../../store/timeline.ts';
import type { Streams } from '../../streams/streams.ts';
import type { RelationIndex } from '../relations/relation-index.ts';
import { StateBatch } from '../state/state-batch.ts';
import type { ResolvedRoom, StateEngine } from '../state/state-engine.ts';
import type { AuthEvents } from './auth-events.ts';
import type { EventObservers } from './event-observers.ts';
import type { CommittedEvent } from './observer.ts';
import type { RedactionEffects } from './redaction-effects.ts';

/**
 * What became of an event. An accepted one is at the room's end, a backfilled one before all others of its segment; the
 * others have no place in the room, and an outlier waits for one.
 */
export type Outcome = 'accepted' | 'soft-failed' | 'rejected' | 'outlier' | 'backfilled';

/** A complete event with everything that was found out about it. */
export interface EventInput {
  readonly room: RoomNid;
  readonly rules: RoomVersionRules;
  /** `redacted`: this copy is known to lack what was signed. */
  readonly event: BuiltEvent & { readonly redacted?: boolean };
  /** The event's number: `Interning.event` of its ID. */
  readonly nid: EventNid;
  /** Its ID was never seen before, so nothing is known of it and nothing refers to it. */
  readonly isNew?: boolean;
  readonly outcome: Outcome;
  /** Of an outlier: its own auth events do not allow it. */
  readonly rejected?: boolean;
  /** More bits of `eventFlags`: PASSED_ON, PARTIAL_AUTH. */
  readonly flags?: number;
  /** The segment that a backfilled event is put before. */
  readonly segment?: number;
  /** `prev_events` that are not here: an accepted event that has such begins a new segment. */
  readonly gap?: readonly EventNid[];
  /** Of these it is known that they come before the newest segment anyway: it goes on. */
  readonly goesOn?: boolean;
  /** The state before it; unknown for an outlier. */
  readonly before: StatePoint | undefined;
  readonly prevEvents: readonly EventNid[];
  readonly authEvents: readonly EventNid[];
  /**
   * What an accepted event changes in the room's current state. Left out unless that is known: when its prev_events are
   * all ends of the room and the state before it is the current one.
   */
  readonly changes?: readonly CurrentChange[];
  /** It was decided about with all of the state, or what follows from that is not to be looked at again. */
  readonly isFinal?: boolean;
  /** The position that was drawn for it already. */
  readonly pos?: StreamPos;
}

const outcomeFlags: Readonly<Record<Outcome, number>> = {
  accepted: 0,
  'soft-failed': eventFlags.SOFT_FAILED,
  rejected: eventFlags.REJECTED,
  outlier: eventFlags.OUTLIER,
  backfilled: eventFlags.BACKFILLED,
};

/** What may change: an outlier gets its place, a rejected event is judged anew with what it lacked. */
const passing = eventFlags.OUTLIER | eventFlags.REJECTED;

export interface InputUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly extremities: Extremities;
  readonly authGraph: AuthGraph;
  readonly roomState: RoomStateStore;
  readonly timeline: Timeline;
  readonly historyFloors: HistoryFloors;
  readonly keptMessages: Pick<KeptMessages, 'isCitedBeyond'>;
  readonly streams: Streams;
  readonly authEvents: AuthEvents;
  readonly redactions: RedactionEffects;
  readonly partialRooms: Pick<PartialRooms, 'has' | 'addEvent'>;
  readonly stateEngine: StateEngine;
  readonly relationIndex: RelationIndex;
  readonly serverName: ServerName;
  readonly observers: EventObservers;
  /** Counts what rooms cost. */
  readonly meter?: Pick<RoomMeter, 'count' | 'monotonic'>;
}

/**
 * The only place that commits events. Everything an event brings with it is written in the caller's transaction:
 * row, body, edges, extremities, its places in both orders, auth graph, current state and all that is derived from
 * it, redactions, and what observers keep. A throw leaves nothing behind.
 */
export class RoomInput {
  readonly #uses: InputUses;

  constructor(uses: InputUses) {
    this.#uses = uses;
  }

  /**
   * Inside a write. Where the event comes from, and whether it may be, was decided before. One that is stored already
   * as an outlier or as rejected gets its new outcome.
   */
  commit(input: EventInput): CommittedEvent {
    const { meter } = this.#uses;
    if (meter === undefined) return this.#commit(input);
    const start = meter.monotonic();
    const committed = this.#commit(input);
    meter.count(input.room, { micros: (meter.monotonic() - start) * 1000 });
    return committed;
  }

  /**
   * Inside a write. Commits events of one room one after the other; what forks make of its current state is found out
   * once for all of them, unless one looks at what others may have changed: see `StateBatch`.
   */
  together<Event, Result>(room: ResolvedRoom, events: readonly Event[], work: (event: Event) => Result): Result[] {
    const { stateEngine } = this.#uses;
    const batch = new StateBatch(room.nid, this.#uses);
    stateEngine.batch = batch;
    try {
      const results = events.map((event, index) => {
        batch.isLast = index === events.length - 1;
        return work(event);
      });
      this.#settleBatch(room, batch);
      return results;
    } finally {
      stateEngine.batch = undefined;
    }
  }

  /** Before somebody looks at these keys of the current state. Inside a write. */
  lookAt(room: ResolvedRoom, keys: readonly (readonly [type: string, stateKey: string])[]): void {
    const { stateEngine, interning } = this.#uses;
    const { batch } = stateEngine;
    if (batch === undefined || batch.waiting.size === 0) return;
    const isWaiting = keys.some(([type, stateKey]) => {
      const key = interning.findStateKey(type, stateKey);
      return key !== undefined && batch.waiting.has(key);
    });
    if (isWaiting) this.#settleBatch(room, batch);
  }

  #settleBatch(room: ResolvedRoom, { waiting }: StateBatch): void {
    const { stateEngine, extremities } = this.#uses;
    if (waiting.size === 0) return;
    this.#restoreAfterRollback();
    waiting.clear();
    this.correct(room.nid, stateEngine.settle(room, extremities.forward(room.nid)));
  }

  /** What waits to be resolved still waits when what is written now is taken back. */
  #restoreAfterRollback(): void {
    const { db, stateEngine } = this.#uses;
    const waiting = stateEngine.batch?.waiting;
    if (waiting === undefined || waiting.size === 0) return;
    const keys = [...waiting];
    db.afterRollback(() => {
      for (const key of keys) waiting.add(key);
    });
  }

  /** Inside a write. Changes the current state at a position of its own. */
  correct(room: RoomNid, changes: readonly CurrentChange[]): void {
    const { roomState, streams } = this.#uses;
    if (changes.length === 0) return;
    this.#corrected(room, roomState.applyCurrent(room, streams.next(), changes));
    streams.touchRoom(room);
  }

  #corrected(room: RoomNid, changes: readonly CurrentChange[]): void {
    if (changes.length === 0) return;
    const keys = changes.map(({ key }) => key);
    for (const key of keys) this.#touchMember(key);
    this.#uses.observers.onCorrected(room, keys);
  }

  #commit(input: EventInput): CommittedEvent {
    const { db, events, streams, authEvents, redactions } = this.#uses;
    const isLive = input.outcome === 'accepted';
    const pos = isLive ? (input.pos ?? streams.next()) : undefined;
    const known = input.isNew === true ? undefined : events.row(input.nid);
    const isProvisional = this.#isProvisional(input);
    if (isLive && pos !== undefined) this.#openGap(input, pos);
    const row = this.#row(input, pos, known, isProvisional ? eventFlags.PARTIAL_AUTH : 0);
    // Numbers of a transaction that is rolled back are given out again.
    db.afterRollback(() => {
      authEvents.forget(input.nid);
      redactions.forget(row);
    });
    if (isProvisional) this.#uses.partialRooms.addEvent(input.room, input.nid);
    if (known === undefined) this.#insert(input, row);
    else this.#promote(input, known, row);
    this.#link(input, row, known !== undefined && (known.flags & passing) === eventFlags.REJECTED);
    const changes = input.changes ?? this.#advance(input, row);
    if (pos !== undefined) this.#applyCurrent(input, row, pos, changes);
    // Another copy of it was redacted meanwhile.
    const isRedacted = (row.flags & eventFlags.REDACTED) !== 0;
    const shown = isRedacted ? { pdu: events.pdu(row.nid) as Pdu, canonical: events.canonical(row.nid) } : {};
    const committed: CommittedEvent = { row, rules: input.rules, ...input.event, ...shown };
    this.#follow(input, committed);
    return committed;
  }

  /** Whether it was decided about while members of the room are missing. */
  #isProvisional({ room, outcome, isFinal = false }: EventInput): boolean {
    return !isFinal && outcome !== 'outlier' && outcome !== 'backfilled' && this.#uses.partialRooms.has(room);
  }

  /** What follows from the event elsewhere. */
  #follow({ outcome, isNew = false }: EventInput, committed: CommittedEvent): void {
    const { redactions, relationIndex, observers } = this.#uses;
    const hasPlace = outcome === 'accepted' || outcome === 'backfilled';
    const redacted = hasPlace ? redactsOf(committed.pdu, committed.rules) : undefined;
    if (!isNew || redacted !== undefined) redactions.apply(committed, redacted);
    if (hasPlace && isNew) relationIndex.add(committed.row, committed.pdu.content);
    else if (hasPlace) relationIndex.onEvent(committed);
    if (hasPlace) observers.onEvent(committed, outcome === 'accepted' ? 'live' : 'past');
    if (outcome === 'accepted') this.#touch(committed);
  }

  /** What lies between the newest segment and an event whose parents are not here is unknown. */
  #openGap({ room, gap = [], goesOn = false }: EventInput, pos: StreamPos): void {
    if (gap.length > 0 && !goesOn) this.#uses.timeline.openSegment(room, pos);
  }

  #insert(input: EventInput, row: EventRow): void {
    this.#uses.events.insert({
      ...row,
      membership: row.membership ?? undefined,
      pos: row.pos ?? undefined,
      segment: row.segment ?? undefined,
      idx: row.idx ?? undefined,
      before: input.before,
      canonical: input.event.canonical,
      parents: input.prevEvents,
    });
  }

  #promote({ nid, before, event }: EventInput, known: EventRow, row: EventRow): void {
    const { events, authEvents } = this.#uses;
    if ((known.flags & passing) === 0) throw new Error(`event ${nid} has its place already`);
    events.setFlags(nid, row.flags, known.flags & ~row.flags);
    if (before !== undefined) events.setBefore(nid, before);
    events.setPlace(nid, row);
    // The copy that came first may have been a redacted one.
    const isRedacted = (known.flags & eventFlags.REDACTED) !== 0;
    if (!isRedacted && event.redacted !== true && events.canonical(nid) !== event.canonical) {
      events.replaceBody(nid, event.canonical);
    }
    authEvents.forget(nid);
  }

  /** By forks, the state after the event and the new current state have to be found out. */
  #advance({ room, rules }: EventInput, row: EventRow): readonly CurrentChange[] {
    const { extremities, stateEngine } = this.#uses;
    this.#restoreAfterRollback();
    return stateEngine.advance({ nid: room, rules }, row, extremities.forward(room));
  }

  #applyCurrent({ room, nid }: EventInput, row: EventRow, pos: StreamPos, changes: readonly CurrentChange[]): void {
    const applied = this.#uses.roomState.applyCurrent(room, pos, changes);
    // What a resolution gave or took besides.
    this.#corrected(
      room,
      applied.filter(({ key, event }) => event !== nid || key !== row.stateKey),
    );
  }

  #row(input: EventInput, pos: StreamPos | undefined, known: EventRow | undefined, more: number): EventRow {
    const { interning } = this.#uses;
    const { pdu } = input.event;
    const place = this.#place(input, pos);
    return {
      nid: input.nid,
      room: input.room,
      type: interning.type(pdu.type),
      sender: interning.user(pdu.sender),
      stateKey: pdu.state_key === undefined ? null : interning.stateKey(pdu.type, pdu.state_key),
      depth: pdu.depth,
      ts: pdu.origin_server_ts,
      flags: flagsOf(input) | more | ((known?.flags ?? 0) & eventFlags.REDACTED),
      membership: membershipOf(pdu) ?? null,
      pos: pos ?? null,
      segment: place?.segment ?? null,
      idx: place?.idx ?? null,
      line: input.before?.line ?? null,
      linePos: input.before?.pos ?? null,
    };
  }

  #place({ room, nid, outcome, segment }: EventInput, pos: StreamPos | undefined) {
    const { timeline } = this.#uses;
    if (pos !== undefined) return timeline.append(room, nid, pos);
    if (outcome !== 'backfilled') return undefined;
    if (segment === undefined) throw new Error('a backfilled event needs a segment');
    return timeline.prepend(segment, nid);
  }

  /** The event's place among the events it cites. */
  #link(input: EventInput, row: EventRow, wasRejected: boolean): void {
    const { room, prevEvents, authEvents, outcome, rejected, gap = [], isNew = false } = input;
    const { extremities, authGraph } = this.#uses;
    if (outcome !== 'outlier') {
      const children = isNew ? [] : extremities.resolveBackward(room, row.nid);
      // A soft-failed event is never built upon by us, but a rejected or soft-failed one does not free its parents.
      // What is cited already ends nothing.
      const isCited =
        children.length > 0 || (wasRejected && this.#isCited(row, input.before)) || this.#isCitedAgain(input);
      if (outcome === 'accepted') extremities.replace(room, prevEvents, isCited ? [] : [row.nid]);
      for (const parent of gap) extremities.addBackward(room, parent, row.nid);
    }
    // What was rejected is nobody's auth event.
    const isRejected = outcome === 'rejected' || rejected === true;
    if (row.stateKey !== null && !isRejected) authGraph.add(row.nid, room, authEvents, row.stateKey);
  }

  /** Whether an event that was rejected until now is cited by what came after the state that it follows. */
  #isCited({ room, nid }: EventRow, before: StatePoint | undefined): boolean {
    const { timeline } = this.#uses;
    return before !== undefined && timeline.isCitedBehind(timeline.boundaryAt(room, before.pos), nid);
  }

  /** Whether it was here before, was deleted with old history, and is cited by what has been left. */
  #isCitedAgain({ room, nid, outcome, isNew = false }: EventInput): boolean {
    const { historyFloors, keptMessages, extremities } = this.#uses;
    const floor = isNew || outcome !== 'accepted' ? undefined : historyFloors.of(room);
    if (floor === undefined) return false;
    // The ID of what is new is newer than those of the room's ends.
    return extremities.forward(room).some((end) => end > nid) && keptMessages.isCitedBeyond(room, floor, nid);
  }

  #touch({ row }: CommittedEvent): void {
    this.#uses.streams.touchRoom(row.room);
    if (row.stateKey !== null && row.membership !== null) this.#touchMember(row.stateKey);
  }

  /** Whoever has just been invited, or is no longer in the room, is not among those that the room reaches. */
  #touchMember(key: StateKeyNid): void {
    const { streams, interning } = this.#uses;
    const { skey, typeNid } = interning.stateKeyOf(key);
    const user = typeNid === wellKnown.types.member ? interning.findUser(skey) : undefined;
    if (user !== undefined) streams.touchUser(user);
  }
}

function flagsOf({ outcome, flags = 0, rejected }: EventInput): number {
  return outcomeFlags[outcome] | flags | (rejected === true ? eventFlags.REJECTED : 0);
}

function membershipOf({ type, state_key: stateKey, content }: Pdu): MembershipCode | undefined {
  return type === 'm.room.member' && stateKey !== undefined ? membershipCode(content['membership']) : undefined;
}
