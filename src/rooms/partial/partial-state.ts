import type { RoomNid, StreamPos } from '../../store/nids.ts';
import type { PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { Millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';

export interface PartialStateUses {
  readonly partialRooms: PartialRooms;
  readonly clock: Clock;
}

/** Told of a room that has become complete at `pos`, after that is written down. It must not throw. */
export type CompletionListener = (room: RoomNid, pos: StreamPos) => void;

/** Which rooms are here with a part of their state only, and when they are complete. */
export class PartialState {
  readonly #uses: PartialStateUses;
  /** Requests that wait; those who make them bound how many there are. */
  readonly #waiting = new Map<RoomNid, Set<(isComplete: boolean) => void>>();
  readonly #listeners: CompletionListener[] = [];

  constructor(uses: PartialStateUses) {
    this.#uses = uses;
  }

  /** Whether members of the room may be missing. */
  isPartial(room: RoomNid): boolean {
    return this.#uses.partialRooms.has(room);
  }

  /** Whether the room became complete in (from, to]. */
  hasCompleted(room: RoomNid, from: StreamPos, to: StreamPos): boolean {
    return this.#uses.partialRooms.hasCompleted(room, from, to);
  }

  /** The rooms that became complete in (from, to]. */
  completedBetween(from: StreamPos, to: StreamPos): readonly RoomNid[] {
    return this.#uses.partialRooms.completedBetween(from, to);
  }

  /**
   * Resolves true when the state is complete, and at once if it is; false when it is given up, when the room is left,
   * after `atMost` and when the signal says so.
   */
  whenComplete(room: RoomNid, atMost: Millis, signal?: AbortSignal): Promise<boolean> {
    const found = this.#uses.partialRooms.find(room);
    if (found === undefined) return Promise.resolve(true);
    if (found.givesUp || signal?.aborted === true) return Promise.resolve(false);
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(room) ?? new Set();
      const end = (isComplete: boolean) => {
        cancel();
        signal?.removeEventListener('abort', callOff);
        waiting.delete(end);
        if (waiting.size === 0 && this.#waiting.get(room) === waiting) this.#waiting.delete(room);
        resolve(isComplete);
      };
      const callOff = () => end(false);
      const cancel = this.#uses.clock.after(atMost, callOff);
      signal?.addEventListener('abort', callOff);
      waiting.add(end);
      this.#waiting.set(room, waiting);
    });
  }

  /** Calls the listener for every room that becomes complete from now on. */
  onComplete(listener: CompletionListener): void {
    this.#listeners.push(listener);
  }

  /** For the job that fills rooms in: it is written down that the room is complete from `pos` on. */
  completed(room: RoomNid, pos: StreamPos): void {
    for (const listener of this.#listeners) listener(room, pos);
    this.#endWaiting(room, true);
  }

  /** For the job that fills rooms in: the room will not be complete by what is being done. */
  calledOff(room: RoomNid): void {
    this.#endWaiting(room, false);
  }

  #endWaiting(room: RoomNid, isComplete: boolean): void {
    for (const end of this.#waiting.get(room) ?? []) end(isComplete);
  }
}
