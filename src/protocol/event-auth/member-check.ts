import type { RoomVersionRules } from '../room-versions.ts';
import type { RuleNumbers } from './numbering.ts';
import type { PowerLevels } from './power-levels.ts';
import type { AuthEvent, SignatureChecks, StateLookup } from './types.ts';

/** Rule 5 (version 12) at work: the event and all that its parts look at. */
export interface MemberCheck<Id> {
  readonly rules: RoomVersionRules;
  readonly numbers: RuleNumbers;
  readonly event: AuthEvent<Id>;
  /** The user whose membership changes: the state key. */
  readonly target: string;
  readonly create: AuthEvent<Id>;
  readonly state: StateLookup<Id>;
  readonly levels: PowerLevels;
  readonly signatures: SignatureChecks<Id>;
}
