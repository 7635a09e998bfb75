import type { Preparing } from '../database/reader.ts';
import type { Interning } from '../interning/interning.ts';
import type { EventNid, RoomNid, StateKeyNid, StatePoint } from '../nids.ts';
import { ConflictTooLarge } from './conflict-bounds.ts';
import { isOther } from './other-key.ts';
import type { RoomStateStore } from './room-state-store.ts';
import type { StateEntry, StateLog } from './state-log.ts';

export interface OtherStateUses {
  readonly interning: Interning;
  readonly roomState: Pick<RoomStateStore, 'info' | 'tip'>;
  readonly stateLog: StateLog;
}

/** With more changes between a state and the current one, the state itself is walked, members and all. */
const mostChanges = 2000;
/** Entries of a state that are walked at once. */
const walkedAtOnce = 256;

interface Page {
  readonly entries: readonly StateEntry[];
  /** Where the next one begins. */
  readonly next: StateKeyNid | undefined;
}

/**
 * States of rooms without their member events, at a cost that does not depend on how many members there are: the current
 * state, set back to where it was.
 */
export class OtherState {
  readonly #uses: OtherStateUses;
  readonly #current;

  constructor(db: Preparing, uses: OtherStateUses) {
    this.#uses = uses;
    this.#current = db.prepare<[room: number, after: number, limit: number], { key: StateKeyNid; event: EventNid }>(
      'SELECT key, event FROM current_state INDEXED BY current_state_other' +
        ' WHERE room = ? AND key > ? AND other = 1 ORDER BY key LIMIT ?',
    );
  }

  /**
   * All entries but member events, in pages of about `size`, some of them empty. Between two pages the room may go on:
   * each page is right for itself, and so are all of them together.
   */
  *at(room: RoomNid, point: StatePoint, size: number): Generator<readonly StateEntry[]> {
    let after: StateKeyNid | 0 = 0;
    while (true) {
      const page: Page = this.#fromCurrent(room, point, after, size) ?? this.#walked(point, after);
      yield page.entries;
      if (page.next === undefined) return;
      after = page.next;
    }
  }

  /** `undefined` if the current state is too far from that at the point. */
  #fromCurrent(room: RoomNid, point: StatePoint, after: StateKeyNid | 0, size: number): Page | undefined {
    const moved = this.#movedSince(room, point);
    if (moved === undefined) return undefined;
    const { interning } = this.#uses;
    const current = this.#current.all(room, after, size);
    const next = current.length < size ? undefined : current.at(-1)?.key;
    const entries = current.filter(({ key }) => !moved.has(key)).map(({ key, event }): StateEntry => [key, event]);
    for (const [key, [then]] of moved) {
      const isHere = key > after && (next === undefined || key <= next);
      if (isHere && then !== undefined && isOther(interning, key) === 1) entries.push([key, then]);
    }
    return { entries, next };
  }

  #movedSince(room: RoomNid, point: StatePoint): Map<StateKeyNid, (EventNid | undefined)[]> | undefined {
    const { roomState, stateLog } = this.#uses;
    if (roomState.info(room) === undefined) return undefined;
    try {
      return stateLog.difference([point, roomState.tip(room)], mostChanges);
    } catch (error) {
      if (error instanceof ConflictTooLarge) return undefined;
      throw error;
    }
  }

  #walked(point: StatePoint, after: StateKeyNid | 0): Page {
    const { stateLog, interning } = this.#uses;
    const page = stateLog.pageAt(point, after, walkedAtOnce);
    return {
      entries: page.filter(([key]) => isOther(interning, key) === 1),
      next: page.length < walkedAtOnce ? undefined : page.at(-1)?.[0],
    };
  }
}
