import { canonicalJson } from '../../protocol/canonical-json.ts';
import type { BuiltEvent } from '../../protocol/events/build.ts';
import { type ReceivedEvent, readEvent } from '../../protocol/events/read.ts';
import { type EventLike, redact } from '../../protocol/events/redact.ts';
import { canonicalForm } from '../../protocol/events/texts.ts';
import { type NeededSignature, neededSignatures } from '../../protocol/events/verify.ts';
import { isEventId } from '../../protocol/ids/event-id.ts';
import type { EventId, KeyId, ServerName } from '../../protocol/ids/types.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { VerifyKey } from '../../protocol/signing/keys.ts';
import { type Millis, millis } from '../../util/brand.ts';
import { isJsonObject } from '../../util/json.ts';
import { SignatureBench } from './signature-bench.ts';

/** An event of another server whose format and signatures are right. */
export interface VerifiedEvent extends BuiltEvent {
  /** Its content hash did not fit: what is here is the redacted form. */
  readonly redacted: boolean;
}

/** Why something that was sent as an event is none; the event ID if it could be found out. */
export interface EventProblem {
  readonly eventId?: EventId;
  readonly reason: string;
}

export interface Verification {
  /** In the order in which they were given. */
  readonly events: VerifiedEvent[];
  readonly problems: EventProblem[];
}

/** Public keys of servers, ours included. */
export interface KeySource {
  ensure(
    wanted: Iterable<{ server: ServerName; keyIds: readonly KeyId[]; validAt: Millis }>,
    signal?: AbortSignal,
  ): Promise<void>;
  key(server: ServerName, keyId: KeyId, validAt: Millis, strict: boolean): VerifyKey | undefined;
}

interface Candidate {
  readonly event: VerifiedEvent;
  readonly signedText: string;
  readonly needed: readonly NeededSignature[];
  readonly validAt: Millis;
}

/**
 * Checks what other servers send as events: format, signatures, content hash. Nothing about permission.
 * @see https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu
 */
export class EventVerifier {
  readonly #keys: KeySource;
  readonly #bench = new SignatureBench();

  constructor(keys: KeySource) {
    this.#keys = keys;
  }

  /**
   * Events of one room version as `parseExactJson` read them. Keys that are not known are fetched in one batch. What is
   * wrong is left out and named; an event whose content hash does not fit comes redacted. Give it slices of a long
   * list: all of them are in memory at once.
   */
  async verify(values: readonly unknown[], rules: RoomVersionRules, signal?: AbortSignal): Promise<Verification> {
    const problems: EventProblem[] = [];
    const candidates: Candidate[] = [];
    for (const value of values) {
      const read = readEvent(value, rules);
      if (read.ok) candidates.push(candidate(value, read.event, rules));
      else problems.push({ ...idIn(value, rules), reason: `The event's ${read.problem.field} ${read.problem.reason}` });
    }
    const wanted = candidates.flatMap(({ needed, validAt }) =>
      needed.map(({ server, signatures }) => ({ server, keyIds: signatures.map(([keyId]) => keyId), validAt })),
    );
    await this.#keys.ensure(wanted, signal);
    const reasons = await Promise.all(candidates.map((each) => this.#problemOf(each, rules)));
    const events: VerifiedEvent[] = [];
    for (const [index, { event }] of candidates.entries()) {
      const reason = reasons[index];
      if (reason === undefined) events.push(event);
      else problems.push({ eventId: event.eventId, reason });
    }
    return { events, problems };
  }

  /** Each required server needs one valid signature by a known key, and none that is wrong. */
  async #problemOf({ signedText, needed, validAt }: Candidate, rules: RoomVersionRules): Promise<string | undefined> {
    const message = Buffer.from(signedText);
    for (const { server, signatures } of needed) {
      let known = 0;
      for (const [keyId, signature] of signatures) {
        const key = this.#keys.key(server, keyId, validAt, rules.enforceKeyValidity);
        if (key === undefined) continue;
        if (!(await this.#bench.verify(key, message, signature))) return `A signature of ${server} is wrong`;
        known++;
      }
      if (signatures.length === 0) return `It is not signed by ${server}`;
      if (known === 0) return `No key of ${server} is known that signed it`;
    }
    return undefined;
  }
}

function candidate(value: unknown, received: ReceivedEvent, rules: RoomVersionRules): Candidate {
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

/** Old room versions say the ID in the event; for the others it takes an event that can be hashed. */
function idIn(value: unknown, rules: RoomVersionRules): { eventId?: EventId } {
  const id = isJsonObject(value) && rules.eventIdFormat === 'v1' ? value['event_id'] : undefined;
  return typeof id === 'string' && isEventId(id) ? { eventId: id } : {};
}
