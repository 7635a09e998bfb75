import { forbidden, invalidParam } from '../../../protocol/errors.ts';
import { own, ownString } from '../../../protocol/event-auth/content.ts';
import { type EventSigner, signEvent } from '../../../protocol/events/build.ts';
import type { Pdu } from '../../../protocol/events/pdu.ts';
import type { ReceivedEvent } from '../../../protocol/events/read.ts';
import { vouchingServer } from '../../../protocol/events/verify.ts';
import type { ServerName } from '../../../protocol/ids/types.ts';
import type { Database } from '../../../store/db.ts';
import { pointBefore } from '../../../store/events/event-row.ts';
import type { EventStore } from '../../../store/events/event-store.ts';
import { eventFlags, isAccepted } from '../../../store/events/flags.ts';
import { memberships } from '../../../store/events/membership.ts';
import type { JsonObject } from '../../../util/json.ts';
import type { KnownRoom } from '../../known-rooms.ts';
import { authoriserOfRemoteJoin } from '../../membership/restricted-join.ts';
import type { Receiver } from '../../receive/receiver.ts';
import type { EventVerifier } from '../../receive/verify.ts';
import type { ServerAccess } from '../../server-access.ts';
import { currentState, type StateSources } from '../../state/current-state.ts';
import type { AnsweredJoin, StateAnswers } from '../state-answers.ts';
import type { AskedRooms } from './asked-rooms.ts';
import { doorState } from './door-state.ts';
import { readHandedIn } from './handed-in.ts';

export interface HandshakesUses extends StateSources {
  readonly db: Database;
  readonly events: EventStore;
  readonly asked: AskedRooms;
  readonly access: ServerAccess;
  readonly verifier: EventVerifier;
  readonly receiver: Receiver;
  readonly stateAnswers: StateAnswers;
  /** Read at each use: the key changes with a rotation. */
  readonly signer: EventSigner;
}

/** What another server hands in: the event as `parseExactJson` read it, and where the path says it belongs. */
export interface HandedIn {
  readonly origin: ServerName;
  readonly roomId: string;
  readonly eventId: string;
  readonly event: JsonObject;
  readonly signal?: AbortSignal;
}

/**
 * The second half of joining, leaving and knocking from elsewhere: the signed event is taken into the room, and passed
 * on by us to the others. The answer comes when it survives a power cut. All throw
 * 404 M_NOT_FOUND this server is not in the room · 403 M_FORBIDDEN kept out, or the room does not allow it · 400
 * M_INVALID_PARAM no such event, wrong signatures · 413 M_TOO_LARGE
 */
export class Handshakes {
  readonly #uses: HandshakesUses;

  constructor(uses: HandshakesUses) {
    this.#uses = uses;
  }

  /**
   * Takes a join in and answers the state before it, in pieces. A join that needs our word for it gets our signature,
   * if its conditions are still met. Besides 400 M_UNABLE_TO_AUTHORISE_JOIN, M_UNABLE_TO_GRANT_JOIN
   */
  async join(handed: HandedIn, options: { readonly omitMembers: boolean }): Promise<AsyncIterable<string>> {
    const { events, interning, stateAnswers, signer } = this.#uses;
    const room = this.#uses.asked.forHandshake(handed.origin, handed.roomId);
    const read = this.#read(handed, room, 'join');
    const event = this.#needsOurWord(read.pdu) ? this.#coSign(room, handed, read) : handed.event;
    const { nid, before } = await this.#take(handed, room, event);
    const row = events.row(nid);
    if (row === undefined) throw new Error(`the join ${nid} was accepted and is not there`);
    const join: AnsweredJoin = {
      room: room.nid,
      event: nid,
      user: row.sender,
      server: interning.userServer(row.sender),
      before,
    };
    const joined = { origin: signer.serverName, event: events.canonical(nid) };
    return stateAnswers.join(join, joined, options.omitMembers);
  }

  async leave(handed: HandedIn): Promise<void> {
    const room = this.#uses.asked.forHandshake(handed.origin, handed.roomId);
    this.#read(handed, room, 'leave');
    await this.#take(handed, room, handed.event);
  }

  /** Answers what somebody at the door is shown: whole events as a JSON array. */
  async knock(handed: HandedIn): Promise<string> {
    const room = this.#uses.asked.forHandshake(handed.origin, handed.roomId);
    this.#read(handed, room, 'knock');
    await this.#take(handed, room, handed.event);
    return `[${doorState(this.#uses, room.nid).join(',')}]`;
  }

  #read({ origin, eventId, event }: HandedIn, room: KnownRoom, membership: 'join' | 'leave' | 'knock'): ReceivedEvent {
    return readHandedIn(event, room.rules, { membership, roomId: room.roomId, eventId, origin });
  }

  #needsOurWord(pdu: Pdu): boolean {
    return vouchingServer(pdu) === this.#uses.signer.serverName;
  }

  /** The event with our signature, which says that the user may come in by what `join_authorised_via_users_server` can do. */
  #coSign(room: KnownRoom, { event }: HandedIn, { pdu }: ReceivedEvent): JsonObject {
    if (!room.rules.restricted) return event;
    const { signer, asked, interning, roomState } = this.#uses;
    const isOurs = (other: KnownRoom['nid']) => asked.knowsMembers(other);
    const needed = authoriserOfRemoteJoin(this.#uses, room, pdu.sender, { serverName: signer.serverName, isOurs });
    if (needed === undefined) {
      // Our word is not needed now. It is not given either where the rules were other ones: that would let somebody in
      // by an event that is put before the change.
      const user = interning.findUser(pdu.sender);
      const membership = user && roomState.member(room.nid, user)?.membership;
      const rule = currentState(this.#uses, room.nid)('m.room.join_rules', '');
      const isPublic = rule !== undefined && own(rule.content, 'join_rule') === 'public';
      if (!isPublic && membership !== memberships.invite && membership !== memberships.join) {
        throw forbidden('The room does not let you in');
      }
    }
    const claimed = ownString(pdu.content, 'join_authorised_via_users_server');
    const authoriser = claimed === undefined ? undefined : interning.findUser(claimed);
    if (authoriser === undefined || roomState.member(room.nid, authoriser)?.membership !== memberships.join) {
      throw invalidParam('join_authorised_via_users_server is nobody in this room');
    }
    return signEvent(event as unknown as Pdu, room.rules, signer) as unknown as JsonObject;
  }

  async #take({ origin, signal }: HandedIn, room: KnownRoom, value: JsonObject) {
    const { verifier, receiver } = this.#uses;
    const { events, problems } = await verifier.verify([value], room.rules, signal);
    const [event] = events;
    if (event === undefined) throw invalidParam(problems[0]?.reason ?? 'The event is not signed as it should be');
    const fate = await receiver.accept(origin, room, event, eventFlags.PASSED_ON);
    if (fate.outcome === 'dropped' || fate.outcome === 'deferred') throw invalidParam(fate.reason);
    const row = this.#uses.events.row(fate.nid);
    // The same may have been handed in before: then the answer was lost, and is given again.
    const before = row && pointBefore(row);
    if (before === undefined || !isAccepted(row?.flags ?? eventFlags.REJECTED)) {
      throw forbidden('The room does not allow this', { cause: fate.reason });
    }
    await this.#uses.db.synced();
    return { nid: fate.nid, before };
  }
}
