import type { Interning } from '../interning/interning.ts';
import { wellKnown } from '../interning/well-known.ts';
import type { StateKeyNid } from '../nids.ts';

/** What `current_state.other` says of a key: 1 for whatever is no member event. */
export function isOther(interning: Interning, key: StateKeyNid): 1 | null {
  return interning.stateKeyOf(key).typeNid === wellKnown.types.member ? null : 1;
}
