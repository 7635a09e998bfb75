import { type Millis, millis } from '../../util/brand.ts';
import { isJsonObject } from '../../util/json.ts';
import { canonicalJson } from '../canonical-json.ts';
import { parseExactJson } from '../parse-json.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import type { BuiltEvent } from './build.ts';
import type { ReceivedEvent } from './read.ts';
import { type EventLike, redact } from './redact.ts';
import { canonicalForm } from './texts.ts';
import { type NeededSignature, neededSignatures } from './verify.ts';

/** An event of another server whose format and signatures are right. */
export interface VerifiedEvent extends BuiltEvent {
  /** Its content hash did not fit: what is here is the redacted form. */
  readonly redacted: boolean;
}

/** An event of which only the signatures are still to be checked. */
export interface Candidate {
  readonly event: VerifiedEvent;
  /** What the signatures are over. */
  readonly signedText: string;
  readonly needed: readonly NeededSignature[];
  /** When the keys had to be valid. */
  readonly validAt: Millis;
}

/** `value` is what `received` was read from. */
export function candidateOf(value: unknown, received: ReceivedEvent, rules: RoomVersionRules): Candidate {
  const { pdu, eventId, canonical, signedText, contentHashMatches } = received;
  const event = contentHashMatches ? { pdu, eventId, canonical, redacted: false } : redacted(value, received, rules);
  // Claims of times that no clock shows must not make a key valid or a comparison fail.
  const validAt = millis(Number.isSafeInteger(pdu.origin_server_ts) ? pdu.origin_server_ts : 0);
  return { event, signedText, needed: neededSignatures(pdu, rules), validAt };
}

function redacted(value: unknown, { pdu, eventId, canonical }: ReceivedEvent, rules: RoomVersionRules): VerifiedEvent {
  // Numbers of old room versions keep their bytes.
  const exact = isJsonObject(value) ? value : (parseExactJson(canonical) as EventLike);
  return {
    pdu: redact(pdu, rules),
    eventId,
    canonical: canonicalJson(redact(exact, rules), canonicalForm(rules)),
    redacted: true,
  };
}
