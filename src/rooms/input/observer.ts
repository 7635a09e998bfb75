import type { BuiltEvent } from '../../protocol/events/build.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { RoomNid, StateKeyNid, TypeNid } from '../../store/nids.ts';

/** An event as it was committed. */
export interface CommittedEvent extends BuiltEvent {
  readonly row: EventRow;
  readonly rules: RoomVersionRules;
}

/** Events of any type, state events of any type, or events of these types. */
export type EventKinds = 'all' | 'state' | readonly TypeNid[];

/** What an observer is told of; nothing of what is left out. */
export interface Following {
  /** Events that come in at a room's end. */
  readonly live?: EventKinds;
  /** Events that get their place in a room's past. */
  readonly past?: EventKinds;
}

/**
 * Keeps something that follows from events, such as notification counts. Everything here is called inside the
 * transaction that it tells of: what an observer writes is committed or rolled back with that. What it keeps of an event
 * has to go, or to come back, when that is said.
 */
export interface EventObserver {
  /** Which events `onEvent` is called for. Read once. */
  readonly follows: Following;

  /** An accepted event has got its place in the room, and what it does to the current state is done. */
  onEvent(event: CommittedEvent): void;

  /**
   * An event that had its place in the room has none any more: it was not allowed after all. Called for events of any
   * kind. The row is what it was in the room; what it did to the current state is taken back later, see
   * `onCorrected`. What people and clients did by themselves meanwhile is not taken back.
   */
  onTakenOut?(event: CommittedEvent): void;

  /** An event is redacted from now on; its body is what is left of it. */
  onRedacted?(event: EventRow): void;

  /** An event that has its place says again what it said before it was redacted: the redaction was not allowed. */
  onUnredacted?(event: CommittedEvent): void;

  /** These entries of the current state have changed without an event that did it. */
  onCorrected?(room: RoomNid, keys: readonly StateKeyNid[]): void;
}
