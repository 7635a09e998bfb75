import type { RoomMeter } from '../../governor/room-meter.ts';
import type { AuthEvent, SignatureChecks } from '../../protocol/event-auth/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { AuthGraph } from '../../store/auth/auth-graph.ts';
import { type EventRow, pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags, isAccepted } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, RoomNid, StateKeyNid, StatePoint, StreamPos } from '../../store/nids.ts';
import { type ConflictBounds, ConflictTooLarge, smallConflict } from '../../store/state/conflict-bounds.ts';
import type { MergedPoints } from '../../store/state/merged-points.ts';
import { PointResolver, type ResolutionCost, type ResolvedState } from '../../store/state/point-resolver.ts';
import type { CurrentChange, RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import type { UnsettledRooms } from '../../store/state/unsettled-rooms.ts';
import type { Streams } from '../../streams/streams.ts';
import type { Log } from '../../util/log.ts';
import { Lru } from '../../util/lru.ts';
import type { StateBatch } from './state-batch.ts';

export interface StateEngineUses {
  readonly streams: Streams;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly roomState: RoomStateStore;
  readonly authGraph: AuthGraph;
  readonly mergedPoints: MergedPoints;
  readonly authEvents: { get(nid: EventNid): AuthEvent<EventNid> };
  readonly signatures: SignatureChecks<EventNid>;
  /** Counts what rooms cost. */
  readonly meter?: Pick<RoomMeter, 'count' | 'monotonic'>;
  readonly log?: Pick<Log, 'info'>;
  /** Where rooms are noted that somebody else has to resolve; without it, every conflict is resolved here. */
  readonly unsettled?: UnsettledRooms;
}

/** States disagree on more than is resolved at once; whoever waits for it has it resolved beside the main thread. */
export class LargeConflict extends Error {
  override readonly name = 'LargeConflict';
  readonly room: ResolvedRoom;
  readonly points: readonly StatePoint[];

  constructor(room: ResolvedRoom, points: readonly StatePoint[]) {
    super(`the states of room ${room.nid} disagree on much`);
    this.room = room;
    this.points = points;
  }
}

/** Ends of a room whose states are looked at here; each takes some ten microseconds. */
const mostEnds = 200;
/** Rooms that are being talked in on both sides of a fork; a few hundred bytes each. */
const settledRooms = 256;

/** A room as the engine needs it. */
export interface ResolvedRoom {
  readonly nid: RoomNid;
  readonly rules: RoomVersionRules;
}

/**
 * Which state holds where in a room's event graph: before and after events, and now. States are points of the state
 * log; what forks disagree on is resolved, and no state is ever held in memory as a whole.
 *
 * The main line is current state only: an event has its state after it there only if that was the current state once
 * it was committed. Everything else is on forks, whose positions no reader is told of.
 */
export class StateEngine {
  readonly #uses: StateEngineUses;
  /** Ends whose states were last found to resolve to the current one: messages on a fork change nothing about that. */
  readonly #settled = new Lru<RoomNid, string>(settledRooms);

  readonly #resolver: PointResolver;
  readonly #bounds: ConflictBounds | undefined;
  #corrections = 0;
  #resolutions = 0;
  /** Events of one room that are being committed together. */
  #batch: StateBatch | undefined;
  #onUnsettled: (room: RoomNid) => void = () => {};

  constructor(uses: StateEngineUses) {
    this.#uses = uses;
    const { authEvents, signatures, unsettled } = uses;
    this.#resolver = new PointResolver(uses, { fetch: (nid) => authEvents.get(nid), signatures });
    this.#bounds = unsettled === undefined ? undefined : smallConflict;
  }

  /** Is told inside the write of rooms that have to be settled. For the process's life. */
  onUnsettled(listener: (room: RoomNid) => void): void {
    this.#onUnsettled = listener;
  }

  /** The state after an event; `undefined` where that is not known (outliers, limited history). */
  stateAfter(nid: EventNid): StatePoint | undefined {
    const row = this.#uses.events.row(nid);
    if (row === undefined) return undefined;
    const before = pointBefore(row);
    if (row.stateKey === null || (row.flags & eventFlags.REJECTED) !== 0) return before;
    const recorded = this.#uses.events.recordedAfter(nid);
    if (recorded !== undefined) return recorded;
    return before === undefined || row.pos === null ? undefined : { line: before.line, pos: row.pos };
  }

  /**
   * The state before an event that cites these; `undefined` if the state after one of them is not known. Inside a write:
   * what had to be resolved is kept.
   */
  stateBefore(room: ResolvedRoom, prevEvents: readonly EventNid[]): StatePoint | undefined {
    const points = this.#pointsAfter(prevEvents);
    return points === undefined || points.length === 0 ? undefined : this.merge(room, points);
  }

  #pointsAfter(events: readonly EventNid[]): StatePoint[] | undefined {
    const points: StatePoint[] = [];
    for (const nid of events) {
      const point = this.stateAfter(nid);
      if (point === undefined) return undefined;
      points.push(point);
    }
    return points;
  }

  /** The one state that the states at the points resolve to. Inside a write. Throws `LargeConflict`. */
  merge(room: ResolvedRoom, points: readonly StatePoint[]): StatePoint {
    const { mergedPoints } = this.#uses;
    const distinct = this.#resolver.distinct(points);
    const [only] = distinct;
    if (only !== undefined && distinct.length === 1) return only;
    const known = mergedPoints.find(room.nid, distinct);
    if (known !== undefined) return known;
    const result = this.#mergeDistinct(room, distinct);
    mergedPoints.set(room.nid, distinct, result);
    return result;
  }

  #mergeDistinct(room: ResolvedRoom, distinct: readonly StatePoint[]): StatePoint {
    const { stateLog, roomState, streams } = this.#uses;
    try {
      const resolved = this.#resolve(room, distinct);
      const tip = roomState.tip(room.nid);
      if (this.#isSame(resolved, tip)) return tip;
      if (resolved.overrides.size === 0) return resolved.base;
      const line = stateLog.createLine(room.nid, 'fork', resolved.base);
      const pos = streams.next();
      stateLog.append(line, pos, resolved.overrides);
      return { line, pos };
    } catch (error) {
      throw error instanceof ConflictTooLarge ? new LargeConflict(room, distinct) : error;
    }
  }

  /** Whether a resolved state is the one at a point; those that are far apart are taken to be different. */
  #isSame(resolved: ResolvedState, point: StatePoint): boolean {
    try {
      return this.#resolver.changes(resolved, point, this.#bounds).length === 0;
    } catch (error) {
      if (error instanceof ConflictTooLarge) return false;
      throw error;
    }
  }

  /** The state that the states at the points resolve to, relative to one of them. Writes nothing but hints. */
  resolvePoints(room: ResolvedRoom, points: readonly StatePoint[]): ResolvedState {
    return this.#resolve(room, this.#resolver.distinct(points, this.#bounds));
  }

  #resolve(room: ResolvedRoom, distinct: readonly StatePoint[]): ResolvedState {
    const { meter } = this.#uses;
    const start = meter?.monotonic() ?? 0;
    return this.#resolver.resolve(room.rules, distinct, this.#bounds, (cost) => {
      this.resolved(room.nid, cost, (meter?.monotonic() ?? start) - start, 'main');
    });
  }

  /** Counts and logs what a resolution has cost. */
  resolved(room: RoomNid, cost: ResolutionCost, ms: number, thread: 'main' | 'worker'): void {
    const { meter, log, interning } = this.#uses;
    this.#resolutions++;
    meter?.count(room, { resolutions: 1 });
    log?.info('state.resolved', { room: interning.roomId(room), ...cost, ms: Math.round(ms * 10) / 10, thread });
  }

  /**
   * How the current state changes now that the room's forward extremities are these. Events and auth graph know them
   * already. Also what a correction (a late rejection, a finished join) has to append. Throws `ConflictTooLarge`.
   */
  currentChanges(room: ResolvedRoom, forward: readonly EventNid[]): CurrentChange[] {
    if (this.#bounds !== undefined && forward.length > mostEnds) throw new ConflictTooLarge();
    const points = this.#pointsAfter(forward);
    if (points === undefined || points.length === 0) return [];
    const tip = this.#uses.roomState.tip(room.nid);
    const distinct = this.#resolver.distinct(points, this.#bounds);
    const question = [tip, ...distinct].map(({ line, pos }) => `${line}:${pos}`).join(' ');
    if (this.#settled.get(room.nid) === question) return [];
    const changes = this.#resolver.changes(this.#resolve(room, distinct), tip, this.#bounds);
    if (changes.length === 0) this.#settled.set(room.nid, question);
    return changes;
  }

  /** Conflicts that were resolved, in all rooms. */
  get resolutions(): number {
    return this.#resolutions;
  }

  /** How often states were corrected where they were, in any room. */
  get corrections(): number {
    return this.#corrections;
  }

  /** The room's states have been corrected where they were: what was resolved from them has to be resolved again. */
  forgetResolved(room: RoomNid): void {
    this.#corrections++;
    this.#uses.mergedPoints.forget(room);
    this.#settled.delete(room);
  }

  /**
   * Finds out what an event does to the current state, and where the state after it is. For an accepted event, called
   * when its row (with `pos` and the state before it), its auth graph entry and the new forward extremities are stored
   * and the current state is still the old one; the answer is to be applied at the event's position. A soft-failed
   * state event gets its fork; any other changes nothing.
   */
  advance(room: ResolvedRoom, event: EventRow, forward: readonly EventNid[]): CurrentChange[] {
    const before = pointBefore(event);
    if (before === undefined || (event.flags & (eventFlags.REJECTED | eventFlags.OUTLIER)) !== 0) return [];
    if (!isAccepted(event.flags) || event.pos === null) {
      if (event.stateKey !== null) this.#branch(room, event, event.stateKey, before, this.#uses.streams.next());
      return [];
    }
    const isOnlyEnd = forward.length === 1 && forward[0] === event.nid;
    if (isOnlyEnd && this.isTip(room.nid, before)) {
      return event.stateKey === null ? [] : [{ key: event.stateKey, event: event.nid }];
    }
    return this.#advanceFork(room, event, { before, pos: event.pos }, forward);
  }

  #advanceFork(
    room: ResolvedRoom,
    event: EventRow,
    { before, pos }: { readonly before: StatePoint; readonly pos: StreamPos },
    forward: readonly EventNid[],
  ): CurrentChange[] {
    const after = event.stateKey === null ? undefined : this.#branch(room, event, event.stateKey, before, pos);
    if (this.isUnsettled(room.nid) || this.#batch?.takes(event) === true) return [];
    // What follows resolves for all that wait.
    if (this.#batch?.room === room.nid) this.#batch.waiting.clear();
    if (after === undefined) return this.settle(room, forward);
    return this.#orLater(room, () => this.#resolveAt(room, event, after, forward));
  }

  /** `currentChanges` once a state event has been put on a fork, which it leaves if its state is the current one. */
  #resolveAt(room: ResolvedRoom, event: EventRow, after: StatePoint, forward: readonly EventNid[]): CurrentChange[] {
    if (this.#bounds !== undefined && forward.length > mostEnds) throw new ConflictTooLarge();
    const points = this.#pointsAfter(forward);
    if (points === undefined) return [];
    const resolved = this.resolvePoints(room, points);
    const changes = this.#resolver.changes(resolved, this.#uses.roomState.tip(room.nid), this.#bounds);
    if (event.pos !== null && this.#isSame(resolved, after)) this.#moveToMain(room.nid, event, after, event.pos);
    return changes;
  }

  /** `currentChanges`, or none yet if that is more than is done at once: then somebody else is told to do it. */
  settle(room: ResolvedRoom, forward: readonly EventNid[]): CurrentChange[] {
    return this.#orLater(room, () => this.currentChanges(room, forward));
  }

  #orLater(room: ResolvedRoom, find: () => CurrentChange[]): CurrentChange[] {
    try {
      return find();
    } catch (error) {
      if (!(error instanceof ConflictTooLarge)) throw error;
      this.#uses.unsettled?.add(room.nid);
      this.#onUnsettled(room.nid);
      return [];
    }
  }

  /** Whether the current state is still to be resolved from the room's ends: until then it is that of some of them. */
  isUnsettled(room: RoomNid): boolean {
    return this.#uses.unsettled?.has(room) === true;
  }

  /** Events committed one after the other in one write, for which the current state is found out once where possible. */
  set batch(batch: StateBatch | undefined) {
    this.#batch = batch;
  }

  get batch(): StateBatch | undefined {
    return this.#batch;
  }

  /**
   * Puts a state event on a fork: at the end of the one that the state before it ends, else on a new one. Records that
   * as the state after the event.
   */
  #branch(room: ResolvedRoom, event: EventRow, key: StateKeyNid, before: StatePoint, pos: StreamPos): StatePoint {
    const { stateLog, events } = this.#uses;
    const goesOn = pos > before.pos && stateLog.isEndOfFork(before);
    const line = goesOn ? before.line : stateLog.createLine(room.nid, 'fork', before);
    stateLog.append(line, pos, [[key, event.nid]]);
    const after = { line, pos };
    if (line !== event.line || pos !== event.pos) events.setAfter(event.nid, after);
    return after;
  }

  /** Whether two states are the same, wherever they are. */
  isSame(one: StatePoint, other: StatePoint | undefined): boolean {
    return other !== undefined && this.#uses.stateLog.difference([one, other]).size === 0;
  }

  /**
   * The state before an event that has its place is another one than was thought when it came. The state after it goes
   * to a fork; what has to change in the current state is asked for afterwards.
   */
  move(room: ResolvedRoom, event: EventRow, before: StatePoint): void {
    const { events, streams } = this.#uses;
    events.setBefore(event.nid, before);
    if (event.stateKey !== null) this.#branch(room, event, event.stateKey, before, streams.next());
  }

  /** The state after the event is the current state after all: it leaves the fork for the main line. */
  #moveToMain(room: RoomNid, event: EventRow, fork: StatePoint, pos: StreamPos): void {
    const { stateLog, roomState, events } = this.#uses;
    const { line } = roomState.tip(room);
    stateLog.retract(fork);
    events.setAfter(event.nid, line === event.line ? undefined : { line, pos });
  }

  /** Whether the state at a point is the current one, as far as that can be told without comparing them. */
  isTip(room: RoomNid, point: StatePoint): boolean {
    const { stateLog, roomState } = this.#uses;
    const tip = roomState.tip(room);
    const normal = stateLog.normalise(point);
    return tip.line === normal.line && tip.pos === normal.pos;
  }
}
