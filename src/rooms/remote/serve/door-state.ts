import type { EventStore } from '../../../store/events/event-store.ts';
import type { RoomNid } from '../../../store/nids.ts';
import type { RoomStateStore } from '../../../store/state/room-state-store.ts';
import { shownAtTheDoor } from '../../membership/shown-at-the-door.ts';

/** What another server's user is shown at the door: whole events, which it can verify, as canonical JSON texts. */
export function doorState(
  { roomState, events }: { readonly roomState: RoomStateStore; readonly events: EventStore },
  room: RoomNid,
): string[] {
  const nids = shownAtTheDoor.map((key) => roomState.current(room, key)).filter((nid) => nid !== undefined);
  return [...events.canonicals(nids).values()];
}
