import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import type { RoomVersionRules } from '../room-versions.ts';

/** Anything event-shaped: a PDU, or its exact form with `RawNumber` members. */
export type EventLike = Readonly<Record<string, unknown>>;

/**
 * The event as a redaction leaves it. `unsigned` goes too: nothing covers it. The result shares what it keeps with
 * the event.
 * @see https://spec.matrix.org/v1.19/client-server-api/#redactions
 */
export function redact<T extends EventLike>(event: T, rules: RoomVersionRules): T {
  const kept: Record<string, unknown> = {};
  for (const key of rules.redaction.topLevel) {
    if (Object.hasOwn(event, key)) kept[key] = event[key];
  }
  kept['content'] = redactContent(event['type'], event['content'], rules);
  return kept as T;
}

/** What a redaction leaves of the content of an event of this type. A content that is no object becomes one. */
export function redactContent(type: unknown, content: unknown, rules: RoomVersionRules): JsonObject {
  const kept: JsonObject = {};
  if (typeof type !== 'string' || !isJsonObject(content)) return kept;
  const keys = rules.redaction.content.get(type);
  if (keys === 'all') return content;
  for (const key of keys ?? []) {
    if (Object.hasOwn(content, key)) kept[key] = content[key] as JsonValue;
  }
  if (type === 'm.room.member' && rules.redaction.thirdPartyInviteSigned) keepSigned(content, kept);
  return kept;
}

// The text leaves open what becomes of an invite without `signed`, or of one that is no object. It changes the event
// ID, so it has to be what the others do: the first stays as an empty object, the second goes.
function keepSigned(content: JsonObject, kept: JsonObject): void {
  const invite = content['third_party_invite'];
  if (!Object.hasOwn(content, 'third_party_invite') || !isJsonObject(invite)) return;
  kept['third_party_invite'] = Object.hasOwn(invite, 'signed') ? { signed: invite['signed'] as JsonValue } : {};
}
