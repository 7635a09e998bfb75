import type { AuthEvent } from '../protocol/event-auth/types.ts';
import { type Pdu, refIds } from '../protocol/events/pdu.ts';
import type { EventId } from '../protocol/ids/types.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { eventFlags } from '../store/events/flags.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { EventNid } from '../store/nids.ts';
import { Lru } from '../util/lru.ts';

/**
 * The create event, power levels, join rules and member events of the rooms that are being talked in: a message
 * needs three of them. 256 are enough for the senders of some fifty active rooms; one takes about 1 to 2 kB.
 */
const cacheEntries = 256;

/** Stored events in the form in which the auth rules and state resolution read them, by their database numbers. */
export class AuthEvents {
  readonly #events: EventStore;
  readonly #interning: Interning;
  readonly #cache = new Lru<EventNid, AuthEvent<EventNid>>(cacheEntries);

  constructor(stores: { readonly events: EventStore; readonly interning: Interning }) {
    this.#events = stores.events;
    this.#interning = stores.interning;
  }

  /** Throws if there is no such event. */
  get(nid: EventNid): AuthEvent<EventNid> {
    const known = this.#cache.get(nid);
    if (known !== undefined) return known;
    const event = this.#read(nid);
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

  #read(nid: EventNid): AuthEvent<EventNid> {
    const pdu = this.#events.unsealed(nid) as Pdu;
    const known = (refs: Pdu['auth_events']): EventNid[] =>
      refIds(refs)
        .map((id) => this.#interning.findEvent(id))
        .filter((cited) => cited !== undefined);
    return authEventOf(pdu, {
      nid,
      eventId: this.#interning.eventId(nid),
      authEvents: known(pdu.auth_events),
      prevEvents: known(pdu.prev_events),
      rejected: ((this.#events.row(nid)?.flags ?? 0) & eventFlags.REJECTED) !== 0,
    });
  }
}

/** The same form of an event that is at hand. */
export function authEventOf(
  pdu: Pdu,
  about: {
    readonly nid: EventNid;
    readonly eventId: EventId;
    readonly authEvents: readonly EventNid[];
    readonly prevEvents: readonly EventNid[];
    readonly rejected: boolean;
  },
): AuthEvent<EventNid> {
  const redacts = pdu['redacts'];
  return {
    id: about.nid,
    eventId: about.eventId,
    type: pdu.type,
    ...(pdu.state_key === undefined ? {} : { stateKey: pdu.state_key }),
    sender: pdu.sender,
    ...(pdu.room_id === undefined ? {} : { roomId: pdu.room_id }),
    content: pdu.content,
    authEvents: about.authEvents,
    prevEvents: about.prevEvents,
    originServerTs: pdu.origin_server_ts,
    depth: pdu.depth,
    ...(typeof redacts === 'string' ? { redacts } : {}),
    rejected: about.rejected,
  };
}
