import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, StateKeyNid } from '../../store/nids.ts';
import type { Clock } from '../../util/clock.ts';
import type { VersionedRoom } from '../receive/auth-judge.ts';
import type { EventVerifier } from '../receive/verify.ts';
import { Collection } from './collection.ts';
import { isPassed } from './edges.ts';
import type { GivenEvents } from './given-events.ts';
import { Patience } from './patience.ts';
import type { RemoteHistory } from './remote-history.ts';

export interface StateProbeUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly verifier: EventVerifier;
  readonly remote: RemoteHistory;
  readonly givenEvents: GivenEvents;
  readonly clock: Clock;
}

/** What was found of the state before an event. */
export interface Probed {
  /** 0: there is none. */
  readonly visibility: EventNid | 0;
  readonly members: ReadonlyMap<StateKeyNid, EventNid>;
}

/** IDs of a state that are not known here among which the one wanted may be; fetched one by one. */
const maxUnknown = 16;
/** Servers that are asked for one state. */
const maxServers = 2;
/** Milliseconds after which no single event is asked for any more. */
const patience = 10_000;

/** Finds out, of the state before an event that only others know, what decides who may see it. Nothing else is kept. */
export class StateProbe {
  readonly #uses: StateProbeUses;

  constructor(uses: StateProbeUses) {
    this.#uses = uses;
  }

  /** The history's visibility, and of some memberships those that are known here. `undefined` if nobody tells. */
  async before(
    room: VersionedRoom,
    eventId: EventId,
    servers: readonly ServerName[],
    memberKeys: ReadonlySet<StateKeyNid> = new Set(),
  ): Promise<Probed | undefined> {
    for (const server of servers.slice(0, maxServers)) {
      const members = new Map<StateKeyNid, EventNid>();
      const unknown: EventId[] = [];
      let visibility: EventNid | undefined;
      let strangers = 0;
      let hasCreate = false;
      const isWhole = await this.#uses.remote.stateIds(server, room, eventId, (id) => {
        const row = this.#row(room, id);
        if (row === undefined) {
          strangers++;
          if (unknown.length < maxUnknown) unknown.push(id);
        } else if (row.stateKey === wellKnown.stateKeys.create) hasCreate = true;
        else if (row.stateKey === wellKnown.stateKeys.historyVisibility) visibility = row.nid;
        else if (row.stateKey !== null && memberKeys.has(row.stateKey)) members.set(row.stateKey, row.nid);
        return visibility === undefined || memberKeys.size > 0;
      });
      if (!isWhole) continue;
      visibility ??= await this.#among(room, unknown, server);
      if (visibility !== undefined) return { visibility, members };
      // A state without a create event is none.
      if (hasCreate && strangers === 0) return { visibility: 0, members };
    }
    return undefined;
  }

  /** An accepted event of the room. */
  #row(room: VersionedRoom, id: EventId): EventRow | undefined {
    const nid = this.#uses.interning.findEvent(id);
    const row = nid === undefined ? undefined : this.#uses.events.row(nid);
    return row !== undefined && row.room === room.nid && !isPassed(row.flags) ? row : undefined;
  }

  async #among(room: VersionedRoom, ids: readonly EventId[], server: ServerName): Promise<EventNid | undefined> {
    const collection = new Collection(this.#uses, room);
    const wait = new Patience(this.#uses.clock, patience);
    for (const id of ids) {
      if (wait.isOver) return undefined;
      const value = await this.#uses.remote.event(server, id);
      if (value !== undefined) await collection.take([value], server);
      const event = collection.events.get(id)?.event;
      if (event?.pdu.type !== 'm.room.history_visibility' || event.pdu.state_key !== '') continue;
      await this.#uses.givenEvents.keep(room, [event], collection, [server]);
      const row = this.#row(room, id);
      if (row !== undefined) return row.nid;
    }
    return undefined;
  }
}
