import type { Stores } from '../../store/stores.ts';
import type { Clock } from '../../util/clock.ts';
import type { AuthEvents } from '../input/auth-events.ts';
import { CitedMembers } from './cited-members.ts';
import { PartialState } from './partial-state.ts';
import { WholeRooms } from './whole-rooms.ts';

/** What others need to know about rooms whose members are not all here. */
export interface PartialParts {
  /** Which rooms are here without all of their members. */
  readonly partialState: PartialState;
  /** For whoever needs to know all of them. */
  readonly wholeRooms: WholeRooms;
  readonly citedMembers: CitedMembers;
}

export function createPartial(uses: Stores & { readonly clock: Clock; readonly authEvents: AuthEvents }): PartialParts {
  const partialState = new PartialState(uses);
  return {
    partialState,
    wholeRooms: new WholeRooms({ ...uses, partialState }),
    citedMembers: new CitedMembers(uses),
  };
}
