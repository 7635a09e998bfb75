import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RoomCostStore } from '../../store/limits/room-costs.ts';
import type { RoomNid } from '../../store/nids.ts';
import { comparePlaces, type HistoryFloors } from '../../store/thinning/history-floors.ts';
import type { OldPlaces } from '../../store/thinning/old-places.ts';
import type { Boundary } from '../../store/timeline.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { OldHistory } from './old-history.ts';
import type { HistoryThinning } from './thinning.ts';

export interface ThinningToSizeUses {
  readonly clock: Clock;
  readonly roomCosts: RoomCostStore;
  readonly historyFloors: HistoryFloors;
  readonly oldPlaces: OldPlaces;
  readonly oldHistory: OldHistory;
  readonly thinning: HistoryThinning;
}

/** What is never deleted for the sake of a limit: the newest events, and what has come lately. */
const newestKept = 500;
const latelyKept = 7 * 24 * 60 * 60_000;
/** Events counted at once: a millisecond or two. */
const step = 10_000;

/** Deletes so much of the old history of a room that has outgrown a limit that it is within it again, if that helps. */
export class ThinningToSize {
  readonly #uses: ThinningToSizeUses;

  constructor(uses: ThinningToSizeUses) {
    this.#uses = uses;
  }

  /**
   * Has history deleted until about so many bytes are free, or all that may be. `begun`; `nothing`: what is left has to
   * stay; `later`: the room is not all here.
   */
  async begin(room: RoomNid, free: number | 'all'): Promise<'begun' | 'nothing' | 'later'> {
    const { clock, oldHistory, thinning } = this.#uses;
    if (!thinning.maySpeakOfAge() || !thinning.mayThin(room)) return 'later';
    const wanted = free === 'all' ? everything : await this.#placeOf(room, free);
    const old = oldHistory.before(room, millis(clock.now() - latelyKept));
    const kept = oldHistory.newest(room, newestKept).at(-1);
    if (wanted === undefined || old === undefined || kept === undefined) return 'nothing';
    const upTo = oldHistory.deletable(room, earliest(wanted, old, { ...kept, idx: kept.idx - 1 }));
    if (upTo === undefined) return 'nothing';
    return thinning.begin(room, upTo) ? 'begun' : 'later';
  }

  /** The place up to which events take so many bytes, as if all were of one size. */
  async #placeOf(room: RoomNid, free: number): Promise<Boundary | undefined> {
    const cost = this.#uses.roomCosts.cost(room);
    const bytes = (cost?.groups['events'] ?? 0) + (cost?.groups['search'] ?? 0);
    if (bytes <= 0) return undefined;
    const all = await this.#walk(room, Number.POSITIVE_INFINITY);
    const wanted = Math.ceil(all.events * Math.min(1, free / bytes));
    return (await this.#walk(room, wanted)).at;
  }

  /** So many events on from where the history begins. */
  async #walk(room: RoomNid, most: number): Promise<{ readonly events: number; readonly at: Boundary | undefined }> {
    const { oldPlaces, historyFloors } = this.#uses;
    let at = historyFloors.of(room);
    let events = 0;
    while (events < most) {
      const next = oldPlaces.step(room, at, Math.min(step, most - events));
      if (next === undefined) break;
      events += next.events;
      at = next.at;
      await nextTurn();
    }
    return { events, at };
  }
}

const everything: Boundary = { segment: Number.MAX_SAFE_INTEGER, idx: Number.MAX_SAFE_INTEGER };

function earliest(...places: readonly [Boundary, ...Boundary[]]): Boundary {
  return places.reduce((first, place) => (comparePlaces(place, first) < 0 ? place : first));
}
