import type { RoomNid } from '../../store/nids.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { Horizon } from '../receive/horizon.ts';

export interface WantedHistoryUses {
  readonly clock: Clock;
  readonly horizon: Pick<Horizon, 'floorDepth'>;
  /** How old messages may grow. */
  readonly maxAge: Millis | undefined;
}

/** Which history is fetched from other servers: none that has been deleted here, or would be at once. */
export class WantedHistory {
  readonly #uses: WantedHistoryUses;

  constructor(uses: WantedHistoryUses) {
    this.#uses = uses;
  }

  /** Nothing older than that; `undefined`: all of it. */
  get since(): Millis | undefined {
    const { clock, maxAge } = this.#uses;
    return maxAge === undefined || !clock.isRight ? undefined : millis(clock.now() - maxAge);
  }

  /** Whether a single event is wanted, by what it says itself. */
  has(room: RoomNid, { depth, ts }: { readonly depth: number; readonly ts: number }): boolean {
    if (ts < (this.since ?? Number.NEGATIVE_INFINITY)) return false;
    return depth >= (this.#uses.horizon.floorDepth(room) ?? Number.NEGATIVE_INFINITY);
  }

  /**
   * Events from the newest to the oldest without those at the end that are too old: one that says so before others that
   * do not is kept.
   */
  trim<E extends { readonly ts: number }>(events: readonly E[]): readonly E[] {
    const { since } = this;
    if (since === undefined) return events;
    return events.slice(0, events.findLastIndex(({ ts }) => ts >= since) + 1);
  }
}
