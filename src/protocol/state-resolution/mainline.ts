import type { AuthEvent } from '../event-auth/types.ts';
import { compareByTime, type SortKey } from './order.ts';
import { powerLevelsOf } from './power-order.ts';
import type { ResolutionInput } from './types.ts';

interface MainlineKey<Id> extends SortKey<Id> {
  readonly position: number;
}

/**
 * Step 3: events in the mainline order of a power levels event: those that rest on older power levels first.
 * Without a power levels event, and for events that rest on none of the mainline, the position is infinite.
 * @see https://spec.matrix.org/v1.19/rooms/v12/#definitions
 */
export function mainlineOrder<Id>(
  input: ResolutionInput<Id>,
  powerLevels: AuthEvent<Id> | undefined,
  ids: Iterable<Id>,
): Id[] {
  const positions = new Map<Id, number>();
  let length = 0;
  for (let event = powerLevels; event; event = powerLevelsOf(input, event)) positions.set(event.id, length++);
  const keys: MainlineKey<Id>[] = [];
  for (const id of ids) {
    const event = input.fetch(id);
    keys.push({
      id,
      eventId: event.eventId,
      originServerTs: event.originServerTs,
      position: positionOf(input, positions, event),
    });
  }
  return keys.sort(compareMainline).map((key) => key.id);
}

/** Follows the cited power levels up to the first with a known position, which all that were passed share. */
function positionOf<Id>(input: ResolutionInput<Id>, positions: Map<Id, number>, event: AuthEvent<Id>): number {
  const passed: Id[] = [];
  let position = Number.POSITIVE_INFINITY;
  for (let cited = powerLevelsOf(input, event); cited; cited = powerLevelsOf(input, cited)) {
    const known = positions.get(cited.id);
    if (known !== undefined) {
      position = known;
      break;
    }
    passed.push(cited.id);
  }
  for (const id of passed) positions.set(id, position);
  return position;
}

function compareMainline<Id>(a: MainlineKey<Id>, b: MainlineKey<Id>): number {
  if (a.position !== b.position) return a.position > b.position ? -1 : 1;
  return compareByTime(a, b);
}
