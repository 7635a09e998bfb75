import type { AuthGraph } from './types.ts';

interface Frame<Id> {
  readonly id: Id;
  readonly children: Iterator<Id>;
}

/**
 * Tells whether events are in the auth chain of the part of the state on which all sets agree, without ever listing
 * that chain: by the present event of their own key, by a witness kept from an earlier search, and only then by a
 * search through the events that cite them. Made for one conflict; what it finds out it remembers for that long.
 */
export class CommonChain<Id> {
  readonly #graph: AuthGraph<Id>;
  /** With an unconflicted event that has the key in its chain. */
  readonly #inside = new Map<Id, Id>();
  readonly #outside = new Set<Id>();

  constructor(graph: AuthGraph<Id>) {
    this.#graph = graph;
  }

  has(id: Id): boolean {
    if (this.#inside.has(id)) return true;
    if (this.#outside.has(id)) return false;
    const witness = this.#proof(id) ?? this.#search(id);
    if (witness !== undefined) this.#inside.set(id, witness);
    return witness !== undefined;
  }

  /** An unconflicted event with `id` in its auth chain, or `id` itself if it is one, where no search is needed. */
  #proof(id: Id): Id | undefined {
    const present = this.#graph.unconflictedAt(id);
    if (present !== undefined) {
      if (present === id) return present;
      const position = this.#graph.position(id);
      const later = this.#graph.position(present);
      if (later.chain === position.chain && later.seq >= position.seq) return present;
    }
    const witness = this.#graph.witness(id);
    return witness !== undefined && this.#graph.unconflictedAt(witness) === witness ? witness : undefined;
  }

  /** Depth first through the events that cite `start`. A node that is left without a find is outside for good. */
  #search(start: Id): Id | undefined {
    const path: Frame<Id>[] = [this.#open(start)];
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const next = top.children.next();
      if (next.done) {
        this.#outside.add(top.id);
        path.pop();
        continue;
      }
      const child = next.value;
      if (this.#outside.has(child)) continue;
      const witness = this.#inside.get(child) ?? this.#proof(child);
      if (witness === undefined) {
        path.push(this.#open(child));
        continue;
      }
      this.#found(path, start, witness);
      return witness;
    }
    return undefined;
  }

  #open(id: Id): Frame<Id> {
    return { id, children: this.#graph.children(id)[Symbol.iterator]() };
  }

  #found(path: readonly Frame<Id>[], start: Id, witness: Id): void {
    for (const frame of path) {
      this.#inside.set(frame.id, witness);
      frame.children.return?.();
    }
    this.#graph.setWitness(start, witness);
  }
}
