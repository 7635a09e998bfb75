import type { RoomVersionRules } from '../room-versions.ts';
import { fitsBytes } from './byte-length.ts';
import { isNameOn } from './room-id.ts';
import type { EventId, ServerName } from './types.ts';

// 32 bytes leave two bits of the last of the 43 letters unused: they must be zero, or two texts would be one hash.
const standardHash = /^\$[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]$/;
const urlHash = /^\$[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/**
 * Whether `text` can be an event ID of some room version: a `$`, something after it, at most 255 bytes. For paths and
 * query parameters, where the room version is not known yet.
 * @see https://spec.matrix.org/v1.19/appendices/#event-ids
 */
export function isEventId(text: string): text is EventId {
  return (
    text.length > 1 && text.charCodeAt(0) === 0x24 && fitsBytes(text) && !text.includes('\0') && text.isWellFormed()
  );
}

/** Whether `text` is an event ID of the form that the room version demands. */
export function isEventIdOf(text: string, rules: Pick<RoomVersionRules, 'eventIdFormat'>): text is EventId {
  switch (rules.eventIdFormat) {
    case 'v1':
      return isNameOn('$', text);
    case 'v3':
      return standardHash.test(text);
    case 'v4':
      return urlHash.test(text);
  }
}

export function parseEventId(text: string): EventId | undefined {
  return isEventId(text) ? text : undefined;
}

/** Brands a text that is known to be an event ID; throws `TypeError` if it is none. */
export function asEventId(text: string): EventId {
  if (!isEventId(text)) throw new TypeError('not an event ID');
  return text;
}

/** The ID of an event by its reference hash, unpadded base64 in the alphabet of the room version. */
export function eventIdOfHash(hash: string): EventId {
  return `$${hash}` as EventId;
}

/** The server in an event ID of room versions 1 and 2, `undefined` for the later forms. */
export function serverOfEventId(eventId: EventId): ServerName | undefined {
  const colon = eventId.indexOf(':');
  return colon === -1 ? undefined : (eventId.slice(colon + 1) as ServerName);
}
