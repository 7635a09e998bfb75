import type { AuthEvent, SignatureChecks, StateLookup } from '../../protocol/event-auth/types.ts';
import type { Conflict, AuthGraph as ResolutionGraph, ResolutionInput } from '../../protocol/state-resolution/types.ts';
import type { AuthGraph } from '../auth/auth-graph.ts';
import type { EventStore } from '../events/event-store.ts';
import type { Interning } from '../interning/interning.ts';
import { wellKnown } from '../interning/well-known.ts';
import type { EventNid, StateKeyNid, StatePoint } from '../nids.ts';
import type { StateLog } from './state-log.ts';

export interface ResolutionStores {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly authGraph: AuthGraph;
}

export interface ResolutionReaders {
  /** An event as the auth rules read it. */
  readonly fetch: (nid: EventNid) => AuthEvent<EventNid>;
  readonly signatures: SignatureChecks<EventNid>;
  /** Called before each other question to the database; what it throws ends the resolution. */
  readonly asked: () => void;
}

/** What the states at some points disagree on: `StateLog.difference`. */
export type Difference = ReadonlyMap<StateKeyNid, readonly (EventNid | undefined)[]>;

/** Hands a conflict between states at points to state resolution: everything is read from the database as it is asked. */
export function resolutionInput(
  stores: ResolutionStores,
  readers: ResolutionReaders,
  points: readonly StatePoint[],
  difference: Difference,
): ResolutionInput<EventNid> {
  const { interning, stateLog } = stores;
  const first = points[0];
  const create = first === undefined ? undefined : stateLog.at(first, wellKnown.stateKeys.create);
  if (first === undefined || create === undefined) throw new Error('a state without a create event cannot be resolved');
  const conflicts: Conflict<EventNid>[] = [];
  for (const [key, bySet] of difference) {
    const { type, skey } = interning.stateKeyOf(key);
    conflicts.push({ type, stateKey: skey, bySet });
  }
  // On what the sets agree, the first of them is as good as any.
  const agreed = (key: StateKeyNid | undefined): EventNid | undefined =>
    key === undefined || difference.has(key) ? undefined : stateLog.at(first, key);
  const unconflicted: StateLookup<EventNid> = (type, stateKey) => {
    readers.asked();
    const event = agreed(interning.findStateKey(type, stateKey));
    return event === undefined ? undefined : readers.fetch(event);
  };
  return {
    create: readers.fetch(create),
    setCount: points.length,
    conflicts,
    unconflicted,
    graph: graphOf(stores, agreed, readers.asked),
    fetch: readers.fetch,
    signatures: readers.signatures,
  };
}

function graphOf(
  { authGraph, events }: ResolutionStores,
  agreed: (key: StateKeyNid | undefined) => EventNid | undefined,
  asked: () => void,
): ResolutionGraph<EventNid> {
  const counted =
    <Answer>(question: (event: EventNid) => Answer) =>
    (event: EventNid): Answer => {
      asked();
      return question(event);
    };
  return {
    edges: counted((event) => authGraph.edges(event)),
    rank: counted((event) => authGraph.rank(event)),
    position: counted((event) => authGraph.position(event)),
    *children(event) {
      for (const child of authGraph.children(event)) {
        asked();
        yield child;
      }
    },
    unconflictedAt: counted((event) => agreed(events.row(event)?.stateKey ?? undefined)),
    witness: counted((event) => authGraph.witness(event)),
    setWitness: (event, witness) => authGraph.setWitness(event, witness),
  };
}
