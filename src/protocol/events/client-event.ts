import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import { parseEventId } from '../ids/event-id.ts';
import { roomIdOfCreate } from '../ids/room-id.ts';
import type { EventId, RoomId } from '../ids/types.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import type { Pdu } from './pdu.ts';

/** Top-level members beyond the standard ones that clients get to see. */
const passedOn = ['msc4354_sticky'];

/** The room an event belongs to; the create event of room version 12 names it by its own ID. */
export function roomIdOf(pdu: Pdu, eventId: EventId): RoomId {
  return pdu.room_id ?? roomIdOfCreate(eventId);
}

/** The event that a redaction is about, `undefined` for other events and for redactions that name none. */
export function redactsOf(pdu: Pdu, rules: RoomVersionRules): EventId | undefined {
  if (pdu.type !== 'm.room.redaction') return undefined;
  const target = rules.redactsIn === 'content' ? pdu.content['redacts'] : pdu['redacts'];
  return typeof target === 'string' ? parseEventId(target) : undefined;
}

/**
 * The event as clients see it, without what only servers need. `unsigned` is what the caller gives: what another
 * server put there is not passed on. Clients of any age find the target of a redaction, so it is named both at the
 * top level and in the content.
 * @see https://spec.matrix.org/v1.19/client-server-api/#room-event-format
 */
export function clientEvent(
  pdu: Pdu,
  eventId: EventId,
  rules: RoomVersionRules,
  unsigned?: Readonly<JsonObject>,
): JsonObject {
  const event: JsonObject = {
    content: pdu.content,
    event_id: eventId,
    origin_server_ts: pdu.origin_server_ts,
    room_id: roomIdOf(pdu, eventId),
    sender: pdu.sender,
    type: pdu.type,
  };
  if (pdu.state_key !== undefined) event['state_key'] = pdu.state_key;
  const redacts = redactsOf(pdu, rules);
  if (redacts !== undefined) {
    event['redacts'] = redacts;
    event['content'] = { ...pdu.content, redacts };
  }
  for (const key of passedOn) {
    if (Object.hasOwn(pdu, key)) event[key] = pdu[key] as JsonValue;
  }
  if (unsigned !== undefined) event['unsigned'] = unsigned;
  return event;
}

/**
 * A state event as those see it who are not in the room yet.
 * @see https://spec.matrix.org/v1.19/client-server-api/#stripped-state
 */
export function strippedState(pdu: Pdu): JsonObject {
  return { content: pdu.content, sender: pdu.sender, state_key: pdu.state_key ?? '', type: pdu.type };
}

/** Whether a value from outside is a stripped state event: it has the four members with the right types. */
export function isStrippedState(value: unknown): value is JsonObject {
  return (
    isJsonObject(value) &&
    typeof value['type'] === 'string' &&
    typeof value['state_key'] === 'string' &&
    typeof value['sender'] === 'string' &&
    isJsonObject(value['content'])
  );
}
