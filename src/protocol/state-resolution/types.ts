import type { AuthEvent, SignatureChecks, StateLookup } from '../event-auth/types.ts';
import type { EventId } from '../ids/types.ts';

/** A key on which the state sets do not agree, a set without an entry included. */
export interface Conflict<Id = EventId> {
  readonly type: string;
  readonly stateKey: string;
  /** The entry of each state set, in the order of the sets; `undefined` where a set has none. */
  readonly bySet: readonly (Id | undefined)[];
}

/**
 * The auth graph of a room as questions, so that it can stay in the database. Every state set is taken to hold its
 * auth chain too; every event asked about is known.
 */
export interface AuthGraph<Id = EventId> {
  /** The auth events of an event. The create event is among them in every room version, 12 included. */
  edges(id: Id): readonly Id[];
  /** Greater than the rank of each of `edges(id)`. */
  rank(id: Id): number;
  /** `chain` and `seq`: of two events of one chain, that of the lower `seq` is in the auth chain of the other. */
  position(id: Id): ChainPosition;
  /**
   * The events that cite `id`. Those that cite the create event may be left out as long as every state set holds
   * the create event. An iteration may be given up half-way, and several run interleaved.
   */
  children(id: Id): Iterable<Id>;
  /** The event under the (type, state_key) of `id` in the part of the state on which all sets agree. */
  unconflictedAt(id: Id): Id | undefined;
  /** What was last given to `setWitness` for this event, if it was kept: only ever a hint. */
  witness(id: Id): Id | undefined;
  /** Remembers a state event with `id` in its auth chain. */
  setWitness(id: Id, witness: Id): void;
}

export interface ChainPosition {
  readonly chain: number;
  readonly seq: number;
}

/** Everything that resolving a conflict asks for. Nothing here is as large as the state. */
export interface ResolutionInput<Id = EventId> {
  /** The room's create event. */
  readonly create: AuthEvent<Id>;
  /** How many state sets there are. */
  readonly setCount: number;
  readonly conflicts: readonly Conflict<Id>[];
  /** The entries on which all sets agree; `undefined` for a conflicted key. */
  readonly unconflicted: StateLookup<Id>;
  readonly graph: AuthGraph<Id>;
  fetch(id: Id): AuthEvent<Id>;
  readonly signatures: SignatureChecks<Id>;
  /** Told how many events the auth difference has, the conflicted subgraph of v2.1 included. */
  onAuthDifference?(events: number): void;
}

/** What the resolved state has under a key that was conflicted: an event, or nothing. */
export interface ResolvedKey<Id = EventId> {
  readonly type: string;
  readonly stateKey: string;
  readonly winner: Id | undefined;
}
