import { conflictedGraph } from '../../../src/protocol/state-resolution/auth-difference.ts';
import type { StateMap } from '../../../src/protocol/state-resolution/state-map.ts';
import { MemoryAuthGraph, resolveStateSets, separate } from '../../../src/protocol/state-resolution/state-sets.ts';
import type { AuthGraph } from '../../../src/protocol/state-resolution/types.ts';
import { Seeded } from '../seeded.ts';
import { goodSignatures } from './auth-event.ts';
import {
  keyOf,
  type NaiveRoom,
  type NaiveState,
  naiveAuthDifference,
  naiveResolve,
  naiveSeparate,
  naiveSubgraph,
} from './naive-state-resolution.ts';
import type { RandomRoom } from './random-graph.ts';

/** What differs between the real resolution and the naive one for a room; empty if nothing does. */
export function mismatches(room: RandomRoom, seed: number): string[] {
  const random = new Seeded(seed ^ 0x5bd1e995);
  const fetch = (id: string) => {
    const event = room.events.get(id);
    if (!event) throw new Error(`no event ${id}`);
    return event;
  };
  const naive: NaiveRoom = { rules: room.rules, createId: room.create.id, events: room.events };
  const sets = room.sets.map(naiveState);
  const found: string[] = [];
  const expect = (what: string, actual: Iterable<unknown>, expected: Iterable<unknown>) => {
    const [a, b] = [actual, expected].map((items) =>
      JSON.stringify([...items].map((item) => JSON.stringify(item)).sort()),
    );
    if (a !== b) found.push(`${what}: ${a}, should be ${b}`);
  };

  const resolved = naiveState(resolveStateSets(room.rules, room.sets, fetch, goodSignatures));
  expect('resolved state', resolved, naiveResolve(naive, sets));
  const again = naiveState(resolveStateSets(room.rules, random.shuffle(room.sets), fetch, goodSignatures));
  expect('resolved state in another order of sets', again, resolved);
  const doubled = naiveState(resolveStateSets(room.rules, [...room.sets, ...room.sets], fetch, goodSignatures));
  expect('resolved state with every set twice', doubled, resolved);

  // Witnesses outlive a conflict: the same store serves the sets all together, and some of them before.
  const witnesses = new Map<string, string>();
  const some = room.sets.filter(() => random.chance(0.6));
  for (const chosen of [some, room.sets, room.sets]) {
    if (chosen.length === 0) continue;
    const { unconflicted, conflicts } = separate(chosen);
    const all = random.shuffle([...room.events.keys()]);
    const graph = withWitnesses(new MemoryAuthGraph(room.rules, room.create, all, unconflicted, fetch), witnesses);
    const chosenSets = chosen.map(naiveState);
    const difference = naiveAuthDifference(naive, chosenSets);
    const both = conflictedGraph(graph, chosen.length, conflicts, true);
    expect('auth difference', both.difference, difference);
    expect('subgraph', both.subgraph, naiveSubgraph(naive, naiveSeparate(chosenSets).conflicted));
    expect('auth difference alone', conflictedGraph(graph, chosen.length, conflicts, false).difference, difference);
  }
  return found;
}

function naiveState(state: StateMap<string>): NaiveState {
  return new Map([...state.entries()].map(([type, stateKey, id]) => [keyOf(type, stateKey), id]));
}

function withWitnesses(graph: AuthGraph<string>, witnesses: Map<string, string>): AuthGraph<string> {
  return {
    edges: (id) => graph.edges(id),
    rank: (id) => graph.rank(id),
    position: (id) => graph.position(id),
    children: (id) => graph.children(id),
    unconflictedAt: (id) => graph.unconflictedAt(id),
    witness: (id) => witnesses.get(id),
    setWitness: (id, witness) => witnesses.set(id, witness),
  };
}
