import type { RoomVersionRules } from '../room-versions.ts';
import { fitsBytes } from './byte-length.ts';
import { isServerName } from './server-name.ts';
import type { EventId, RoomAlias, RoomId, ServerName } from './types.ts';
import { isOpaqueLocalpart } from './user-id.ts';

const hashRoomId = /^![A-Za-z0-9_-]{43}$/;

/**
 * Whether `text` is a room ID of either form: `!opaque:server`, or `!` and the 43 letters of a create event's hash
 * (room version 12). At most 255 bytes.
 * @see https://spec.matrix.org/v1.19/appendices/#room-ids
 */
export function isRoomId(text: string): text is RoomId {
  return hashRoomId.test(text) || isNameOn('!', text);
}

/** Whether `text` is a room ID of the form that the room version demands. */
export function isRoomIdOf(text: string, rules: Pick<RoomVersionRules, 'roomIdIsCreateHash'>): text is RoomId {
  return rules.roomIdIsCreateHash ? hashRoomId.test(text) : isNameOn('!', text);
}

export function parseRoomId(text: string): RoomId | undefined {
  return isRoomId(text) ? text : undefined;
}

/** Brands a text that is known to be a room ID; throws `TypeError` if it is none. */
export function asRoomId(text: string): RoomId {
  if (!isRoomId(text)) throw new TypeError('not a room ID');
  return text;
}

/** The ID of the room that a create event of room version 12 or later begins. */
export function roomIdOfCreate(createEventId: EventId): RoomId {
  return `!${createEventId.slice(1)}` as RoomId;
}

/** The create event behind a room ID of room version 12 or later, `undefined` for other forms. */
export function createOfRoomId(roomId: RoomId): EventId | undefined {
  return hashRoomId.test(roomId) ? (`$${roomId.slice(1)}` as EventId) : undefined;
}

/**
 * The server whose name is in a room ID of room versions 1 to 11. It says who made the ID, nothing about who is in
 * the room: never take it for a server to ask.
 */
export function serverOfRoomId(roomId: RoomId): ServerName | undefined {
  const colon = roomId.indexOf(':');
  return colon === -1 ? undefined : (roomId.slice(colon + 1) as ServerName);
}

/**
 * Whether `text` is a room alias: any localpart but colons and NUL. At most 255 bytes.
 * @see https://spec.matrix.org/v1.19/appendices/#room-aliases
 */
export function isRoomAlias(text: string): text is RoomAlias {
  return isNameOn('#', text);
}

export function parseRoomAlias(text: string): RoomAlias | undefined {
  return isRoomAlias(text) ? text : undefined;
}

/** Brands a text that is known to be a room alias; throws `TypeError` if it is none. */
export function asRoomAlias(text: string): RoomAlias {
  if (!isRoomAlias(text)) throw new TypeError('not a room alias');
  return text;
}

/** The server that resolves the alias. */
export function serverOfAlias(alias: RoomAlias): ServerName {
  return alias.slice(alias.indexOf(':') + 1) as ServerName;
}

/** The text between sigil and first colon. */
export function localpartOfAlias(alias: RoomAlias): string {
  return alias.slice(1, alias.indexOf(':'));
}

/** `sigil localpart : server` with a localpart that is not empty. */
export function isNameOn(sigil: '!' | '#' | '$', text: string): boolean {
  if (text[0] !== sigil || !fitsBytes(text)) return false;
  const colon = text.indexOf(':');
  return colon > 1 && isOpaqueLocalpart(text.slice(1, colon)) && isServerName(text.slice(colon + 1));
}
