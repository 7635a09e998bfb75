import type { RoomMeter } from '../governor/room-meter.ts';
import type { AuthEvent, SignatureChecks } from '../protocol/event-auth/types.ts';
import type { RoomVersionRules } from '../protocol/room-versions.ts';
import { resolve } from '../protocol/state-resolution/resolve.ts';
import type { AuthGraph } from '../store/auth/auth-graph.ts';
import { type EventRow, pointBefore } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { eventFlags, isAccepted } from '../store/events/flags.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { EventNid, RoomNid, StateKeyNid, StatePoint, StreamPos } from '../store/nids.ts';
import type { MergedPoints } from '../store/state/merged-points.ts';
import { type Difference, resolutionInput } from '../store/state/resolution-source.ts';
import type { CurrentChange, RoomStateStore } from '../store/state/room-state-store.ts';
import type { StateLog } from '../store/state/state-log.ts';
import type { Streams } from '../streams/streams.ts';
import { Lru } from '../util/lru.ts';

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
  readonly meter?: Pick<RoomMeter, 'count'>;
}

/** Rooms that are being talked in on both sides of a fork; a few hundred bytes each. */
const settledRooms = 256;

/** A room as the engine needs it. */
export interface ResolvedRoom {
  readonly nid: RoomNid;
  readonly rules: RoomVersionRules;
}

/** A state as a point and what is different there. */
export interface ResolvedState {
  readonly base: StatePoint;
  readonly overrides: ReadonlyMap<StateKeyNid, EventNid | 0>;
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

  constructor(uses: StateEngineUses) {
    this.#uses = uses;
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

  /** The one state that the states at the points resolve to. Inside a write. */
  merge(room: ResolvedRoom, points: readonly StatePoint[]): StatePoint {
    const { stateLog, roomState, mergedPoints, streams } = this.#uses;
    const distinct = this.#distinct(points);
    const [only] = distinct;
    if (only !== undefined && distinct.length === 1) return only;
    const known = mergedPoints.find(room.nid, distinct);
    if (known !== undefined) return known;
    const resolved = this.#resolveDistinct(room, distinct);
    const tip = roomState.tip(room.nid);
    let result = resolved.base;
    if (this.#changes(resolved, tip).length === 0) {
      result = tip;
    } else if (resolved.overrides.size > 0) {
      const line = stateLog.createLine(room.nid, 'fork', resolved.base);
      const pos = streams.next();
      stateLog.append(line, pos, resolved.overrides);
      result = { line, pos };
    }
    mergedPoints.set(room.nid, distinct, result);
    return result;
  }

  /** The state that the states at the points resolve to, relative to one of them. Writes nothing but hints. */
  resolvePoints(room: ResolvedRoom, points: readonly StatePoint[]): ResolvedState {
    return this.#resolveDistinct(room, this.#distinct(points));
  }

  /** Equal points count once, however many events lead there. */
  #distinct(points: readonly StatePoint[]): StatePoint[] {
    const distinct = new Map<string, StatePoint>();
    for (const point of points) {
      const normal = this.#uses.stateLog.normalise(point);
      distinct.set(`${normal.line}:${normal.pos}`, normal);
    }
    return [...distinct.values()];
  }

  #resolveDistinct(room: ResolvedRoom, points: readonly StatePoint[]): ResolvedState {
    const [first] = points;
    if (first === undefined) throw new Error('there is no state to resolve');
    const unchanged = { base: first, overrides: new Map() };
    if (points.length === 1) return unchanged;
    const difference = this.#uses.stateLog.difference(points);
    if (difference.size === 0) return unchanged;
    return nearest(points, difference, this.#winners(room, points, difference));
  }

  #winners(room: ResolvedRoom, points: readonly StatePoint[], difference: Difference): Map<StateKeyNid, EventNid | 0> {
    const { interning, authEvents, signatures, meter } = this.#uses;
    meter?.count(room.nid, { resolutions: 1 });
    const fetch = (nid: EventNid) => authEvents.get(nid);
    const input = resolutionInput(this.#uses, { fetch, signatures }, points, difference);
    const winners = new Map<StateKeyNid, EventNid | 0>();
    for (const { type, stateKey, winner } of resolve(room.rules, input)) {
      const key = interning.findStateKey(type, stateKey);
      if (key !== undefined) winners.set(key, winner ?? 0);
    }
    return winners;
  }

  /**
   * How the current state changes now that the room's forward extremities are these. Events and auth graph know them
   * already. Also what a correction (a late rejection, a finished join) has to append.
   */
  currentChanges(room: ResolvedRoom, forward: readonly EventNid[]): CurrentChange[] {
    const points = this.#pointsAfter(forward);
    if (points === undefined || points.length === 0) return [];
    const tip = this.#uses.roomState.tip(room.nid);
    const distinct = this.#distinct(points);
    const question = [tip, ...distinct].map(({ line, pos }) => `${line}:${pos}`).join(' ');
    if (this.#settled.get(room.nid) === question) return [];
    const changes = this.#changes(this.#resolveDistinct(room, distinct), tip);
    if (changes.length === 0) this.#settled.set(room.nid, question);
    return changes;
  }

  /** The room's states have been corrected where they were: what was resolved from them has to be resolved again. */
  forgetResolved(room: RoomNid): void {
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
    if (event.stateKey === null) return this.currentChanges(room, forward);
    const after = this.#branch(room, event, event.stateKey, before, event.pos);
    const points = this.#pointsAfter(forward);
    if (points === undefined) return [];
    const resolved = this.resolvePoints(room, points);
    const changes = this.#changes(resolved, this.#uses.roomState.tip(room.nid));
    if (this.#changes(resolved, after).length === 0) this.#moveToMain(room.nid, event, after, event.pos);
    return changes;
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

  /** What has to change in the state at `from` to make it the resolved one. */
  #changes({ base, overrides }: ResolvedState, from: StatePoint): CurrentChange[] {
    const { stateLog } = this.#uses;
    const difference = stateLog.difference([base, from]);
    const changes: CurrentChange[] = [];
    for (const [key, [atBase, atFrom]] of difference) {
      const event = overrides.get(key) ?? atBase ?? 0;
      if (event !== (atFrom ?? 0)) changes.push({ key, event });
    }
    for (const [key, event] of overrides) {
      if (!difference.has(key) && event !== (stateLog.at(from, key) ?? 0)) changes.push({ key, event });
    }
    return changes;
  }
}

/** The resolved state relative to the point that is closest to it. */
function nearest(
  points: readonly StatePoint[],
  difference: Difference,
  winners: ReadonlyMap<StateKeyNid, EventNid | 0>,
): ResolvedState {
  let best: ResolvedState | undefined;
  for (const [index, base] of points.entries()) {
    const overrides = new Map<StateKeyNid, EventNid | 0>();
    for (const [key, winner] of winners) {
      // A key in which all sets agreed is seldom resolved to something else, and then it differs from all of them.
      const bySet = difference.get(key);
      if (bySet === undefined || (bySet[index] ?? 0) !== winner) overrides.set(key, winner);
    }
    if (best === undefined || overrides.size < best.overrides.size) best = { base, overrides };
  }
  if (best === undefined) throw new Error('there is no state to resolve');
  return best;
}
