import type { AuthEvent, SignatureChecks } from '../event-auth/types.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { resolve } from './resolve.ts';
import { StateMap } from './state-map.ts';
import type { AuthGraph, ChainPosition, Conflict } from './types.ts';

/**
 * Resolves whole state sets in memory, auth chains and all: for tests and for the few sets that are small.
 * Every set, or at least one of them, holds the create event.
 */
export function resolveStateSets<Id>(
  rules: RoomVersionRules,
  sets: readonly StateMap<Id>[],
  fetch: (id: Id) => AuthEvent<Id>,
  signatures: SignatureChecks<Id>,
): StateMap<Id> {
  const { unconflicted, conflicts } = separate(sets);
  if (conflicts.length === 0) return unconflicted;
  const createId = sets.map((set) => set.get('m.room.create', '')).find((id) => id !== undefined);
  if (createId === undefined) throw new TypeError('no state set has a create event');
  const create = fetch(createId);
  const result = unconflicted.copy();
  const resolved = resolve(rules, {
    create,
    setCount: sets.length,
    conflicts,
    unconflicted: (type, stateKey) => {
      const id = unconflicted.get(type, stateKey);
      return id === undefined ? undefined : fetch(id);
    },
    graph: new MemoryAuthGraph(rules, create, idsOf(sets), unconflicted, fetch),
    fetch,
    signatures,
  });
  for (const { type, stateKey, winner } of resolved) {
    if (winner !== undefined) result.set(type, stateKey, winner);
  }
  return result;
}

/** Splits state sets into the entries that all share and the keys on which they differ. */
export function separate<Id>(sets: readonly StateMap<Id>[]): {
  unconflicted: StateMap<Id>;
  conflicts: Conflict<Id>[];
} {
  const unconflicted = new StateMap<Id>();
  const conflicts: Conflict<Id>[] = [];
  const seen = new StateMap<true>();
  for (const set of sets) {
    for (const [type, stateKey, id] of set.entries()) {
      if (seen.has(type, stateKey)) continue;
      seen.set(type, stateKey, true);
      const bySet = sets.map((other) => other.get(type, stateKey));
      if (bySet.every((other) => other === id)) unconflicted.set(type, stateKey, id);
      else conflicts.push({ type, stateKey, bySet });
    }
  }
  return { unconflicted, conflicts };
}

function* idsOf<Id>(sets: readonly StateMap<Id>[]): Generator<Id> {
  for (const set of sets) {
    for (const [, , id] of set.entries()) yield id;
  }
}

/** The auth graph of `known` events and their chains, all of it in memory. */
export class MemoryAuthGraph<Id> implements AuthGraph<Id> {
  readonly #fetch: (id: Id) => AuthEvent<Id>;
  readonly #create: AuthEvent<Id>;
  readonly #createIsImplied: boolean;
  readonly #known: Iterable<Id>;
  readonly #unconflicted: StateMap<Id>;
  readonly #ranks = new Map<Id, number>();
  readonly #positions = new Map<Id, ChainPosition>();
  /** The last event of each chain. */
  readonly #tails = new Map<number, Id>();
  readonly #children = new Map<Id, Id[]>();
  readonly #witnesses = new Map<Id, Id>();

  constructor(
    rules: RoomVersionRules,
    create: AuthEvent<Id>,
    known: Iterable<Id>,
    unconflicted: StateMap<Id>,
    fetch: (id: Id) => AuthEvent<Id>,
  ) {
    this.#fetch = fetch;
    this.#create = create;
    this.#createIsImplied = !rules.createInAuthEvents;
    this.#known = known;
    this.#unconflicted = unconflicted;
  }

  edges(id: Id): readonly Id[] {
    const cited = this.#fetch(id).authEvents;
    return this.#createIsImplied && id !== this.#create.id ? [...cited, this.#create.id] : cited;
  }

  rank(id: Id): number {
    this.#addAll();
    return this.#ranks.get(id) ?? 0;
  }

  position(id: Id): ChainPosition {
    this.#addAll();
    return this.#positions.get(id) ?? { chain: -1, seq: 0 };
  }

  children(id: Id): readonly Id[] {
    this.#addAll();
    return this.#children.get(id) ?? [];
  }

  unconflictedAt(id: Id): Id | undefined {
    const { type, stateKey } = this.#fetch(id);
    return stateKey === undefined ? undefined : this.#unconflicted.get(type, stateKey);
  }

  witness(id: Id): Id | undefined {
    return this.#witnesses.get(id);
  }

  setWitness(id: Id, witness: Id): void {
    this.#witnesses.set(id, witness);
  }

  /** At the first question: room version 1 asks none, and its auth chains need not be known. */
  #addAll(): void {
    if (this.#ranks.size > 0) return;
    for (const id of this.#known) this.#add(id);
  }

  /** Adds an event after all of its auth chain. */
  #add(first: Id): void {
    const path = [first];
    for (let id = path.at(-1); id !== undefined; id = path.at(-1)) {
      const missing = this.edges(id).filter((cited) => !this.#ranks.has(cited));
      if (missing.length > 0 && !this.#ranks.has(id)) {
        path.push(...missing);
        continue;
      }
      path.pop();
      if (!this.#ranks.has(id)) this.#place(id);
    }
  }

  #place(id: Id): void {
    const edges = this.edges(id);
    this.#ranks.set(id, 1 + Math.max(-1, ...edges.map((cited) => this.#ranks.get(cited) ?? -1)));
    for (const cited of new Set(edges)) {
      const children = this.#children.get(cited);
      if (children) children.push(id);
      else this.#children.set(cited, [id]);
    }
    const position = this.#follow(id, edges) ?? { chain: this.#tails.size, seq: 0 };
    this.#positions.set(id, position);
    this.#tails.set(position.chain, id);
  }

  /** The place behind a cited event of the same key, unless another event took it. */
  #follow(id: Id, edges: readonly Id[]): ChainPosition | undefined {
    const { type, stateKey } = this.#fetch(id);
    for (const cited of edges) {
      const event = this.#fetch(cited);
      if (event.type !== type || event.stateKey !== stateKey) continue;
      const position = this.#positions.get(cited);
      if (position && this.#tails.get(position.chain) === cited)
        return { chain: position.chain, seq: position.seq + 1 };
    }
    return undefined;
  }
}
