import type { AuthEvent } from '../../protocol/event-auth/types.ts';
import { readAuthEvent } from '../../store/auth/auth-event.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid } from '../../store/nids.ts';
import { Lru } from '../../util/lru.ts';

/**
 * The create event, power levels, join rules and member events of the rooms that are being talked in: a message
 * needs three of them. 256 are enough for the senders of some fifty active rooms; one takes about 1 to 2 kB.
 */
const cacheEntries = 256;

/** Stored events in the form in which the auth rules and state resolution read them, by their database numbers. */
export class AuthEvents {
  readonly #stores: { readonly events: EventStore; readonly interning: Interning };
  readonly #cache = new Lru<EventNid, AuthEvent<EventNid>>(cacheEntries);

  constructor(stores: { readonly events: EventStore; readonly interning: Interning }) {
    this.#stores = stores;
  }

  /** Throws if there is no such event. */
  get(nid: EventNid): AuthEvent<EventNid> {
    const known = this.#cache.get(nid);
    if (known !== undefined) return known;
    const event = readAuthEvent(this.#stores, nid);
    this.#cache.set(nid, event);
    return event;
  }

  /** Whether the event is in memory, and so certainly stored. */
  holds(nid: EventNid): boolean {
    return this.#cache.get(nid) !== undefined;
  }

  /** Has to be told when an event is redacted or its rejection changes. */
  forget(nid: EventNid): void {
    this.#cache.delete(nid);
  }

  /** Has to be told when events are deleted: a cached one counts as stored. */
  forgetAll(): void {
    this.#cache.clear();
  }
}
