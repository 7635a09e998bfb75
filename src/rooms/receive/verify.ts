import { type Candidate, candidateOf, type VerifiedEvent } from '../../protocol/events/candidate.ts';
import { readEvent } from '../../protocol/events/read.ts';
import { isEventId } from '../../protocol/ids/event-id.ts';
import type { EventId, KeyId, ServerName } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { VerifyKey } from '../../protocol/signing/keys.ts';
import type { Millis } from '../../util/brand.ts';
import { isJsonObject } from '../../util/json.ts';
import { SignatureBench } from './signature-bench.ts';

export type { VerifiedEvent } from '../../protocol/events/candidate.ts';

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

/** The same, for whoever checks signatures elsewhere. */
export interface KeyList extends KeySource {
  /** The key, if it is known, and the end of the time in which it is good. */
  keyWithEnd(server: ServerName, keyId: KeyId): { readonly key: VerifyKey; readonly validUntil: Millis } | undefined;
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
      if (read.ok) candidates.push(candidateOf(value, read.event, rules));
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

/** Old room versions say the ID in the event; for the others it takes an event that can be hashed. */
function idIn(value: unknown, rules: RoomVersionRules): { eventId?: EventId } {
  const id = isJsonObject(value) && rules.eventIdFormat === 'v1' ? value['event_id'] : undefined;
  return typeof id === 'string' && isEventId(id) ? { eventId: id } : {};
}
