import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { EventNid, StreamPos } from '../store/nids.ts';
import type { Segments } from '../store/segments.ts';
import { streamStart } from '../store/sync/positions.ts';

export interface EventOrderStores {
  readonly events: EventStore;
  readonly segments: Segments;
}

/** Whether an event, which has a place, stands later in the room than another; anything is later than what has none. */
export function isAfter(stores: EventOrderStores, row: EventRow, other: EventNid): boolean {
  const than = stores.events.row(other);
  if (than === undefined || than.segment === null || than.idx === null) return true;
  if (row.segment === than.segment) return (row.idx as number) > than.idx;
  return beginOf(stores, row.segment as number) > beginOf(stores, than.segment);
}

/** The position of a segment's first live event. */
export function beginOf({ segments }: EventOrderStores, segment: number): StreamPos {
  return segments.get(segment)?.fromPos ?? streamStart;
}
