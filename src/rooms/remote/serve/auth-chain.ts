import type { AuthGraph } from '../../../store/auth/auth-graph.ts';
import { NidSet } from '../../../store/nid-set.ts';
import type { EventNid } from '../../../store/nids.ts';

/**
 * The auth chains of any number of events as one, each event once. What was seen and what is left to look at are bits,
 * so that the chain of a large room's whole state fits into memory: it is never gathered.
 */
export class AuthChain {
  readonly #graph: AuthGraph;
  readonly #seen = new NidSet<EventNid>();
  readonly #left = new NidSet<EventNid>();

  constructor(graph: AuthGraph) {
    this.#graph = graph;
  }

  /** These events belong to the chain. */
  add(events: Iterable<EventNid>): void {
    for (const event of events) if (this.#seen.add(event)) this.#left.add(event);
  }

  /** The auth events of these state events belong to the chain. */
  addAuthEventsOf(events: readonly EventNid[]): void {
    this.add(this.#graph.edgesOf(events));
  }

  /** The next events of the chain, at most `limit`; none when it is complete. Mostly those that came last first. */
  next(limit: number): EventNid[] {
    const page = this.#left.takeHighest(limit);
    this.addAuthEventsOf(page);
    return page;
  }
}
