import type { JsonObject } from '../../util/json.ts';
import { encodeBase64, sha256Base64 } from '../base64.ts';
import { CanonicalJsonError } from '../canonical-json.ts';
import { badJson, tooLarge } from '../errors.ts';
import type { EventId, RoomId, ServerName, UserId } from '../ids/types.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { addSignature } from '../signing/json.ts';
import type { SigningKey } from '../signing/keys.ts';
import { checkEventFormat } from './format.ts';
import { eventIdOfSignedText, ownEventId } from './hashes.ts';
import type { EventRef, Pdu, Signatures } from './pdu.ts';
import type { EventLike } from './redact.ts';
import { EventTexts } from './texts.ts';

/** What decides an event before it is hashed and signed. */
export interface EventDraft {
  readonly type: string;
  readonly sender: UserId;
  readonly content: JsonObject;
  /** Given for state events, even if empty. */
  readonly stateKey?: string;
  /** Left out only for the create event of room version 12. */
  readonly roomId?: RoomId;
  /** In the form of the room version: plain IDs or pairs. */
  readonly prevEvents: readonly EventRef[];
  readonly authEvents: readonly EventRef[];
  readonly depth: number;
  readonly originServerTs: number;
  /** The target of a redaction; put where the room version wants it. */
  readonly redacts?: EventId;
  /** Room versions 1 and 2 only, where the sender chooses it. */
  readonly eventId?: EventId;
  /** Further top-level members, hashed but not kept by redaction (such as `msc4354_sticky`). */
  readonly extra?: Readonly<JsonObject>;
}

/** A complete event with its ID and its canonical text without `unsigned`. */
export interface BuiltEvent {
  readonly pdu: Pdu;
  readonly eventId: EventId;
  readonly canonical: string;
}

/** Who signs our events. */
export interface EventSigner {
  readonly serverName: ServerName;
  readonly key: SigningKey;
}

/**
 * Makes a complete, signed event. Throws 400 M_BAD_JSON if the content has no canonical form (floats and too large
 * integers are refused in every room version: only received events may hold them), 413 M_TOO_LARGE beyond a size limit.
 */
export function buildEvent(draft: EventDraft, rules: RoomVersionRules, signer: EventSigner): BuiltEvent {
  return completeEvent(unsealedEvent(draft, rules), rules, signer);
}

/** The event before it is hashed and signed: also what another server is given to complete. */
export function unsealedEvent(draft: EventDraft, rules: RoomVersionRules): JsonObject {
  const inContent = draft.redacts !== undefined && rules.redactsIn === 'content';
  const event: JsonObject = {
    ...draft.extra,
    auth_events: [...draft.authEvents],
    content: inContent ? { ...draft.content, redacts: draft.redacts } : draft.content,
    depth: Math.min(draft.depth, rules.strictCanonicalJson ? rules.maxDepth : Number.MAX_SAFE_INTEGER),
    origin_server_ts: draft.originServerTs,
    prev_events: [...draft.prevEvents],
    sender: draft.sender,
    type: draft.type,
  };
  if (draft.roomId !== undefined) event['room_id'] = draft.roomId;
  if (draft.stateKey !== undefined) event['state_key'] = draft.stateKey;
  if (draft.redacts !== undefined && !inContent) event['redacts'] = draft.redacts;
  if (rules.eventIdFormat === 'v1' && draft.eventId !== undefined) event['event_id'] = draft.eventId;
  return event;
}

/**
 * Hashes and signs an event that is complete but for that: our own draft, or the template that another server made
 * for a join, leave or knock. Hashes and signatures it came with are replaced; `unsigned` is dropped, and so is an
 * `event_id` where the ID is a hash, which would cover it. Throws like `buildEvent`.
 */
export function completeEvent(event: EventLike, rules: RoomVersionRules, signer: EventSigner): BuiltEvent {
  const { unsigned: _unsigned, hashes: _hashes, signatures: _signatures, event_id: eventIdGiven, ...rest } = event;
  const bare = rules.eventIdFormat === 'v1' ? { ...rest, event_id: eventIdGiven } : rest;
  const texts = ownTexts(bare, rules);
  const hashes = { sha256: sha256Base64(texts.hashed) };
  texts.set('hashes', hashes);
  const signedText = texts.signed;
  const signatures: Signatures = {
    [signer.serverName]: { [signer.key.keyId]: encodeBase64(signer.key.sign(signedText)) },
  };
  texts.set('signatures', signatures);
  const canonical = texts.full;
  const pdu = { ...bare, hashes, signatures };
  const problem = checkEventFormat(pdu, rules, canonical);
  if (problem !== undefined) {
    throw (problem.tooLarge ? tooLarge : badJson)(`The event's ${problem.field} ${problem.reason}`);
  }
  const eventId = rules.eventIdFormat === 'v1' ? ownEventId(bare) : eventIdOfSignedText(signedText, rules);
  return { pdu: pdu as unknown as Pdu, eventId, canonical };
}

function ownTexts(event: EventLike, rules: RoomVersionRules): EventTexts {
  try {
    return new EventTexts(event, rules, 'strict');
  } catch (error) {
    if (error instanceof CanonicalJsonError)
      throw badJson(`The event cannot be sent: ${error.message}`, { cause: error });
    throw error;
  }
}

/**
 * Adds our signature to a complete event of another server (an invite, a join we authorise) and leaves the rest of it
 * alone. Throws `CanonicalJsonError`.
 */
export function signEvent(pdu: Pdu, rules: RoomVersionRules, signer: EventSigner): Pdu {
  const signature = signer.key.sign(new EventTexts(pdu, rules).signed);
  const bare = pdu as unknown as JsonObject;
  return addSignature(bare, signer.serverName, signer.key.keyId, encodeBase64(signature)) as unknown as Pdu;
}
