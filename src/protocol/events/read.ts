import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';
import { CanonicalJsonError } from '../canonical-json.ts';
import { holdsRawNumber } from '../parse-json.ts';
import type { RoomVersionRules } from '../room-versions.ts';
import { checkEventFormat, type FormatProblem } from './format.ts';
import { digestEvent, type EventDigest } from './hashes.ts';
import type { Pdu } from './pdu.ts';
import type { EventLike } from './redact.ts';
import { EventTexts } from './texts.ts';

/** A received event whose format is right. Its signatures are not checked yet, and its content hash may not fit. */
export interface ReceivedEvent extends EventDigest {
  /** Plain JSON: numbers are doubles. What was received is in `canonical`. */
  readonly pdu: Pdu;
}

export type ReadEvent =
  | { readonly ok: true; readonly event: ReceivedEvent }
  | { readonly ok: false; readonly problem: FormatProblem };

/**
 * Reads an event of another server. `value` is a part of what `parseExactJson` read (the body of a request or answer):
 * so numbers that room versions 6 and later forbid are seen, and those of older versions keep their bytes. If
 * `contentHashMatches` is false, go on with the redacted form only.
 */
export function readEvent(value: unknown, rules: RoomVersionRules): ReadEvent {
  if (!isJsonObject(value)) return refuse('must be an object');
  let texts: EventTexts;
  try {
    texts = new EventTexts(value, rules);
  } catch (error) {
    if (error instanceof CanonicalJsonError) return refuse(error.message);
    throw error;
  }
  const canonical = texts.full;
  const pdu = plainEvent(value, canonical, rules);
  const problem = checkEventFormat(pdu, rules, canonical);
  if (problem !== undefined) return { ok: false, problem };
  return { ok: true, event: { pdu: pdu as Pdu, ...digestEvent(value, rules, texts) } };
}

const refuse = (reason: string): ReadEvent => ({ ok: false, problem: { field: 'event', reason, tooLarge: false } });

/**
 * The event without `RawNumber` members. Only old room versions may have them, and hardly any event does; `unsigned`
 * is outside the canonical text and may hold any number in any room version.
 */
function plainEvent(event: JsonObject, canonical: string, rules: RoomVersionRules): EventLike {
  const { unsigned, ...covered } = event;
  const odd = !rules.strictCanonicalJson && holdsRawNumber(covered);
  const plain = odd ? (JSON.parse(canonical) as JsonObject) : covered;
  if (unsigned === undefined) return plain;
  return {
    ...plain,
    unsigned: holdsRawNumber(unsigned) ? (JSON.parse(JSON.stringify(unsigned)) as JsonValue) : unsigned,
  };
}
