import type { AuthEvent } from '../protocol/event-auth/types.ts';
import { type Pdu, refIds } from '../protocol/events/pdu.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { eventFlags } from '../store/events/flags.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { EventId } from '../protocol/ids/types.ts';
import type { EventNid } from '../store/nids.ts';
import { LruMap } from '../util/lru-map.ts';

/**
 * The create event, power levels, join rules and member events of the rooms that are being talked in: a message
 * needs three of them. 256 are enough for the senders of some fifty active rooms; one takes about 1 to 2 kB.
 */
const cacheEntries = 256;

/** Stored events in the form in which the auth rules and state resolution read them, by their database numbers. */
export class AuthEvents {
  readonly #events: EventStore;
  readonly #interning: Interning;
  readonly #cache = new LruMap<EventNid, AuthEvent<EventNid>>(cacheEntries);

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

  /** Has to be told when an event is redacted or its rejection changes. */
  forget(nid: EventNid): void {
    this.#cache.delete(nid);
  }

  #read(nid: EventNid): AuthEvent<EventNid> {
    const flags = this.#events.row(nid)?.flags ?? 0;
    return authEventOf(this.#events.bare(nid) as Pdu, {
      nid,
      eventId: this.#interning.eventId(nid),
      rejected: (flags & eventFlags.REJECTED) !== 0,
      find: (id) => this.#interning.findEvent(id),
    });
  }
}

/** The same form of an event that is at hand. Cited events that are not known are left out. */
export function authEventOf(
  pdu: Pick<
    Pdu,
    'type' | 'sender' | 'content' | 'room_id' | 'state_key' | 'depth' | 'origin_server_ts' | 'prev_events' | 'auth_events'
  > & { readonly redacts?: unknown },
  about: {
    readonly nid: EventNid;
    readonly eventId: EventId;
    readonly rejected: boolean;
    readonly find: (id: EventId) => EventNid | undefined;
  },
): AuthEvent<EventNid> {
  const numbers = (refs: Pdu['auth_events']) =>
    refIds(refs)
      .map(about.find)
      .filter((nid) => nid !== undefined);
  return {
    id: about.nid,
    eventId: about.eventId,
    type: pdu.type,
    ...(pdu.state_key === undefined ? {} : { stateKey: pdu.state_key }),
    sender: pdu.sender,
    ...(pdu.room_id === undefined ? {} : { roomId: pdu.room_id }),
    content: pdu.content,
    authEvents: numbers(pdu.auth_events),
    prevEvents: numbers(pdu.prev_events),
    originServerTs: pdu.origin_server_ts,
    depth: pdu.depth,
    ...(typeof pdu.redacts === 'string' ? { redacts: pdu.redacts } : {}),
    rejected: about.rejected,
  };
}
