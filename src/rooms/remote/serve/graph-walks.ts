import type { EventRow } from '../../../store/events/event-row.ts';
import type { EventStore } from '../../../store/events/event-store.ts';
import { eventFlags } from '../../../store/events/flags.ts';
import type { EventNid, RoomNid } from '../../../store/nids.ts';

/** Rejected events looked through on the way, which are not answered: more of them in one place are somebody's game. */
const maxRejected = 200;

/** Walks back along `prev_events` over what is known of a room. Both walks are bounded by `limit` and `maxRejected`. */
export class GraphWalks {
  readonly #events: EventStore;

  constructor(events: EventStore) {
    this.#events = events;
  }

  /**
   * These events and what came before them, newest first by depth. Rejected events are left out, soft-failed ones are
   * there if they come before others.
   */
  before(room: RoomNid, from: readonly EventNid[], limit: number): EventRow[] {
    const starts = this.#known(room, from).filter(({ flags }) => (flags & eventFlags.SOFT_FAILED) === 0);
    const seen = new Set(starts.map(({ nid }) => nid));
    // At most `limit` + `maxRejected` events with their few parents.
    const ahead = new Set(starts);
    const found: EventRow[] = [];
    for (let looks = limit + maxRejected; found.length < limit && ahead.size > 0 && looks > 0; looks--) {
      const row = deepest(ahead);
      ahead.delete(row);
      if (isShown(row)) found.push(row);
      for (const parent of this.#parents(room, row, seen)) ahead.add(parent);
    }
    return found;
  }

  /**
   * What lies between: a breadth-first walk back from `latest`, which are not answered themselves, up to `earliest`,
   * oldest first. Nothing below `minDepth`.
   */
  between(
    room: RoomNid,
    range: { readonly latest: readonly EventNid[]; readonly earliest: readonly EventNid[]; readonly minDepth: number },
    limit: number,
  ): EventRow[] {
    const seen = new Set([...range.earliest, ...range.latest]);
    const earliest = new Set(range.earliest);
    const queue = this.#known(
      room,
      range.latest.filter((nid) => !earliest.has(nid)),
    );
    const found: EventRow[] = [];
    let looks = limit + maxRejected + queue.length;
    for (let row = queue.shift(); row !== undefined && found.length < limit && looks > 0; row = queue.shift()) {
      looks--;
      for (const parent of this.#parents(room, row, seen)) {
        if (parent.depth < range.minDepth) continue;
        queue.push(parent);
        if (isShown(parent) && found.length < limit) found.push(parent);
      }
    }
    return found.reverse();
  }

  #parents(room: RoomNid, { nid }: EventRow, seen: Set<EventNid>): EventRow[] {
    const parents = this.#events.parents(nid).filter((parent) => !seen.has(parent));
    for (const parent of parents) seen.add(parent);
    return this.#known(room, parents);
  }

  /**
   * Outliers have no place in the graph: nothing is known of what came before them. What has lost its place is all that is
   * left of its time: whoever took it for a history would look for the rest of it elsewhere anyway.
   */
  #known(room: RoomNid, nids: readonly EventNid[]): EventRow[] {
    const isKnown = ({ flags, pos, segment }: EventRow) =>
      (flags & eventFlags.OUTLIER) === 0 && (pos === null || segment !== null);
    return this.#events.rows(nids).filter((row) => row.room === room && isKnown(row));
  }
}

const isShown = ({ flags }: EventRow): boolean => (flags & eventFlags.REJECTED) === 0;

function deepest(rows: ReadonlySet<EventRow>): EventRow {
  let best: EventRow | undefined;
  for (const row of rows) {
    if (best === undefined || row.depth > best.depth || (row.depth === best.depth && row.nid > best.nid)) best = row;
  }
  if (best === undefined) throw new Error('there is nothing to choose from');
  return best;
}
