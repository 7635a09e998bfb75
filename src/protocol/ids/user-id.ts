import { fitsBytes } from './byte-length.ts';
import { isServerName } from './server-name.ts';
import type { ServerName, UserId } from './types.ts';

const strictLocalpart = /^[a-z0-9._=\-/+]+$/;
const visibleAscii = /^[\x21-\x7e]+$/;

/** Whether a localpart is free of what no identifier may hold: a colon, NUL and lone surrogates. */
export function isOpaqueLocalpart(localpart: string): boolean {
  return !localpart.includes(':') && !localpart.includes('\0') && localpart.isWellFormed();
}

/**
 * Whether `text` is a user ID as rooms may hold them: the historical grammar, with any localpart but colons and NUL,
 * even an empty one. At most 255 bytes. For names of new accounts use `isNewLocalpart`.
 * @see https://spec.matrix.org/v1.19/appendices/#historical-user-ids
 */
export function isUserId(text: string): text is UserId {
  if (text.charCodeAt(0) !== 0x40 || !fitsBytes(text)) return false;
  const colon = text.indexOf(':');
  return colon !== -1 && isOpaqueLocalpart(text.slice(1, colon)) && isServerName(text.slice(colon + 1));
}

export function parseUserId(text: string): UserId | undefined {
  return isUserId(text) ? text : undefined;
}

/** Brands a text that is known to be a user ID; throws `TypeError` if it is none. */
export function asUserId(text: string): UserId {
  if (!isUserId(text)) throw new TypeError('not a user ID');
  return text;
}

/**
 * Whether a localpart may be given to a new account: only `a-z 0-9 . _ = - / +`, not empty.
 * @see https://spec.matrix.org/v1.19/appendices/#user-identifiers
 */
export function isNewLocalpart(localpart: string): boolean {
  return strictLocalpart.test(localpart);
}

/** The user ID of a new account, or `undefined` if the localpart breaks the current grammar or the ID is too long. */
export function newUserId(localpart: string, server: ServerName): UserId | undefined {
  const userId = `@${localpart}:${server}`;
  return isNewLocalpart(localpart) && fitsBytes(userId) ? (userId as UserId) : undefined;
}

/**
 * Whether the localpart is visible ASCII and not empty. Other IDs are accepted in events, but should not be passed on
 * to clients outside of them (device lists, presence).
 */
export function isCompliantUserId(userId: UserId): boolean {
  return visibleAscii.test(localpartOf(userId));
}

/** The text between sigil and first colon. */
export function localpartOf(userId: UserId): string {
  return userId.slice(1, userId.indexOf(':'));
}

/** The server that the user belongs to. */
export function serverOf(userId: UserId): ServerName {
  return userId.slice(userId.indexOf(':') + 1) as ServerName;
}
