import type { AuthEvent } from '../../protocol/event-auth/types.ts';
import { type Pdu, refIds } from '../../protocol/events/pdu.ts';
import type { EventId } from '../../protocol/ids/types.ts';
import type { EventStore } from '../events/event-store.ts';
import { eventFlags } from '../events/flags.ts';
import type { Interning } from '../interning/interning.ts';
import type { EventNid } from '../nids.ts';

/** Reads a stored event in the form in which the auth rules and state resolution know it. Throws if there is none. */
export function readAuthEvent(
  stores: { readonly events: EventStore; readonly interning: Interning },
  nid: EventNid,
): AuthEvent<EventNid> {
  const { events, interning } = stores;
  const pdu = events.unsealed(nid) as Pdu;
  const known = (refs: Pdu['auth_events']): EventNid[] =>
    refIds(refs)
      .map((id) => interning.findEvent(id))
      .filter((cited) => cited !== undefined);
  return authEventOf(pdu, {
    nid,
    eventId: interning.eventId(nid),
    authEvents: known(pdu.auth_events),
    prevEvents: known(pdu.prev_events),
    rejected: ((events.row(nid)?.flags ?? 0) & eventFlags.REJECTED) !== 0,
  });
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
