import { decodeBase64Lenient, encodeBase64, sha256Base64 } from '../base64.ts';
import { asEventId, eventIdOfHash } from '../ids/event-id.ts';
import type { EventId } from '../ids/types.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import type { EventLike } from './redact.ts';
import { EventTexts } from './texts.ts';

/**
 * The content hash of an event, unpadded standard base64: over everything but `unsigned`, `signatures`, `hashes`.
 * Throws `CanonicalJsonError`, as everything here that hashes.
 * @see https://spec.matrix.org/v1.19/server-server-api/#calculating-the-content-hash-for-an-event
 */
export function contentHash(event: EventLike, rules: RoomVersionRules): string {
  return sha256Base64(new EventTexts(event, rules).hashed);
}

/**
 * The reference hash of an event, unpadded standard base64: over its redacted form without `signatures`.
 * @see https://spec.matrix.org/v1.19/server-server-api/#calculating-the-reference-hash-for-an-event
 */
export function referenceHash(event: EventLike, rules: RoomVersionRules): string {
  return sha256Base64(new EventTexts(event, rules).signed);
}

/** The ID of an event: its own word in room versions 1 and 2 (`TypeError` if it has none), its reference hash later. */
export function eventIdOf(event: EventLike, rules: RoomVersionRules): EventId {
  return rules.eventIdFormat === 'v1'
    ? ownEventId(event)
    : eventIdOfSignedText(new EventTexts(event, rules).signed, rules);
}

/** The ID that an event of room versions 1 and 2 gives itself. Throws `TypeError` if that is none. */
export function ownEventId(event: EventLike): EventId {
  const eventId = event['event_id'];
  return asEventId(typeof eventId === 'string' ? eventId : '');
}

/** The event ID from the text that signatures cover. Not for room versions 1 and 2. */
export function eventIdOfSignedText(signedText: string, rules: RoomVersionRules): EventId {
  const hash = sha256Base64(signedText);
  return eventIdOfHash(rules.eventIdFormat === 'v4' ? hash.replaceAll('+', '-').replaceAll('/', '_') : hash);
}

/** All that the receiver of an event computes from its text, with each member written once. */
export interface EventDigest {
  readonly eventId: EventId;
  /** Canonical JSON of the whole event but `unsigned`: to store, and to measure. */
  readonly canonical: string;
  /** What the event's signatures cover. */
  readonly signedText: string;
  /** The content hash in the event fits its content; otherwise only the redacted form may be used. */
  readonly contentHashMatches: boolean;
}

/**
 * Computes ID, canonical text and hash check of an event whose format is right. For room versions 1 to 5 pass what
 * `parseExactJson` read, so that unusual numbers keep their bytes; `readEvent` minds all that.
 */
export function digestEvent(
  event: EventLike,
  rules: RoomVersionRules,
  texts: EventTexts = new EventTexts(event, rules),
): EventDigest {
  const signedText = texts.signed;
  return {
    eventId: rules.eventIdFormat === 'v1' ? ownEventId(event) : eventIdOfSignedText(signedText, rules),
    canonical: texts.full,
    signedText,
    contentHashMatches: claimedHash(event) === sha256Base64(texts.hashed),
  };
}

/** `hashes.sha256` in the one form it is compared in; senders may have padded it. */
function claimedHash(event: EventLike): string | undefined {
  const claimed = (event['hashes'] as { sha256?: unknown } | undefined)?.sha256;
  if (typeof claimed !== 'string') return undefined;
  const bytes = decodeBase64Lenient(claimed);
  return bytes && encodeBase64(bytes);
}
