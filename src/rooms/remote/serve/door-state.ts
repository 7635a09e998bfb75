import type { EventStore } from '../../../store/events/event-store.ts';
import { wellKnown } from '../../../store/interning/well-known.ts';
import type { RoomNid } from '../../../store/nids.ts';
import type { RoomStateStore } from '../../../store/state/room-state-store.ts';

/**
 * What somebody at the door is shown of a room.
 * @see https://spec.matrix.org/v1.19/client-server-api/#stripped-state
 */
const shownKeys = [
  wellKnown.stateKeys.create,
  wellKnown.stateKeys.joinRules,
  wellKnown.stateKeys.name,
  wellKnown.stateKeys.avatar,
  wellKnown.stateKeys.topic,
  wellKnown.stateKeys.canonicalAlias,
  wellKnown.stateKeys.encryption,
];

/** The same for another server: whole events, which it can verify, as canonical JSON texts. */
export function doorState(
  { roomState, events }: { readonly roomState: RoomStateStore; readonly events: EventStore },
  room: RoomNid,
): string[] {
  const nids = shownKeys.map((key) => roomState.current(room, key)).filter((nid) => nid !== undefined);
  return [...events.canonicals(nids).values()];
}
