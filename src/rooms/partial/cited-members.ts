import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid } from '../../store/nids.ts';
import type { AuthEvents } from '../input/auth-events.ts';

export interface CitedMembersUses {
  readonly events: EventStore;
  readonly interning: Interning;
  readonly authEvents: AuthEvents;
}

/** Member events as other events cite them: all that is known of a speaker where the state has no member event. */
export class CitedMembers {
  readonly #uses: CitedMembersUses;

  constructor(uses: CitedMembersUses) {
    this.#uses = uses;
  }

  /** The member event of its sender that an event cites as authorising it; `undefined` if it is not here. */
  ofSender({ nid, sender }: Pick<EventRow, 'nid' | 'sender'>): EventNid | undefined {
    const { events, interning, authEvents } = this.#uses;
    const key = interning.findStateKey('m.room.member', interning.userId(sender));
    if (key === undefined) return undefined;
    const cited = events.rows(authEvents.get(nid).authEvents);
    return cited.find(({ stateKey, flags }) => stateKey === key && (flags & eventFlags.REJECTED) === 0)?.nid;
  }
}
