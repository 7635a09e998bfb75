import type { EventId } from '../../protocol/ids/types.ts';
import type { EventNid, StatePoint } from '../../store/nids.ts';
import type { Outcome } from '../input/input.ts';

/** What became of an event that another server sent. */
export type Fate =
  /** It is stored; `before` is the state before it. */
  | {
      readonly outcome: Exclude<Outcome, 'outlier' | 'backfilled'> | 'duplicate';
      readonly nid: EventNid;
      readonly before: StatePoint | undefined;
      /** Why it was rejected or soft-failed. */
      readonly reason?: string;
    }
  /** It is not taken, now or ever. */
  | { readonly outcome: 'dropped'; readonly reason: string }
  /** It is kept until what it cites can be had. */
  | { readonly outcome: 'deferred'; readonly reason: string };

/** Events that another one cites and that have to be here before it can be judged. */
export interface Lacking {
  readonly outcome: 'lacking';
  readonly authEvents: readonly EventId[];
  /** Those after which no state is known, whether they are here or not. */
  readonly prevEvents: readonly EventId[];
}

/** What the sending server is told: nothing if the event was taken, kept, or is judged by everybody alike. */
export function errorOf(fate: Fate): { error?: string } {
  switch (fate.outcome) {
    case 'dropped':
    case 'rejected':
      return { error: fate.reason ?? 'The event is not allowed' };
    case 'accepted':
    case 'soft-failed':
    case 'duplicate':
    case 'deferred':
      return {};
  }
}
