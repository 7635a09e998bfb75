import { MAX_PREV_EVENTS } from '../../protocol/events/format.ts';
import type { UserId } from '../../protocol/ids/types.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Extremities } from '../../store/events/extremities.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, RoomNid, StatePoint } from '../../store/nids.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import { LargeConflict, type ResolvedRoom, type StateEngine } from './state-engine.ts';

export interface RoomEndsUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly extremities: Extremities;
  readonly stateLog: StateLog;
  readonly roomState: RoomStateStore;
  readonly stateEngine: StateEngine;
}

/** After which events one of ours goes, and in which state. */
export interface PlaceAtEnd {
  readonly prevEvents: readonly EventNid[];
  /** `undefined`: the current state. */
  readonly before: StatePoint | undefined;
}

/** Ends at which is looked whether the sender's rights are there what they are now; each takes some ten microseconds. */
const mostLooked = 200;

/** Where a room ends, for events that are made here. */
export class RoomEnds {
  readonly #uses: RoomEndsUses;

  constructor(uses: RoomEndsUses) {
    this.#uses = uses;
  }

  /**
   * All ends of the room, in its current state; or some of them, in the state that they resolve to, where there are more
   * than an event may cite or the current state is not resolved from all of them yet. Those are the one where the
   * sender's rights are what they are now, and the deepest others: each such event leaves fewer ends. Inside a write.
   */
  place(room: ResolvedRoom, sender: UserId): PlaceAtEnd {
    const { extremities, events, stateEngine } = this.#uses;
    const forward = extremities.forward(room.nid);
    if (forward.length <= MAX_PREV_EVENTS && !stateEngine.isUnsettled(room.nid)) {
      return { prevEvents: forward, before: undefined };
    }
    const deepest = events.rows(forward).sort((left, right) => right.depth - left.depth);
    const first = this.#where(room.nid, sender, deepest) ?? deepest[0];
    if (first === undefined) throw new Error(`room ${room.nid} has no end`);
    const others = deepest.filter((row) => row !== first).slice(0, MAX_PREV_EVENTS - 1);
    return this.#behind(room, [first, ...others]) ?? this.#behind(room, [first]) ?? noState(room);
  }

  /** `undefined` if their states disagree on much. */
  #behind(room: ResolvedRoom, rows: readonly EventRow[]): PlaceAtEnd | undefined {
    const prevEvents = rows.map(({ nid }) => nid);
    try {
      const before = this.#uses.stateEngine.stateBefore(room, prevEvents);
      return before === undefined ? noState(room) : { prevEvents, before };
    } catch (error) {
      if (error instanceof LargeConflict && rows.length > 1) return undefined;
      throw error;
    }
  }

  /** The deepest end in whose state the sender's rights rest on what they rest on now. */
  #where(room: RoomNid, sender: UserId, deepest: readonly EventRow[]): EventRow | undefined {
    const { interning, roomState, stateLog, stateEngine } = this.#uses;
    const { powerLevels, joinRules } = wellKnown.stateKeys;
    const member = interning.findStateKey('m.room.member', sender);
    const keys = [powerLevels, joinRules, ...(member === undefined ? [] : [member])];
    const now = keys.map((key) => roomState.current(room, key));
    const { line } = roomState.tip(room);
    // What follows the main line is most likely to have its state.
    const near = deepest.filter((row) => row.line === line);
    const far = deepest.filter((row) => row.line !== line);
    return [...near, ...far].slice(0, mostLooked).find(({ nid }) => {
      const after = stateEngine.stateAfter(nid);
      return after !== undefined && keys.every((key, index) => stateLog.at(after, key) === now[index]);
    });
  }
}

function noState({ nid }: ResolvedRoom): never {
  throw new Error(`room ${nid} ends in an event without state`);
}
