import { forbidden } from '../../protocol/errors.ts';
import { checkAuth } from '../../protocol/event-auth/check.ts';
import type { SignatureChecks, StateLookup } from '../../protocol/event-auth/types.ts';
import type { UserId } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import { authEventOf } from '../../store/auth/auth-event.ts';
import type { EventNid, StatePoint, StreamPos } from '../../store/nids.ts';
import type { CurrentChange } from '../../store/state/room-state-store.ts';
import type { RoomInput } from '../input/input.ts';
import type { CommittedEvent } from '../input/observer.ts';
import type { KnownRoom } from '../known-rooms.ts';
import { currentState, type StateSources, stateAt } from '../state/current-state.ts';
import type { PlaceAtEnd, RoomEnds } from '../state/room-ends.ts';
import type { StateEngine } from '../state/state-engine.ts';
import type { EventDraft } from './draft.ts';
import type { LocalEvent, LocalEvents } from './local-events.ts';

export interface LocalInputUses extends StateSources {
  readonly input: RoomInput;
  readonly localEvents: LocalEvents;
  readonly signatures: SignatureChecks<EventNid>;
  readonly stateEngine: StateEngine;
  readonly ends: RoomEnds;
}

/** Puts what our own users say at the end of a room. Inside a write, all of it. */
export class LocalInput {
  readonly #uses: LocalInputUses;

  constructor(uses: LocalInputUses) {
    this.#uses = uses;
  }

  /**
   * Builds, authorises and commits one event. Throws 403 M_FORBIDDEN where the auth rules refuse it, and what building
   * throws.
   */
  append(room: KnownRoom, sender: UserId, draft: EventDraft): CommittedEvent {
    const { ends, localEvents } = this.#uses;
    if (draft.type === 'm.room.create') throw forbidden('A room has one create event');
    const { prevEvents, before } = ends.place(room, sender);
    if (before !== undefined) return this.#appendToSome(room, sender, draft, { prevEvents, before });
    const state = currentState(this.#uses, room.nid);
    const event = localEvents.build(sender, draft, { ...room, prevEvents, state });
    return this.#commitAtTip(room, event, state);
  }

  /** Behind some of the room's ends. */
  #appendToSome(
    room: KnownRoom,
    sender: UserId,
    draft: EventDraft,
    { prevEvents, before }: PlaceAtEnd & { readonly before: StatePoint },
  ): CommittedEvent {
    const { interning, input, localEvents } = this.#uses;
    const state = stateAt(this.#uses, before);
    const event = localEvents.build(sender, draft, { ...room, prevEvents, state });
    const nid = interning.event(event.eventId);
    this.#authorise(room.rules, event, nid, state);
    this.#authorise(room.rules, event, nid, currentState(this.#uses, room.nid));
    return input.commit({ ...room, room: room.nid, nid, event, outcome: 'accepted', before, ...cited(event) });
  }

  /**
   * Builds and authorises an event that somebody else has to see before it is committed. Throws like `append`, and
   * leaves nothing behind.
   */
  prepare(room: KnownRoom, sender: UserId, draft: EventDraft): LocalEvent {
    const { ends, localEvents, interning } = this.#uses;
    const { prevEvents, before } = ends.place(room, sender);
    const state = before === undefined ? currentState(this.#uses, room.nid) : stateAt(this.#uses, before);
    const event = localEvents.build(sender, draft, { ...room, prevEvents, state });
    this.#authorise(room.rules, event, interning.event(event.eventId), state);
    return event;
  }

  /**
   * Commits a prepared event. The room may have gone on meanwhile: throws 403 M_FORBIDDEN where it is refused now.
   * `flags`: more bits of `eventFlags`.
   */
  commitPrepared(room: KnownRoom, event: LocalEvent, flags = 0): CommittedEvent {
    const { interning, input, stateEngine } = this.#uses;
    const before = stateEngine.stateBefore(room, event.prevEvents);
    if (before === undefined) throw new Error(`room ${room.nid} ends in an event without state`);
    const nid = interning.event(event.eventId);
    this.#authorise(room.rules, event, nid, stateAt(this.#uses, before));
    this.#authorise(room.rules, event, nid, currentState(this.#uses, room.nid));
    return input.commit({ ...room, room: room.nid, nid, event, outcome: 'accepted', before, flags, ...cited(event) });
  }

  /** Authorises and commits the first event of a room that was just opened at `pos`. */
  begin(room: KnownRoom, event: LocalEvent, pos: StreamPos): CommittedEvent {
    return this.#commitAtTip(room, event, () => undefined, pos);
  }

  /** Authorises an event against `state`, which is the room's current one, and commits it. `pos`: drawn for it already. */
  #commitAtTip(room: KnownRoom, event: LocalEvent, state: StateLookup<EventNid>, pos?: StreamPos): CommittedEvent {
    const { interning, input, roomState } = this.#uses;
    const { nid, isNew } = interning.newEvent(event.eventId);
    this.#authorise(room.rules, event, nid, state);
    return input.commit({
      room: room.nid,
      rules: room.rules,
      event,
      nid,
      isNew,
      outcome: 'accepted',
      before: roomState.tip(room.nid),
      ...cited(event),
      changes: this.#ownChange(event, nid),
      ...(pos === undefined ? {} : { pos }),
    });
  }

  #authorise(rules: RoomVersionRules, event: LocalEvent, nid: EventNid, state: StateLookup<EventNid>): void {
    const verdict = checkAuth(
      rules,
      authEventOf(event.pdu, { ...event, nid, rejected: false }),
      state,
      this.#uses.signatures,
    );
    if (!verdict.allowed) throw forbidden(`Not allowed: ${verdict.reason}`, { cause: `rule ${verdict.rule}` });
  }

  #ownChange({ pdu }: LocalEvent, nid: EventNid): CurrentChange[] {
    if (pdu.state_key === undefined) return [];
    return [{ key: this.#uses.interning.stateKey(pdu.type, pdu.state_key), event: nid }];
  }
}

const cited = ({ prevEvents, authEvents }: LocalEvent) => ({ prevEvents, authEvents });
