import { checkAuth } from '../event-auth/check.ts';
import type { AuthEvent, StateLookup } from '../event-auth/types.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { StateMap } from './state-map.ts';
import type { ResolutionInput } from './types.ts';

/**
 * The state that a resolution builds: what it has decided so far, over a base that is only looked at.
 * @see https://spec.matrix.org/v1.19/rooms/v12/#definitions (iterative auth checks)
 */
export class Replay<Id> {
  readonly #rules: RoomVersionRules;
  readonly #input: ResolutionInput<Id>;
  readonly #base: StateLookup<Id>;
  readonly #decided = new StateMap<Id>();

  constructor(rules: RoomVersionRules, input: ResolutionInput<Id>, base: StateLookup<Id>) {
    this.#rules = rules;
    this.#input = input;
    this.#base = base;
  }

  get(type: string, stateKey: string): AuthEvent<Id> | undefined {
    const decided = this.#decided.get(type, stateKey);
    return decided === undefined ? this.#base(type, stateKey) : this.#input.fetch(decided);
  }

  decided(): StateMap<Id> {
    return this.#decided;
  }

  /** Takes each event that the state so far allows; the others are passed over. */
  apply(ids: Iterable<Id>): void {
    for (const id of ids) {
      const event = this.#input.fetch(id);
      if (event.stateKey === undefined) continue;
      const verdict = checkAuth(this.#rules, event, this.#stateFor(event), this.#input.signatures);
      if (verdict.allowed) this.#decided.set(event.type, event.stateKey, id);
    }
  }

  /** The state so far; where it has nothing, or something rejected, the event's own auth events if not rejected. */
  #stateFor(event: AuthEvent<Id>): StateLookup<Id> {
    let cited: AuthEvent<Id>[] | undefined;
    return (type, stateKey) => {
      const present = this.get(type, stateKey);
      if (present && !present.rejected) return present;
      // Room version 12 cites the create event through the room ID.
      if (type === 'm.room.create' && !this.#rules.createInAuthEvents) return this.#input.create;
      cited ??= event.authEvents.map((id) => this.#input.fetch(id));
      return cited.find((other) => other.type === type && other.stateKey === stateKey && !other.rejected);
    };
  }
}
