import { checkAuth } from '../../protocol/event-auth/check.ts';
import { checkAuthEventsSelection } from '../../protocol/event-auth/selection.ts';
import {
  ALLOWED,
  type AuthEvent,
  type SignatureChecks,
  type StateLookup,
  type Verdict,
} from '../../protocol/event-auth/types.ts';
import type { BuiltEvent } from '../../protocol/events/build.ts';
import { roomIdOf } from '../../protocol/events/client-event.ts';
import { referenceHash } from '../../protocol/events/hashes.ts';
import { neededAuthEvents } from '../../protocol/events/needed-auth.ts';
import { refIds } from '../../protocol/events/pdu.ts';
import type { EventLike } from '../../protocol/events/redact.ts';
import { createOfRoomId } from '../../protocol/ids/room-id.ts';
import type { EventId, RoomId } from '../../protocol/ids/types.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { authEventOf } from '../../store/auth/auth-event.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, RoomNid } from '../../store/nids.ts';
import type { AuthEvents } from '../input/auth-events.ts';
import { verifiedSignatures } from '../input/signatures.ts';

export interface AuthJudgeUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly authEvents: AuthEvents;
}

/** A room whose version is known; it need not have a state here. */
export interface VersionedRoom {
  readonly nid: RoomNid;
  readonly roomId: RoomId;
  readonly rules: RoomVersionRules;
}

const out = eventFlags.REJECTED | eventFlags.SOFT_FAILED;

/** Whether the auth rules allow events of others, in the states that the specification names. */
export class AuthJudge {
  readonly #uses: AuthJudgeUses;
  readonly #signatures: SignatureChecks<EventNid>;

  constructor(uses: AuthJudgeUses, signatures: SignatureChecks<EventNid> = verifiedSignatures) {
    this.#uses = uses;
    this.#signatures = signatures;
  }

  /** The auth events of an event that are not stored here; in room version 12 the create event counts as one. */
  missing(room: VersionedRoom, event: BuiltEvent): EventId[] {
    return neededAuthEvents(room.rules, room.roomId, event).filter((id) => this.#stored(id) === undefined);
  }

  /** The numbers of an event's auth events, all of which are stored; the create event among them in any room version. */
  cited(room: VersionedRoom, event: BuiltEvent): EventNid[] {
    return neededAuthEvents(room.rules, room.roomId, event)
      .map((id) => this.#stored(id))
      .filter((nid) => nid !== undefined);
  }

  /**
   * Whether a stored event is this one. An ID says so where it is a hash; in room versions 1 and 2 its sender chooses it,
   * and might choose it twice.
   */
  isSame({ nid: room, rules }: VersionedRoom, stored: EventRow, event: BuiltEvent): boolean {
    if (stored.room !== room) return false;
    if (rules.eventIdFormat !== 'v1') return true;
    const received = parseExactJson(event.canonical) as EventLike;
    return referenceHash(this.#uses.events.exact(stored.nid), rules) === referenceHash(received, rules);
  }

  /** The event as the auth rules read it. Inside a write, as it may cite what was never heard of. */
  asAuthEvent({ pdu, eventId }: BuiltEvent, nid: EventNid): AuthEvent<EventNid> {
    const { interning } = this.#uses;
    return authEventOf(pdu, {
      nid,
      eventId,
      authEvents: refIds(pdu.auth_events).map((id) => interning.event(id)),
      prevEvents: refIds(pdu.prev_events).map((id) => interning.event(id)),
      rejected: false,
    });
  }

  /** By the event's own auth events, all of which are stored: their choice, and what they allow together. */
  byAuthEvents(room: VersionedRoom, event: AuthEvent<EventNid>): Verdict {
    const { authEvents, interning } = this.#uses;
    const cited = event.authEvents.map((nid) => authEvents.get(nid));
    const selection = checkAuthEventsSelection(room.rules, event, cited);
    if (!selection.allowed) return selection;
    const createId = room.rules.createInAuthEvents ? undefined : createOfRoomId(room.roomId);
    const create = createId === undefined ? undefined : interning.findEvent(createId);
    return this.inState(room.rules, event, (type, stateKey) => {
      if (create !== undefined && type === 'm.room.create') return authEvents.get(create);
      return cited.find((other) => other.type === type && other.stateKey === stateKey);
    });
  }

  inState(rules: RoomVersionRules, event: AuthEvent<EventNid>, state: StateLookup<EventNid>): Verdict {
    return checkAuth(rules, event, state, this.#signatures);
  }

  /**
   * In a state that is about to be corrected: where it rests on what was not allowed after all, the event is given the
   * benefit of the doubt.
   */
  inDoubtfulState(rules: RoomVersionRules, event: AuthEvent<EventNid>, state: StateLookup<EventNid>): Verdict {
    const { events } = this.#uses;
    let isInDoubt = false;
    const verdict = this.inState(rules, event, (type, stateKey) => {
      const found = state(type, stateKey);
      isInDoubt ||= found !== undefined && ((events.row(found.id)?.flags ?? 0) & out) !== 0;
      return found;
    });
    return isInDoubt ? ALLOWED : verdict;
  }

  #stored(id: EventId): EventNid | undefined {
    const { interning, authEvents, events } = this.#uses;
    const nid = interning.findEvent(id);
    // Three of the same few events are asked for with each message.
    return nid !== undefined && (authEvents.holds(nid) || events.row(nid) !== undefined) ? nid : undefined;
  }
}

/** Whether an event says that it belongs to the room. */
export function isOfRoom({ pdu, eventId }: BuiltEvent, room: VersionedRoom): boolean {
  return roomIdOf(pdu, eventId) === room.roomId;
}
