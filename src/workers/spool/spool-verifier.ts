import { candidateOf } from '../../protocol/events/candidate.ts';
import { readEvent } from '../../protocol/events/read.ts';
import type { NeededSignature } from '../../protocol/events/verify.ts';
import type { EventId, KeyId, ServerName } from '../../protocol/ids/types.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { VerifyKey } from '../../protocol/signing/keys.ts';
import type { Spool, WaitingEvent } from '../../store/spool/spool.ts';
import { Lru } from '../../util/lru.ts';

/** An event whose signatures are right. */
export interface HandedEvent {
  /** Its number in the spool. */
  readonly nid: number;
  readonly eventId: EventId;
  readonly canonical: string;
  readonly redacted: boolean;
}

/** Prepared keys, about 1 KiB each: members of one server mostly stand far apart. */
const prepared = 2048;

interface Prepared {
  readonly key: VerifyKey;
  readonly validUntil: number;
}

/** Checks the signatures of spooled events with the keys that the spool was given. */
export class SpoolVerifier {
  readonly #spool: Spool;
  readonly #rules: RoomVersionRules;
  readonly #keys = new Lru<string, Prepared>(prepared);

  constructor(spool: Spool, rules: RoomVersionRules) {
    this.#spool = spool;
    this.#rules = rules;
  }

  /** What is right of some events; the others are dropped. */
  verify(waiting: readonly WaitingEvent[]): HandedEvent[] {
    const good: HandedEvent[] = [];
    for (const { nid, body } of waiting) {
      const value = parseExactJson(body);
      const read = readEvent(value, this.#rules);
      if (!read.ok) throw new Error('what is in the spool was an event before');
      const { event, signedText, needed, validAt } = candidateOf(value, read.event, this.#rules);
      const message = Buffer.from(signedText);
      if (needed.every((each) => this.#isSigned(message, each, validAt))) {
        good.push({ nid, eventId: event.eventId, canonical: event.canonical, redacted: event.redacted });
      } else {
        this.#spool.settle([{ nid, outcome: 'dropped' }]);
      }
    }
    return good;
  }

  /** One valid signature by a known key, and none that is wrong. */
  #isSigned(message: Uint8Array, { server, signatures }: NeededSignature, validAt: number): boolean {
    let known = 0;
    for (const [keyId, signature] of signatures) {
      const found = this.#key(server, keyId);
      if (found === undefined || (this.#rules.enforceKeyValidity && found.validUntil < validAt)) continue;
      if (!found.key.verifyBase64(message, signature)) return false;
      known++;
    }
    return known > 0;
  }

  #key(server: ServerName, keyId: KeyId): Prepared | undefined {
    const name = `${server} ${keyId}`;
    const found = this.#keys.get(name);
    if (found !== undefined) return found;
    const row = this.#spool.signers.key(server, keyId);
    const key = row && VerifyKey.from(row.key);
    if (row === undefined || key === undefined) return undefined;
    const ready = { key, validUntil: row.validUntil };
    this.#keys.set(name, ready);
    return ready;
  }
}
