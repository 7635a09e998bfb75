import type { JsonObject, JsonValue } from '../../util/json.ts';
import type { EventId, RoomId, UserId } from '../ids/types.ts';

/** How an event cites another: by ID, in room versions 1 and 2 with its reference hash. */
export type EventRef = EventId | [EventId, { sha256: string }];

/** `signatures[server][key ID]`, unpadded base64. */
export type Signatures = { [signer: string]: { [keyId: string]: string } };

/**
 * An event as servers exchange it, after `checkEventFormat` found nothing. Keys that no version knows stay in it:
 * the content hash covers them.
 * @see https://spec.matrix.org/v1.19/server-server-api/#pdus
 */
export interface Pdu {
  type: string;
  sender: UserId;
  content: JsonObject;
  /** Absent only from the create event of room version 12. */
  room_id?: RoomId;
  /** Present in state events, even if empty. */
  state_key?: string;
  depth: number;
  /** Milliseconds since the Unix epoch as the sender claims. */
  origin_server_ts: number;
  prev_events: EventRef[];
  auth_events: EventRef[];
  hashes: { sha256: string };
  signatures: Signatures;
  /** Whatever the sending server put there; its type is not checked, nothing covers it. */
  unsigned?: JsonValue;
  /** The event's own ID, in room versions 1 and 2. */
  event_id?: EventId;
  [key: string]: JsonValue | undefined;
}

/** The IDs of cited events, whatever form the room version gives them. */
export function refIds(refs: readonly EventRef[]): EventId[] {
  return refs.map((ref) => (typeof ref === 'string' ? ref : ref[0]));
}

/** Whether the event sets room state. */
export function isStateEvent<T extends { readonly state_key?: string }>(
  pdu: T,
): pdu is T & { readonly state_key: string } {
  return pdu.state_key !== undefined;
}
