import { isJsonObject } from '../../util/json.ts';
import { CanonicalJsonError } from '../canonical-json.ts';
import { fitsBytes, MAX_ID_BYTES } from '../ids/byte-length.ts';
import { isEventId, isEventIdOf } from '../ids/event-id.ts';
import { isRoomIdOf } from '../ids/room-id.ts';
import { isUserId } from '../ids/user-id.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import type { Pdu } from './pdu.ts';
import type { EventLike } from './redact.ts';
import { EventTexts } from './texts.ts';

export const MAX_PDU_BYTES = 65_536;
export const MAX_PREV_EVENTS = 20;
export const MAX_AUTH_EVENTS = 10;

/** Why something is no event of its room version. `tooLarge`: a size limit, which clients are told by 413. */
export interface FormatProblem {
  readonly field: string;
  readonly reason: string;
  readonly tooLarge: boolean;
}

const wrong = (field: string, reason: string): FormatProblem => ({ field, reason, tooLarge: false });
const large = (field: string, reason: string): FormatProblem => ({ field, reason, tooLarge: true });

/**
 * What is wrong with the format of an event in its room version, `undefined` if nothing is: then it is a `Pdu`. Types,
 * identifiers, counts, depth, canonical form, sizes; nothing about permission. `canonical` is the canonical text
 * without `unsigned` if the caller has it; else it is made here. Numbers are judged as parsed: for room versions 6
 * and later `checkStrictNumbers` has to have seen the received text.
 *
 * The size counts what hashes and signatures cover and the signatures; `unsigned` does not count, because it differs
 * from server to server and the verdict must not.
 * @see https://spec.matrix.org/v1.19/client-server-api/#size-limits
 */
export function checkEventFormat(
  event: EventLike,
  rules: RoomVersionRules,
  canonical?: string,
): FormatProblem | undefined {
  return (
    checkFields(event) ??
    checkIdentifiers(event, rules) ??
    checkDepth(event['depth'], rules) ??
    checkRefs('prev_events', event['prev_events'], MAX_PREV_EVENTS, rules) ??
    checkRefs('auth_events', event['auth_events'], MAX_AUTH_EVENTS, rules) ??
    checkSignatures(event['signatures']) ??
    checkSize(event, rules, canonical)
  );
}

/** Whether something read from outside is an event of the room version. */
export function isPdu(event: EventLike, rules: RoomVersionRules): event is Pdu {
  return checkEventFormat(event, rules) === undefined;
}

function checkFields(event: EventLike): FormatProblem | undefined {
  const { type, state_key: stateKey, content, origin_server_ts: timestamp, hashes } = event;
  if (typeof type !== 'string') return wrong('type', 'must be a string');
  if (!fitsBytes(type)) return large('type', `must have at most ${MAX_ID_BYTES} bytes`);
  if (stateKey !== undefined && typeof stateKey !== 'string') return wrong('state_key', 'must be a string');
  if (stateKey !== undefined && !fitsBytes(stateKey)) {
    return large('state_key', `must have at most ${MAX_ID_BYTES} bytes`);
  }
  if (!isJsonObject(content)) return wrong('content', 'must be an object');
  if (typeof timestamp !== 'number') return wrong('origin_server_ts', 'must be a number');
  if (!isJsonObject(hashes) || typeof hashes['sha256'] !== 'string')
    return wrong('hashes', 'must hold a sha256 string');
  return undefined;
}

function checkIdentifiers(event: EventLike, rules: RoomVersionRules): FormatProblem | undefined {
  const { sender, room_id: roomId, event_id: eventId } = event;
  if (typeof sender !== 'string' || !isUserId(sender)) return wrong('sender', 'must be a user ID');
  if (rules.roomIdIsCreateHash && event['type'] === 'm.room.create') {
    if (roomId !== undefined) return wrong('room_id', 'must be absent: the room ID is the hash of this event');
  } else if (typeof roomId !== 'string' || !isRoomIdOf(roomId, rules)) {
    return wrong('room_id', `must be a room ID of room version ${rules.version}`);
  }
  if (rules.eventIdFormat === 'v1' && (typeof eventId !== 'string' || !isEventIdOf(eventId, rules))) {
    return wrong('event_id', `must be an event ID of room version ${rules.version}`);
  }
  return undefined;
}

function checkDepth(depth: unknown, rules: RoomVersionRules): FormatProblem | undefined {
  if (typeof depth !== 'number' || !Number.isInteger(depth)) return wrong('depth', 'must be an integer');
  return depth < 0 || depth > rules.maxDepth ? wrong('depth', `must be between 0 and ${rules.maxDepth}`) : undefined;
}

function checkRefs(field: string, refs: unknown, limit: number, rules: RoomVersionRules): FormatProblem | undefined {
  if (!Array.isArray(refs)) return wrong(field, 'must be an array');
  if (refs.length > limit) return wrong(field, `must have at most ${limit} entries`);
  const isRef = rules.refsAsPairs ? isPair : isPlainRef;
  return refs.every(isRef)
    ? undefined
    : wrong(field, rules.refsAsPairs ? 'must hold [event ID, hashes] pairs' : 'must hold event IDs');
}

// A cited event is looked up, not interpreted: an ID that no event can have is like one that nobody knows.
function isPlainRef(ref: unknown): boolean {
  return typeof ref === 'string' && isEventId(ref);
}

function isPair(ref: unknown): boolean {
  return Array.isArray(ref) && ref.length === 2 && isPlainRef(ref[0]) && isJsonObject(ref[1]);
}

function checkSignatures(signatures: unknown): FormatProblem | undefined {
  const fits =
    isJsonObject(signatures) &&
    Object.values(signatures).every(
      (own) => isJsonObject(own) && Object.values(own).every((signature) => typeof signature === 'string'),
    );
  return fits ? undefined : wrong('signatures', 'must hold an object of strings for each server');
}

function checkSize(event: EventLike, rules: RoomVersionRules, canonical?: string): FormatProblem | undefined {
  try {
    return fitsBytes(canonical ?? new EventTexts(event, rules).full, MAX_PDU_BYTES)
      ? undefined
      : large('event', `must have at most ${MAX_PDU_BYTES} bytes`);
  } catch (error) {
    if (error instanceof CanonicalJsonError) return wrong('event', error.message);
    throw error;
  }
}
