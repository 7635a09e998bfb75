import type { Database } from '../db.ts';
import type { EventNid, StateKeyNid } from '../nids.ts';
import type { Boundary } from '../timeline.ts';

/** What is known of one key before an event: 0: that it was absent; `null`: that it is not known. */
export type HistoricEvent = EventNid | 0 | null;

/** The place of what is known of the state before an event that has no place in the room. */
export function glimpseOf(event: EventNid): Boundary {
  return { segment: 0 - event, idx: 0 };
}

/**
 * The few keys of the state that are followed through backfilled history, as changes in the order of the room: reading
 * towards older events, an entry holds from its place on. Writing methods belong inside a write.
 */
export class HistoryStateStore {
  readonly #before;
  readonly #oldest;
  readonly #set;

  constructor(db: Database) {
    this.#before = db.prepare<[number, number, number], { event: HistoricEvent }>(
      'SELECT event FROM history_state WHERE segment = ? AND key = ? AND idx >= ? ORDER BY idx LIMIT 1',
    );
    this.#oldest = db.prepare<[number, number], { idx: number; event: HistoricEvent }>(
      'SELECT idx, event FROM history_state WHERE segment = ? AND key = ? ORDER BY idx LIMIT 1',
    );
    this.#set = db.prepare<[number, number, number, number | null], never>(
      'INSERT OR REPLACE INTO history_state (segment, key, idx, event) VALUES (?, ?, ?, ?)',
    );
  }

  /** What the state before the event at a place says under a key; `undefined` where the key is not followed. */
  before({ segment, idx }: Boundary, key: StateKeyNid): HistoricEvent | undefined {
    return this.#before.get(segment, key, idx)?.event;
  }

  /** The entry that holds for what will come before everything that is there now. */
  oldest(segment: number, key: StateKeyNid): { readonly idx: number; readonly event: HistoricEvent } | undefined {
    return this.#oldest.get(segment, key);
  }

  set({ segment, idx }: Boundary, key: StateKeyNid, event: HistoricEvent): void {
    this.#set.run(segment, key, idx, event);
  }
}
