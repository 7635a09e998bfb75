import type { ServerName } from '../../protocol/ids/types.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import { memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { RoomNid, StateKeyNid } from '../../store/nids.ts';

export interface StateBatchUses {
  readonly interning: Interning;
  readonly serverName: ServerName;
}

/** Types that decide about others' rights. */
const powerful: readonly number[] = [
  wellKnown.types.create,
  wellKnown.types.powerLevels,
  wellKnown.types.joinRules,
  wellKnown.types.thirdPartyInvite,
];

/**
 * Events of a room that are committed one after the other in one write. What forks make of the current state is left
 * to the last of them, or until one of them looks at what the others may have changed: a transaction's events on a fork
 * are resolved once. What decides about others' rights, or is about our own users, never waits.
 */
export class StateBatch {
  readonly #uses: StateBatchUses;
  readonly room: RoomNid;
  /** Keys that have new events which are not in the current state yet. */
  readonly waiting = new Set<StateKeyNid>();
  /** The last one resolves for all. */
  isLast = false;

  constructor(room: RoomNid, uses: StateBatchUses) {
    this.room = room;
    this.#uses = uses;
  }

  /** Whether what a state event does to the current state, or a message on a fork with it, may wait. */
  takes(event: EventRow): boolean {
    if (event.room !== this.room || this.isLast) return false;
    if (event.stateKey === null) return this.waiting.size > 0;
    if (!this.#mayWait(event, event.stateKey)) return false;
    this.waiting.add(event.stateKey);
    return true;
  }

  #mayWait({ type, sender, membership }: EventRow, key: StateKeyNid): boolean {
    if (powerful.includes(type)) return false;
    if (type !== wellKnown.types.member) return true;
    const { interning, serverName } = this.#uses;
    const user = interning.findUser(interning.stateKeyOf(key).skey);
    const isOwnAffair = user === sender && (membership === memberships.join || membership === memberships.leave);
    return isOwnAffair && interning.userServer(sender) !== interning.findServer(serverName);
  }
}
