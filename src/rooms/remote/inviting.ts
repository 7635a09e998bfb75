import { type FederationClient, type RemoteFailure, remoteError, remotePath } from '../../federation/client.ts';
import type { BuiltEvent } from '../../protocol/events/build.ts';
import { isSignedBy } from '../../protocol/events/verify.ts';
import { withoutSignatures } from '../../protocol/events/without-signatures.ts';
import type { EventId, ServerName, UserId } from '../../protocol/ids/types.ts';
import { asUserId, parseUserId, serverOf } from '../../protocol/ids/user-id.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import { signaturesOf } from '../../protocol/signing/json.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import { millis } from '../../util/brand.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { EventVerifier, KeySource, VerifiedEvent } from '../receive/verify.ts';
import type { StateDraft } from '../send/draft.ts';
import type { LocalEvent } from '../send/local-events.ts';
import type { LocalInput } from '../send/local-input.ts';
import type { PolicyCheck } from '../send/policy-check.ts';
import { badAnswer, isFailure } from './handshakes.ts';
import { doorState } from './serve/door-state.ts';

export interface InvitingUses {
  readonly db: Database;
  readonly events: EventStore;
  readonly roomState: RoomStateStore;
  readonly localInput: LocalInput;
  readonly client: FederationClient;
  readonly verifier: EventVerifier;
  readonly keys: KeySource;
  readonly policy: PolicyCheck;
}

/** A person waits. */
const timeout = millis(20_000);
const maxBytes = 256 * 1024;

/** Whether a state event invites a user of another server, who has to be told by that server. */
export function isInviteElsewhere(draft: StateDraft, ownServer: ServerName): boolean {
  if (draft.type !== 'm.room.member' || draft.content['membership'] !== 'invite') return false;
  const target = parseUserId(draft.stateKey);
  return target !== undefined && serverOf(target) !== ownServer;
}

/**
 * Invites users of other servers: their server is shown the event first, and signs it; only then does it come into the
 * room, and with it to all others.
 * @see https://spec.matrix.org/v1.19/server-server-api/#inviting-to-a-room
 */
export class Inviting {
  readonly #uses: InvitingUses;

  constructor(uses: InvitingUses) {
    this.#uses = uses;
  }

  /** `draft` as it will be sent. 403 M_FORBIDDEN by the room or the user's server · 502, 504 M_UNKNOWN no answer of it */
  async invite(room: KnownRoom, sender: UserId, draft: StateDraft): Promise<EventId> {
    const { db, localInput, policy } = this.#uses;
    const server = serverOf(asUserId(draft.stateKey));
    const event = db.write(() => localInput.prepare(room, sender, draft));
    const recommended = await policy.signed(room, event);
    const signed = await this.#signedBy(server, room, recommended);
    return db.durable<EventId>(() => localInput.commitPrepared(room, { ...event, ...signed }).eventId);
  }

  /** The event with the signature of the other server, and nothing else changed. */
  async #signedBy(server: ServerName, room: KnownRoom, event: LocalEvent): Promise<BuiltEvent> {
    const returned = await this.#send(server, room, event);
    if (isFailure(returned)) throw remoteError(returned);
    const { events } = await this.#uses.verifier.verify([returned], room.rules);
    const [signed] = events;
    const said = ({ pdu }: BuiltEvent) => withoutSignatures(pdu, room.rules);
    if (signed === undefined || signed.redacted || said(signed) !== said(event)) {
      throw remoteError(badAnswer(server, 'another event comes back than the invite'));
    }
    if (!(await this.#hasSigned(server, room, signed))) {
      throw remoteError(badAnswer(server, 'the invite comes back without a signature'));
    }
    return { pdu: signed.pdu, eventId: signed.eventId, canonical: signed.canonical };
  }

  async #send(server: ServerName, room: KnownRoom, event: LocalEvent): Promise<JsonObject | RemoteFailure> {
    const { client, roomState, events } = this.#uses;
    const { roomId, rules, nid } = room;
    const state = doorState({ roomState, events }, nid).map((text) => parseExactJson(text) as JsonObject);
    const answer = await client.call({
      server,
      method: 'PUT',
      path: remotePath`/_matrix/federation/v2/invite/${roomId}/${event.eventId}`,
      content: { room_version: rules.version, event: event.pdu as JsonObject, invite_room_state: state },
      timeout,
      maxBytes,
      evenIfDown: true,
    });
    if (!answer.ok) return isOldServer(answer, room) ? this.#sendOld(server, room, event, state) : answer;
    const returned = answer.value['event'];
    return isJsonObject(returned) ? returned : badAnswer(server, 'the invite does not come back');
  }

  /** Servers from before room version 3 know nothing else. */
  async #sendOld(
    server: ServerName,
    { roomId }: KnownRoom,
    event: LocalEvent,
    state: JsonObject[],
  ): Promise<JsonObject | RemoteFailure> {
    const answer = await this.#uses.client.stream({
      server,
      method: 'PUT',
      path: remotePath`/_matrix/federation/v1/invite/${roomId}/${event.eventId}`,
      content: { ...(event.pdu as JsonObject), unsigned: { invite_room_state: state } },
      timeout,
      within: millis(2 * timeout),
      maxBytes,
      evenIfDown: true,
    });
    if (!answer.ok) return answer;
    const pieces: Buffer[] = [];
    try {
      for await (const piece of answer.body) pieces.push(piece);
    } catch (error) {
      return badAnswer(server, error instanceof Error ? error.message : 'it broke off');
    }
    const value = parseExactJson(Buffer.concat(pieces));
    const body: unknown = Array.isArray(value) ? value[1] : undefined;
    const returned = isJsonObject(body) ? body['event'] : undefined;
    return isJsonObject(returned) ? returned : badAnswer(server, 'the invite does not come back');
  }

  async #hasSigned(server: ServerName, { rules }: KnownRoom, { pdu }: VerifiedEvent): Promise<boolean> {
    const { keys } = this.#uses;
    const validAt = millis(pdu.origin_server_ts);
    const keyIds = signaturesOf(pdu as JsonObject, server).map(([keyId]) => keyId);
    await keys.ensure([{ server, keyIds, validAt }]);
    return isSignedBy(pdu, rules, server, (name, keyId) => keys.key(name, keyId, validAt, rules.enforceKeyValidity));
  }
}

function isOldServer({ kind, status = 0, errcode }: RemoteFailure, { rules }: KnownRoom): boolean {
  if (rules.eventIdFormat !== 'v1' || kind !== 'refused') return false;
  return errcode === 'M_UNRECOGNIZED' || (errcode === undefined && (status === 404 || status === 405));
}
