import { type FederationClient, type RemoteFailure, remoteError } from '../../federation/client.ts';
import { MatrixError } from '../../protocol/errors.ts';
import type { BuiltEvent } from '../../protocol/events/build.ts';
import type { Pdu } from '../../protocol/events/pdu.ts';
import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import {
  isExemptFromPolicy,
  isRecommended,
  type PolicyServer,
  policyServerIn,
  withRecommendation,
} from '../../protocol/policy-server.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { millis } from '../../util/brand.ts';
import { Lru } from '../../util/lru.ts';
import type { AuthEvents } from '../input/auth-events.ts';
import type { KnownRoom } from '../known-rooms.ts';

export interface PolicyCheckUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly authEvents: AuthEvents;
  readonly client: Pick<FederationClient, 'call'>;
}

/** What is asked about: of an event of another server, or of one of ours before it is sent. */
export type Asked = Pick<BuiltEvent, 'pdu' | 'eventId' | 'canonical'>;

const timeout = millis(10_000);
/** One signature. */
const maxAnswerBytes = 64 * 1024;
/** Questions to a policy server at the same time. */
const atOnce = 5;
/** Answers remembered, so that an event that waits for others is asked about once; some 150 bytes each. */
const remembered = 1000;

/**
 * Policy servers: a room may name a server that is asked about every event before it is sent, and whose signature
 * tells other servers that it was.
 * @see https://spec.matrix.org/v1.19/server-server-api/#policy-servers
 */
export class PolicyCheck {
  readonly #uses: PolicyCheckUses;
  /** By policy server and event: whether it signs it. */
  readonly #answers = new Lru<string, boolean>(remembered);

  constructor(uses: PolicyCheckUses) {
    this.#uses = uses;
  }

  /** The room's policy server, if it has one and that is in the room. */
  serverOf(room: RoomNid): PolicyServer | undefined {
    const { interning, roomState, authEvents } = this.#uses;
    const nid = roomState.current(room, wellKnown.stateKeys.policyServer);
    const policy = nid === undefined ? undefined : policyServerIn(authEvents.get(nid).content);
    const server = policy && interning.findServer(policy.server);
    if (server === undefined) return undefined;
    // While members are missing, it is in the room by the word of others.
    const isIn = roomState.servers.joined(room, server) > 0 || roomState.servers.isTold(room, server);
    return isIn ? policy : undefined;
  }

  /** Whether an event of ours has to be signed by a policy server before it is sent. */
  isNeeded(room: RoomNid, { type, stateKey }: { readonly type: string; readonly stateKey?: string }): boolean {
    return !isExemptFromPolicy(type, stateKey) && this.serverOf(room) !== undefined;
  }

  /**
   * The event of ours with the signature of the room's policy server, if it has one. What that server says against it is
   * passed on: mostly 400 M_FORBIDDEN. 502, 504 M_UNKNOWN no answer of it
   */
  async signed<T extends BuiltEvent>(room: KnownRoom, event: T): Promise<T> {
    const policy = this.serverOf(room.nid);
    const { pdu } = event;
    if (policy === undefined || isExemptFromPolicy(pdu.type, pdu.state_key)) return event;
    const answer = await this.#ask(policy.server, event, true);
    if (!answer.ok) throw refusal(answer);
    const signed = withRecommendation(pdu, room.rules, policy, answer.value);
    if (signed === undefined) {
      throw new MatrixError(502, 'M_UNKNOWN', `${policy.server}, the room's policy server, has not signed the event`);
    }
    return { ...event, ...signed };
  }

  /**
   * Those of the events of other servers that the room's policy server has not signed and, being asked, does not sign.
   * They are to be soft-failed. Never rejects.
   */
  async notRecommended(room: KnownRoom, events: readonly Asked[]): Promise<ReadonlySet<EventId>> {
    const policy = this.serverOf(room.nid);
    const bad = new Set<EventId>();
    if (policy === undefined) return bad;
    const doubtful = events.filter(
      (event) =>
        !isExemptFromPolicy(event.pdu.type, event.pdu.state_key) &&
        !isRecommended(exact(event), room.rules, policy) &&
        !this.#isDecided(event.eventId),
    );
    for (let at = 0; at < doubtful.length; at += atOnce) {
      const asked = doubtful.slice(at, at + atOnce).map(async (event) => {
        if (!(await this.#signs(room, policy, event))) bad.add(event.eventId);
      });
      await Promise.all(asked);
    }
    return bad;
  }

  /** An event that has its place already: it is only handed in again. */
  #isDecided(eventId: EventId): boolean {
    const { interning, events } = this.#uses;
    const nid = interning.findEvent(eventId);
    const row = nid === undefined ? undefined : events.row(nid);
    return row !== undefined && (row.flags & (eventFlags.OUTLIER | eventFlags.REJECTED)) === 0;
  }

  async #signs(room: KnownRoom, policy: PolicyServer, event: Asked): Promise<boolean> {
    const key = `${policy.server} ${event.eventId}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = await this.#ask(policy.server, event, false);
    const signs = answer.ok && withRecommendation(exact(event), room.rules, policy, answer.value) !== undefined;
    // A server that is out of reach may sign it later.
    if (answer.ok || answer.kind === 'refused') this.#answers.set(key, signs);
    return signs;
  }

  #ask(server: ServerName, { canonical }: Asked, evenIfDown: boolean) {
    const { client } = this.#uses;
    return client.call({
      server,
      method: 'POST',
      path: '/_matrix/policy/v1/sign',
      text: canonical,
      timeout,
      maxBytes: maxAnswerBytes,
      evenIfDown,
    });
  }
}

/** With numbers as they were signed: those of old room versions are no doubles. */
function exact({ canonical }: Asked): Pdu {
  return parseExactJson(canonical) as Pdu;
}

/** A policy server's no is the client's answer, word by word. */
function refusal(failure: RemoteFailure): MatrixError {
  const { kind, status = 400, errcode, error } = failure;
  if (kind !== 'refused' || errcode !== 'M_FORBIDDEN' || status >= 500) return remoteError(failure);
  return new MatrixError(status, 'M_FORBIDDEN', error ?? "The room's policy server does not allow this");
}
