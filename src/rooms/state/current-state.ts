import type { AuthEvent, StateLookup } from '../../protocol/event-auth/types.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, RoomNid, StateKeyNid, StatePoint } from '../../store/nids.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import type { AuthEvents } from '../input/auth-events.ts';

export interface StateSources {
  readonly interning: Interning;
  readonly roomState: RoomStateStore;
  readonly stateLog: StateLog;
  readonly authEvents: AuthEvents;
}

/** The current state of a room, read entry by entry. */
export function currentState({ interning, roomState, authEvents }: StateSources, room: RoomNid): StateLookup<EventNid> {
  return lookup(interning, authEvents, (key) => roomState.current(room, key));
}

/** The state at a point, read entry by entry. */
export function stateAt({ interning, stateLog, authEvents }: StateSources, point: StatePoint): StateLookup<EventNid> {
  return lookup(interning, authEvents, (key) => stateLog.at(point, key));
}

function lookup(
  interning: Interning,
  authEvents: AuthEvents,
  find: (key: StateKeyNid) => EventNid | undefined,
): StateLookup<EventNid> {
  return (type, stateKey): AuthEvent<EventNid> | undefined => {
    const key = interning.findStateKey(type, stateKey);
    const nid = key === undefined ? undefined : find(key);
    return nid === undefined ? undefined : authEvents.get(nid);
  };
}
