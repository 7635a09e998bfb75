import type { BuiltEvent } from '../protocol/events/build.ts';
import type { RoomVersionRules } from '../protocol/room-versions.ts';
import type { EventRow } from '../store/events/event-row.ts';

/** An event as it was committed. */
export interface CommittedEvent extends BuiltEvent {
  readonly row: EventRow;
  readonly rules: RoomVersionRules;
}

/**
 * Keeps something that follows from events, such as notification counts. Called for each accepted live event – or, where
 * that is said, for each that gets its place in the past –, inside its transaction and after its effect on the current state: what it writes is committed or rolled back with the event.
 */
export interface EventObserver {
  onEvent(event: CommittedEvent): void;
}
