import type { EventRow } from '../../store/events/event-row.ts';
import { pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import { memberships } from '../../store/events/membership.ts';
import type { OutgoingEvent, OutgoingStore } from '../../store/federation/outgoing.ts';
import type { ServerRooms } from '../../store/federation/server-rooms.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { ServerNid } from '../../store/nids.ts';
import type { StateLog } from '../../store/state/state-log.ts';

export interface OutgoingEventsUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly outgoing: OutgoingStore;
  readonly serverRooms: ServerRooms;
}

/** What is read of a committed event. */
interface Committed {
  readonly row: EventRow;
}

/**
 * Notes which events other servers are to be told of: those of our own users, and those that another server handed in
 * for us to pass on. It writes one row per event, however many servers are in the room, and none where there are none.
 */
export class OutgoingEvents {
  readonly follows = { live: 'all' } as const;
  readonly #uses: OutgoingEventsUses;
  readonly #own: () => ServerNid | undefined;

  constructor(uses: OutgoingEventsUses, own: () => ServerNid | undefined) {
    this.#uses = uses;
    this.#own = own;
  }

  /** Inside the event's transaction, after its effect on the current state. */
  onEvent({ row }: Committed): void {
    const { interning, outgoing, serverRooms } = this.#uses;
    if (row.pos === null) return;
    const origin = interning.userServer(row.sender);
    const own = this.#own();
    if (own === undefined || (origin !== own && (row.flags & eventFlags.PASSED_ON) === 0)) return;
    const maker = isRedeemedHere(row) ? own : origin;
    const event: OutgoingEvent = { pos: row.pos, room: row.room, event: row.nid, origin: maker };
    const target = this.#targetOutside(row, origin, own);
    if (target === undefined && !serverRooms.hasOthers(row.room, row.pos, own)) return;
    outgoing.add(event);
    if (target !== undefined) outgoing.address(target, event);
  }

  /** Whoever has not been told of it yet is not told. */
  onTakenOut({ row: { pos, room, nid: event } }: Committed): void {
    const own = this.#own();
    if (pos !== null && own !== undefined) this.#uses.outgoing.forget({ pos, room, event }, own);
  }

  /**
   * The server of a user who was invited or knocked and no longer is, if the room's events do not reach it: nobody else
   * would tell it. A ban of somebody who had nothing to do with the room is no reason to call a server.
   */
  #targetOutside(row: EventRow, origin: ServerNid, own: ServerNid): ServerNid | undefined {
    const { interning, serverRooms, stateLog, events } = this.#uses;
    if (row.membership !== memberships.leave && row.membership !== memberships.ban) return undefined;
    if (row.stateKey === null || row.pos === null) return undefined;
    const user = interning.findUser(interning.stateKeyOf(row.stateKey).skey);
    const server = user === undefined ? undefined : interning.userServer(user);
    if (server === undefined || server === own || server === origin) return undefined;
    if (serverRooms.isIn(row.room, server, row.pos)) return undefined;
    const before = pointBefore(row);
    const member = before === undefined ? undefined : stateLog.at(before, row.stateKey);
    const membership = member === undefined ? undefined : events.row(member)?.membership;
    return membership === memberships.invite || membership === memberships.knock ? server : undefined;
  }
}

/** An invite that we have made of another server's invite of an address: that server, too, hears of it from us. */
function isRedeemedHere({ flags, membership }: EventRow): boolean {
  return (flags & eventFlags.PASSED_ON) !== 0 && membership === memberships.invite;
}
