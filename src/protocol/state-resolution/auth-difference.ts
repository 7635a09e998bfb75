import { CommonChain } from './common-chain.ts';
import { Heap } from './heap.ts';
import { SetMask } from './set-mask.ts';
import type { AuthGraph, Conflict } from './types.ts';

interface WalkNode<Id> {
  readonly id: Id;
  readonly rank: number;
  /** The sets known to have this event in their chains. Final once the node is taken from the queue. */
  readonly sets: SetMask;
  edges: readonly Id[];
}

/** What two or more state sets with a conflict do not share of the auth graph. */
export interface ConflictedGraph<Id> {
  /**
   * The events in the chains of some sets but not of all. The chain of a set counts its own events too, as every
   * server has it: a conflicted event is left out only if each set leads to it.
   * @see https://spec.matrix.org/v1.19/rooms/v2/#definitions
   */
  readonly difference: ReadonlySet<Id>;
  /** The events on paths between conflicted events, these included; empty if it was not asked for. */
  readonly subgraph: ReadonlySet<Id>;
}

/**
 * The auth difference, and for state resolution v2.1 the conflicted state subgraph, from the conflicted events only.
 *
 * Walks back from them, highest rank first, with the sets that reach each event. An event that not all sets reach is
 * common all the same if the unconflicted state, which belongs to every set, has it in its chain. The walk ends when
 * all events still waiting are common. Not sooner: one that is common may lead to one that is waiting and not known
 * to be. For the subgraph it must also be below the oldest conflicted event.
 */
export function conflictedGraph<Id>(
  graph: AuthGraph<Id>,
  setCount: number,
  conflicts: readonly Conflict<Id>[],
  withSubgraph: boolean,
): ConflictedGraph<Id> {
  const walk = new Walk(graph, setCount);
  let lowestRank = Number.POSITIVE_INFINITY;
  for (const conflict of conflicts) {
    for (const [set, id] of conflict.bySet.entries()) {
      if (id !== undefined) lowestRank = Math.min(lowestRank, walk.start(id, set));
    }
  }
  const difference = walk.run(withSubgraph ? lowestRank : Number.POSITIVE_INFINITY);
  return { difference, subgraph: withSubgraph ? walk.subgraph() : new Set() };
}

class Walk<Id> {
  readonly #graph: AuthGraph<Id>;
  readonly #setCount: number;
  readonly #nodes = new Map<Id, WalkNode<Id>>();
  readonly #conflicted = new Set<Id>();
  readonly #visited: WalkNode<Id>[] = [];
  readonly #waiting = new Heap<WalkNode<Id>>((a, b) => a.rank > b.rank);
  /** How many of those waiting are not known to be common. */
  #uncommon = 0;

  constructor(graph: AuthGraph<Id>, setCount: number) {
    this.#graph = graph;
    this.#setCount = setCount;
  }

  /** Adds a conflicted event of one set; returns its rank. */
  start(id: Id, set: number): number {
    this.#conflicted.add(id);
    const node = this.#node(id);
    this.#mark(node, () => node.sets.add(set));
    return node.rank;
  }

  /** Visits at least all events down to `lowestRank` and all that are not common; returns the latter. */
  run(lowestRank: number): Set<Id> {
    const common = new CommonChain(this.#graph);
    const difference = new Set<Id>();
    for (let node = this.#waiting.peek(); node; node = this.#waiting.peek()) {
      if (this.#uncommon === 0 && (lowestRank === Number.POSITIVE_INFINITY || node.rank < lowestRank)) break;
      this.#waiting.pop();
      if (!node.sets.isFull) {
        this.#uncommon--;
        if (common.has(node.id)) node.sets.fill();
        else difference.add(node.id);
      }
      this.#visit(node);
    }
    return difference;
  }

  /** After `run`: a visited event is below some conflicted one; upwards from the lowest, which are above one too? */
  subgraph(): Set<Id> {
    const subgraph = new Set(this.#conflicted);
    for (const node of this.#visited.toReversed()) {
      if (node.edges.some((id) => subgraph.has(id))) subgraph.add(node.id);
    }
    return subgraph;
  }

  #visit(node: WalkNode<Id>): void {
    node.edges = this.#graph.edges(node.id);
    this.#visited.push(node);
    for (const id of node.edges) {
      const parent = this.#node(id);
      this.#mark(parent, () => parent.sets.addAll(node.sets));
    }
  }

  #node(id: Id): WalkNode<Id> {
    const known = this.#nodes.get(id);
    if (known) return known;
    const node: WalkNode<Id> = { id, rank: this.#graph.rank(id), sets: new SetMask(this.#setCount), edges: [] };
    this.#nodes.set(id, node);
    this.#waiting.push(node);
    this.#uncommon++;
    return node;
  }

  #mark(node: WalkNode<Id>, change: () => void): void {
    if (node.sets.isFull) return;
    change();
    if (node.sets.isFull) this.#uncommon--;
  }
}
