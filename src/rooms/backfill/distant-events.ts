import { parseEventId } from '../../protocol/ids/event-id.ts';
import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { memberships } from '../../store/events/membership.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import { glimpseOf, type HistoryStateStore } from '../../store/rooms/history-state.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { Timeline } from '../../store/timeline.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { KnownRoom, KnownRooms } from '../known-rooms.ts';
import type { EventVerifier } from '../receive/verify.ts';
import type { Backfill } from './backfill.ts';
import { Collection } from './collection.ts';
import { type Edges, isPassed } from './edges.ts';
import type { GivenEvents } from './given-events.ts';
import type { HistoryServers } from './history-servers.ts';
import type { LostEvents } from './lost-events.ts';
import type { RemoteHistory } from './remote-history.ts';
import type { StateProbe } from './state-probe.ts';
import type { WantedHistory } from './wanted-history.ts';

export interface DistantEventsUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly timeline: Timeline;
  readonly roomState: RoomStateStore;
  readonly historyState: HistoryStateStore;
  readonly rooms: KnownRooms;
  readonly edges: Edges;
  readonly servers: HistoryServers;
  readonly remote: RemoteHistory;
  readonly verifier: EventVerifier;
  readonly givenEvents: GivenEvents;
  readonly probe: StateProbe;
  readonly wanted: WantedHistory;
  readonly backfill: Backfill;
  readonly lost: LostEvents<string>;
}

/** Servers that are asked for one event. */
const maxServers = 4;
/** How many pages of history are fetched to get to an event, and how far away it may be by its depth. */
const maxPages = 5;
const pageSize = 100;

/** Brings single events here that lie somewhere in history that is not. */
export class DistantEvents {
  readonly #uses: DistantEventsUses;

  constructor(uses: DistantEventsUses) {
    this.#uses = uses;
  }

  /**
   * For a user who is in the room: has an event fetched that is not here, and the history up to it if it is near.
   * Afterwards the event is here as far as others have it, with what decides who may see it.
   */
  async bring(requester: Requester, roomId: string, text: string): Promise<void> {
    const { rooms, roomState, lost } = this.#uses;
    const room = rooms.find(roomId);
    const eventId = parseEventId(text);
    if (room === undefined || eventId === undefined) return;
    if (roomState.localMember(requester.user, room.nid)?.membership !== memberships.join) return;
    if (this.#isSettled(eventId) || lost.has(eventId)) return;
    const servers = this.#servers(room);
    if (this.#row(eventId) === undefined) await this.#fetch(room, eventId, servers);
    const row = this.#row(eventId);
    if (row?.room === room.nid && !isPassed(row.flags)) {
      await this.#approach(room, row);
      await this.#glimpse(room, eventId, servers);
    }
    if (!this.#isSettled(eventId)) lost.add(eventId);
  }

  #row(eventId: EventId): EventRow | undefined {
    const nid = this.#uses.interning.findEvent(eventId);
    return nid === undefined ? undefined : this.#uses.events.row(nid);
  }

  /** Whether nothing more is to be found out about it. */
  #isSettled(eventId: EventId): boolean {
    const row = this.#row(eventId);
    if (row === undefined) return false;
    if (row.segment !== null || isPassed(row.flags)) return true;
    return (
      this.#uses.historyState.oldest(glimpseOf(row.nid).segment, wellKnown.stateKeys.historyVisibility) !== undefined
    );
  }

  #servers({ nid }: KnownRoom): ServerName[] {
    const newest = this.#uses.timeline.newest(nid, pageSize).events.map(({ event }) => event);
    return this.#uses.servers.likely(nid, newest).slice(0, maxServers);
  }

  async #fetch(room: KnownRoom, eventId: EventId, servers: readonly ServerName[]): Promise<void> {
    const { remote, givenEvents, wanted } = this.#uses;
    const collection = new Collection(this.#uses, room);
    for (const server of servers) {
      const value = await remote.event(server, eventId);
      if (value !== undefined) await collection.take([value], server);
      const event = collection.events.get(eventId)?.event;
      if (event === undefined) continue;
      const { depth, origin_server_ts: ts } = event.pdu;
      if (!wanted.has(room.nid, { depth, ts })) return;
      await givenEvents.keep(room, [event], collection, [server, ...servers.filter((other) => other !== server)]);
      if (this.#row(eventId) !== undefined) return;
    }
  }

  /** Fills the history up to the event if that takes only some pages. */
  async #approach(room: KnownRoom, { nid, depth }: EventRow): Promise<void> {
    const { backfill, edges, events, timeline } = this.#uses;
    const end = timeline.end(room.nid);
    for (let page = 0; end !== undefined && page < maxPages; page++) {
      const bottom = edges.bottom(end.segment);
      const oldest = timeline.oldest(bottom.nid);
      const from = oldest === undefined ? undefined : events.row(oldest.event)?.depth;
      if (from === undefined || from < depth || from - depth > maxPages * pageSize) return;
      const filled = await backfill.fill(room, bottom.nid, pageSize);
      if (events.row(nid)?.segment !== null || (filled !== 'filled' && filled !== 'linked')) return;
    }
  }

  /** Asks what the state before the event says about who may see it. */
  async #glimpse(room: KnownRoom, eventId: EventId, servers: readonly ServerName[]): Promise<void> {
    const { db, historyState, interning, probe, roomState } = this.#uses;
    if (this.#isSettled(eventId)) return;
    const own = roomState
      .localsIn(room.nid)
      .map(({ user }) => interning.findStateKey('m.room.member', interning.userId(user)))
      .filter((key) => key !== undefined);
    const probed = await probe.before(room, eventId, servers, new Set(own));
    const row = this.#row(eventId);
    if (probed === undefined || row === undefined) return;
    const place = glimpseOf(row.nid);
    db.write<void>(() => {
      historyState.set(place, wellKnown.stateKeys.historyVisibility, probed.visibility);
      for (const [key, event] of probed.members) historyState.set(place, key, event);
    });
  }
}
