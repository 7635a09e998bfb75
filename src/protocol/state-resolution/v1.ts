import { sha1Hex } from '../../util/hash.ts';
import { checkAuth } from '../event-auth/check.ts';
import type { AuthEvent, StateLookup } from '../event-auth/types.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { StateMap } from './state-map.ts';
import type { Conflict, ResolutionInput, ResolvedKey } from './types.ts';

/** The types that authorise others, in the order in which their conflicts are resolved. */
const AUTH_PASSES: readonly ((conflict: Conflict<unknown>) => boolean)[] = [
  ({ type, stateKey }) => type === 'm.room.power_levels' && stateKey === '',
  ({ type }) => type === 'm.room.join_rules',
  ({ type }) => type === 'm.room.member',
];

/**
 * State resolution of room version 1. Here a key is conflicted only if two sets have different events for it: one
 * that some sets lack is settled.
 * @see https://spec.matrix.org/v1.19/rooms/v1/#state-resolution
 */
export function resolveV1<Id>(rules: RoomVersionRules, input: ResolutionInput<Id>): ResolvedKey<Id>[] {
  const settled = new StateMap<Id>();
  const state: StateLookup<Id> = (type, stateKey) => {
    const id = settled.get(type, stateKey);
    return id === undefined ? input.unconflicted(type, stateKey) : input.fetch(id);
  };
  const isAllowed = (event: AuthEvent<Id>, lookup: StateLookup<Id>) =>
    checkAuth(rules, event, lookup, input.signatures).allowed;

  let open = input.conflicts.filter((conflict) => {
    const [first, ...others] = candidates(conflict);
    if (first !== undefined && others.length === 0) settled.set(conflict.type, conflict.stateKey, first);
    return others.length > 0;
  });
  for (const isNext of AUTH_PASSES) {
    // The keys of one pass do not see each other's results, or the outcome would hang on the order of keys.
    const won = open
      .filter(isNext)
      .map((conflict) => [conflict, lastInARow(input, conflict, state, isAllowed)] as const);
    for (const [{ type, stateKey }, id] of won) if (id !== undefined) settled.set(type, stateKey, id);
    open = open.filter((conflict) => !isNext(conflict));
  }
  for (const [conflict, id] of open.map((each) => [each, newestAllowed(input, each, state, isAllowed)] as const)) {
    if (id !== undefined) settled.set(conflict.type, conflict.stateKey, id);
  }
  return input.conflicts.map(({ type, stateKey }) => ({ type, stateKey, winner: settled.get(type, stateKey) }));
}

type IsAllowed<Id> = (event: AuthEvent<Id>, state: StateLookup<Id>) => boolean;

function candidates<Id>(conflict: Conflict<Id>): Id[] {
  return [...new Set(conflict.bySet)].filter((id) => id !== undefined);
}

/** From the lowest depth on, as long as each is allowed after the one before it. */
function lastInARow<Id>(
  input: ResolutionInput<Id>,
  conflict: Conflict<Id>,
  state: StateLookup<Id>,
  isAllowed: IsAllowed<Id>,
): Id | undefined {
  let winner: AuthEvent<Id> | undefined;
  const lookup: StateLookup<Id> = (type, stateKey) =>
    type === conflict.type && stateKey === conflict.stateKey ? winner : state(type, stateKey);
  for (const event of newestFirst(input, conflict).reverse()) {
    if (winner && !isAllowed(event, lookup)) break;
    winner = event;
  }
  return winner?.id;
}

/** The highest depth that is allowed. If none is, the lowest depth: the text names none, other servers take this. */
function newestAllowed<Id>(
  input: ResolutionInput<Id>,
  conflict: Conflict<Id>,
  state: StateLookup<Id>,
  isAllowed: IsAllowed<Id>,
): Id | undefined {
  const events = newestFirst(input, conflict);
  return (events.find((event) => isAllowed(event, state)) ?? events.at(-1))?.id;
}

/** By descending depth, then ascending SHA-1 of the event ID. */
function newestFirst<Id>(input: ResolutionInput<Id>, conflict: Conflict<Id>): AuthEvent<Id>[] {
  return candidates(conflict)
    .map((id) => input.fetch(id))
    .map((event) => ({ event, hash: sha1Hex(event.eventId) }))
    .sort((a, b) => b.event.depth - a.event.depth || (a.hash < b.hash ? -1 : 1))
    .map(({ event }) => event);
}
