import { compareCodePoints } from '../canonical-json.ts';

/** What breaks ties between events in every order of state resolution v2. */
export interface SortKey<Id> {
  readonly id: Id;
  readonly eventId: string;
  readonly originServerTs: number;
}

/** Earlier by the senders' clocks, then the lower event ID in the byte order of UTF-8. Negative if `a` goes first. */
export function compareByTime<Id>(a: SortKey<Id>, b: SortKey<Id>): number {
  return a.originServerTs - b.originServerTs || compareCodePoints(a.eventId, b.eventId);
}
