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
  const mainline = new Mainline(input, powerLevels);
  const keys: MainlineKey<Id>[] = [];
  for (const id of ids) {
    const event = input.fetch(id);
    keys.push({
      id,
      eventId: event.eventId,
      originServerTs: event.originServerTs,
      position: mainline.positionOf(event),
    });
  }
  return keys.sort(compareMainline).map((key) => key.id);
}

/** The power levels behind each other, followed only as far back as somebody asks: they may be thousands. */
class Mainline<Id> {
  readonly #input: ResolutionInput<Id>;
  /** Of the mainline as far as it is known, and of what was passed on the way to it. */
  readonly #positions = new Map<Id, number>();
  #last: AuthEvent<Id> | undefined;
  #length = 0;

  constructor(input: ResolutionInput<Id>, powerLevels: AuthEvent<Id> | undefined) {
    this.#input = input;
    this.#append(powerLevels);
  }

  /** Follows the cited power levels up to the first with a known position, which all that were passed share. */
  positionOf(event: AuthEvent<Id>): number {
    const passed: Id[] = [];
    let position = Number.POSITIVE_INFINITY;
    for (let cited = powerLevelsOf(this.#input, event); cited; cited = powerLevelsOf(this.#input, cited)) {
      this.#reach(cited.id);
      const known = this.#positions.get(cited.id);
      if (known !== undefined) {
        position = known;
        break;
      }
      passed.push(cited.id);
    }
    for (const id of passed) this.#positions.set(id, position);
    return position;
  }

  /** Ranks fall along the mainline: once it is not above an event's rank, the event was met or will never be. */
  #reach(id: Id): void {
    if (this.#positions.has(id)) return;
    const rank = this.#input.graph.rank(id);
    while (this.#last !== undefined && this.#input.graph.rank(this.#last.id) > rank) {
      this.#append(powerLevelsOf(this.#input, this.#last));
    }
  }

  #append(event: AuthEvent<Id> | undefined): void {
    this.#last = event;
    if (event !== undefined) this.#positions.set(event.id, this.#length++);
  }
}

function compareMainline<Id>(a: MainlineKey<Id>, b: MainlineKey<Id>): number {
  if (a.position !== b.position) return a.position > b.position ? -1 : 1;
  return compareByTime(a, b);
}
