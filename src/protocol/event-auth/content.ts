import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import type { AuthEvent } from './types.ts';

/** A property of the object itself: keys come from strangers, so `constructor` must not find what was inherited. */
export function own(object: JsonObject, key: string): JsonValue | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function ownObject(object: JsonObject, key: string): JsonObject | undefined {
  const value = own(object, key);
  return isJsonObject(value) ? value : undefined;
}

export function ownString(object: JsonObject, key: string): string | undefined {
  const value = own(object, key);
  return typeof value === 'string' ? value : undefined;
}

/** The part of a user ID, room ID or event ID behind its first colon; empty for an ID without one. */
export function domainOf(id: string): string {
  const colon = id.indexOf(':');
  return colon < 0 ? '' : id.slice(colon + 1);
}

/** `membership` of a member event; `undefined` where there is no event or no string. */
export function membershipOf(event: AuthEvent<unknown> | undefined): string | undefined {
  return event && ownString(event.content, 'membership');
}

/** `signed.token` of a third-party invite, which names its `m.room.third_party_invite` event. */
export function thirdPartyToken(content: JsonObject): string | undefined {
  const signed = ownObject(ownObject(content, 'third_party_invite') ?? {}, 'signed');
  return signed && ownString(signed, 'token');
}
