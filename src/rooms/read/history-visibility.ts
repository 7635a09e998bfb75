import type { JsonObject } from '../../util/json.ts';

export type HistoryVisibility = 'world_readable' | 'shared' | 'invited' | 'joined';

const known: readonly string[] = ['world_readable', 'shared', 'invited', 'joined'];

/** What an `m.room.history_visibility` event says; `shared` if there is none or its value is not understood. */
export function historyVisibilityOf(content: JsonObject | undefined): HistoryVisibility {
  const value = content?.['history_visibility'];
  return typeof value === 'string' && known.includes(value) ? (value as HistoryVisibility) : 'shared';
}

/** What the rules look at, at one event or on one side of an event that changes it. */
export interface Sight {
  readonly visibility: HistoryVisibility;
  readonly membership: string | undefined;
  /** Whether the user joined at any time after the event. */
  readonly joinedLater: boolean;
}

/**
 * Whether a user may see an event. Numbers are those of the specification.
 * @see https://spec.matrix.org/v1.19/client-server-api/#server-behaviour-6
 */
export function maySee({ visibility, membership, joinedLater }: Sight): boolean {
  // 1
  if (visibility === 'world_readable') return true;
  // 2
  if (membership === 'join') return true;
  // 3
  if (visibility === 'shared' && joinedLater) return true;
  // 4
  if (visibility === 'invited' && membership === 'invite') return true;
  // 5
  return false;
}
