import { invalidParam } from '../../protocol/errors.ts';
import { authTypesFor } from '../../protocol/event-auth/selection.ts';
import type { AuthEvent, StateLookup } from '../../protocol/event-auth/types.ts';
import {
  type BuiltEvent,
  buildEvent,
  type EventSigner,
  type EventDraft as PlacedDraft,
  unsealedEvent,
} from '../../protocol/events/build.ts';
import { referenceHash } from '../../protocol/events/hashes.ts';
import type { EventRef } from '../../protocol/events/pdu.ts';
import { asEventId } from '../../protocol/ids/event-id.ts';
import type { RoomId, UserId } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid } from '../../store/nids.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';
import { type Random, randomLetters } from '../../util/random.ts';
import { checkDraft } from './content-checks.ts';
import type { EventDraft } from './draft.ts';

/** Where a local event goes: after which events, in which state. */
export interface Place {
  readonly rules: RoomVersionRules;
  /** Absent only for the create event of room version 12. */
  readonly roomId?: RoomId;
  readonly prevEvents: readonly EventNid[];
  /** The state before the event. */
  readonly state: StateLookup<EventNid>;
  /** How much later than now the event claims to be. */
  readonly delay?: number;
}

/** A signed event with the database numbers of what it cites. */
export interface LocalEvent extends BuiltEvent {
  readonly prevEvents: readonly EventNid[];
  readonly authEvents: readonly EventNid[];
}

/** Makes the events of this server's users. Inside a write, as it reads what it cites. */
export class LocalEvents {
  readonly #events: EventStore;
  readonly #interning: Interning;
  readonly #signer: EventSigner;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(uses: {
    readonly events: EventStore;
    readonly interning: Interning;
    readonly signer: EventSigner;
    readonly clock: Clock;
    readonly random: Random;
  }) {
    this.#events = uses.events;
    this.#interning = uses.interning;
    this.#signer = uses.signer;
    this.#clock = uses.clock;
    this.#random = uses.random;
  }

  /** Throws 400 M_BAD_JSON, M_INVALID_PARAM for what cannot be an event, 413 M_TOO_LARGE beyond a size limit. */
  build(sender: UserId, draft: EventDraft, place: Place): LocalEvent {
    checkDraft(draft, this.#signer.serverName);
    const { placed, authEvents } = this.#place(sender, draft, place);
    const eventId = place.rules.eventIdFormat === 'v1' ? { eventId: this.#newEventId() } : {};
    const built = buildEvent({ ...placed, ...eventId }, place.rules, this.#signer);
    return { ...built, prevEvents: place.prevEvents, authEvents };
  }

  /**
   * An event of a user of another server, for that server to complete: without hashes and signatures, and in room
   * versions 1 and 2 without an ID. Also what the auth rules want to know of it.
   */
  template(sender: UserId, draft: EventDraft, place: Place): { pdu: JsonObject; authEvents: readonly EventNid[] } {
    const { placed, authEvents } = this.#place(sender, draft, place);
    return { pdu: unsealedEvent(placed, place.rules), authEvents };
  }

  #place(sender: UserId, draft: EventDraft, place: Place): { placed: PlacedDraft; authEvents: readonly EventNid[] } {
    const { rules, roomId, prevEvents, state } = place;
    const { type, content, stateKey, redacts } = withRedacts(draft);
    const selectable = { type, sender, content, ...(stateKey === undefined ? {} : { stateKey }) };
    const authEvents = authTypesFor(selectable, rules)
      .map((pair) => state(...pair))
      .filter((event) => event !== undefined);
    const placed = {
      ...selectable,
      ...(roomId === undefined ? {} : { roomId }),
      ...(redacts === undefined ? {} : { redacts }),
      prevEvents: prevEvents.map((nid) => this.#ref(nid, rules)),
      authEvents: authEvents.map((event) => this.#authRef(event, rules)),
      depth: this.#depthAfter(prevEvents),
      originServerTs: this.#clock.now() + (place.delay ?? 0),
    };
    return { placed, authEvents: authEvents.map(({ id }) => id) };
  }

  #newEventId() {
    return asEventId(`$${randomLetters(this.#random, 18)}:${this.#signer.serverName}`);
  }

  #authRef({ id, eventId }: AuthEvent<EventNid>, rules: RoomVersionRules): EventRef {
    return rules.refsAsPairs ? this.#ref(id, rules) : eventId;
  }

  #ref(nid: EventNid, rules: RoomVersionRules): EventRef {
    const eventId = this.#interning.eventId(nid);
    return rules.refsAsPairs ? [eventId, { sha256: referenceHash(this.#events.exact(nid), rules) }] : eventId;
  }

  #depthAfter(prevEvents: readonly EventNid[]): number {
    let depth = 0;
    for (const nid of prevEvents) depth = Math.max(depth, this.#events.row(nid)?.depth ?? 0);
    return depth + 1;
  }
}

/**
 * A redaction names its target once: `redacts` of the draft, or what the client put into the content. Where it goes
 * depends on the room version.
 */
function withRedacts(draft: EventDraft): EventDraft {
  if (draft.type !== 'm.room.redaction' || draft.stateKey !== undefined) return draft;
  const { redacts: inContent, ...content } = draft.content;
  const redacts = draft.redacts ?? inContent;
  if (redacts === undefined) return draft;
  if (typeof redacts !== 'string' || !redacts.startsWith('$')) throw invalidParam('redacts must be an event ID');
  return { type: draft.type, content, redacts: asEventId(redacts) };
}
