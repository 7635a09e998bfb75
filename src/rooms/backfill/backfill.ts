import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Gates } from '../../governor/gates.ts';
import { Slots } from '../../outbound/slots.ts';
import type { EventId, ServerName } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import { type EventRow, pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Gap } from '../../store/events/extremities.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, RoomNid } from '../../store/nids.ts';
import type { Segment } from '../../store/segments.ts';
import type { HistoryFloors } from '../../store/thinning/history-floors.ts';
import type { Timeline } from '../../store/timeline.ts';
import type { Clock } from '../../util/clock.ts';
import { KeyedQueue } from '../../util/keyed-queue.ts';
import type { Log } from '../../util/log.ts';
import type { VersionedRoom } from '../receive/auth-judge.ts';
import type { EventVerifier } from '../receive/verify.ts';
import { Collection } from './collection.ts';
import type { Edges } from './edges.ts';
import type { GivenEvents } from './given-events.ts';
import type { HistoricStates } from './historic-states.ts';
import type { HistoryServers } from './history-servers.ts';
import type { LostEvents } from './lost-events.ts';
import { type HistoricEvent, orderBackwards } from './order.ts';
import { Patience } from './patience.ts';
import type { Placement } from './placement.ts';
import type { RemoteHistory } from './remote-history.ts';
import type { StateProbe } from './state-probe.ts';
import type { WantedHistory } from './wanted-history.ts';

export interface BackfillUses {
  readonly gates?: Pick<Gates, 'mayBackfill' | 'backfillsAtOnce'>;
  readonly db: Database;
  readonly interning: Interning;
  readonly events: EventStore;
  readonly timeline: Timeline;
  readonly historyFloors: HistoryFloors;
  readonly wanted: WantedHistory;
  readonly clock: Clock;
  readonly log: Log;
  readonly verifier: EventVerifier;
  readonly givenEvents: GivenEvents;
  readonly probe: StateProbe;
  readonly remote: RemoteHistory;
  readonly servers: HistoryServers;
  readonly edges: Edges;
  readonly states: HistoricStates;
  readonly placement: Placement;
  readonly lost: LostEvents<EventNid>;
}

/**
 * What became of a wish for older events. `filled`: there are more; `linked`: the segment has met the one before;
 * `complete`: there is nothing older; `unavailable`: nobody has it, or nobody answers.
 */
export type Filled = 'filled' | 'linked' | 'complete' | 'unavailable';

interface Wish {
  readonly bottom: Segment;
  readonly gaps: readonly Gap[];
  readonly wanted: number;
  readonly wait: Patience;
}

/** Pages asked for at one wish. */
const maxRounds = 4;
/** Milliseconds after which what has come is enough. */
const patience = 20_000;
/** Missing events asked for in one request. */
const maxWanted = 20;
const minPage = 30;
const maxPage = 100;
/** Events placed in one write: some milliseconds. */
const sliceSize = 20;
/** Rooms of which history is fetched at a time, unless memory says otherwise, and wishes that wait for one of these places. */
const atOnce = 8;
const longestQueue = 100;
/** Wishes that wait for the same room; whoever comes later sees what the others got. */
const maxWaiting = 20;

/** Fetches history that lies behind what is known of a room. */
export class Backfill {
  readonly #uses: BackfillUses;
  readonly #lanes = new KeyedQueue<RoomNid>(maxWaiting);
  readonly #slots = new Slots(atOnce, longestQueue);

  constructor(uses: BackfillUses) {
    this.#uses = uses;
  }

  /** Tries to get `wanted` more events behind a segment, and all that have met behind it. One wish per room at a time. */
  async fill(room: VersionedRoom, segment: number, wanted: number): Promise<Filled> {
    if (this.#uses.gates?.mayBackfill === false) return 'unavailable';
    const before = this.#uses.timeline.oldest(this.#uses.edges.bottom(segment).nid);
    const work = async () => {
      // While this waited, old history may have been deleted.
      if (!this.#uses.edges.has(segment)) return 'complete';
      // Somebody else has waited for the same.
      const now = this.#uses.timeline.oldest(this.#uses.edges.bottom(segment).nid);
      return before?.event === now?.event ? this.#inSlot(() => this.#fill(room, segment, wanted)) : 'filled';
    };
    return (await this.#lanes.run(room.nid, work)) ?? 'unavailable';
  }

  async #inSlot(work: () => Promise<Filled>): Promise<Filled> {
    this.#slots.resize(this.#uses.gates?.backfillsAtOnce ?? atOnce);
    if (!(await this.#slots.take())) return 'unavailable';
    try {
      return await work();
    } finally {
      this.#slots.giveBack();
    }
  }

  async #fill(room: VersionedRoom, segment: number, wanted: number): Promise<Filled> {
    const { clock, edges } = this.#uses;
    if (!edges.has(segment)) return 'complete';
    const wait = new Patience(clock, patience);
    const bottom = edges.bottom(segment);
    let placed = 0;
    for (let round = 0; round < maxRounds && placed < wanted; round++) {
      const gaps = this.#look(room.nid, bottom);
      if (gaps === 'linked') return placed > 0 ? 'filled' : 'linked';
      if (gaps.length === 0) return placed > 0 ? 'filled' : 'complete';
      const page = await this.#page(room, { bottom, gaps, wanted: wanted - placed, wait });
      placed += page.placed;
      if (page.linked) return placed > 0 ? 'filled' : 'linked';
      if (page.placed === 0 || wait.isOver) break;
    }
    return placed > 0 ? 'filled' : 'unavailable';
  }

  /** What is missing behind a segment, unless it turns out to go on in the one before. */
  #look(room: RoomNid, bottom: Segment): Gap[] | 'linked' {
    const { db, edges } = this.#uses;
    return db.write(() => {
      if (edges.gaps(bottom).length === 0) edges.mend(bottom);
      for (const { parent } of edges.gaps(bottom)) edges.settle(room, parent);
      return this.#link(bottom) ? 'linked' : edges.gaps(bottom);
    });
  }

  /** Inside a write. */
  #link(bottom: Segment, collection?: Collection): boolean {
    const { edges, events, interning, lost } = this.#uses;
    if (edges.isClosed(bottom)) return false;
    return edges.link(bottom, {
      isLost: (event) => lost.has(event),
      depth: (event) => events.row(event)?.depth ?? collection?.events.get(interning.eventId(event))?.depth,
    });
  }

  /** Fetches and places one page; answers how many events got a place or were passed, and whether that closed the gap. */
  async #page(room: VersionedRoom, { bottom, gaps, wanted, wait }: Wish): Promise<{ placed: number; linked: boolean }> {
    const { interning, lost } = this.#uses;
    const open = gaps.filter(({ parent }) => !lost.has(parent)).sort((left, right) => right.depth - left.depth);
    const asked = [...new Set(open.map(({ parent }) => parent))].slice(0, maxWanted);
    if (asked.length === 0) return { placed: 0, linked: false };
    const servers = this.#uses.servers.likely(
      room.nid,
      open.slice(0, maxWanted).map(({ child }) => child),
    );
    const collection = new Collection(this.#uses, room);
    const limit = Math.min(maxPage, Math.max(minPage, wanted + asked.length));
    const ids = [...interning.eventIds(asked).values()];
    const missing = await collection.gather(ids, servers, limit, wait);
    for (const id of missing) this.#giveUp(id);
    const placed = await this.#take(room, bottom, collection, servers);
    const linked = this.#uses.db.write(() => this.#link(bottom, collection));
    // In a circle, or nothing at all: it will be the same next time.
    if (placed === 0 && !linked) for (const { parent } of this.#uses.edges.gaps(bottom)) lost.add(parent);
    return { placed, linked };
  }

  /** An outlier is here, whoever else has it. */
  #giveUp(id: EventId): void {
    const { interning, events, lost, log } = this.#uses;
    const nid = interning.findEvent(id);
    if (nid === undefined || events.row(nid) !== undefined) return;
    lost.add(nid);
    log.debug('backfill.lost', { event: id });
  }

  async #take(
    room: VersionedRoom,
    bottom: Segment,
    collection: Collection,
    servers: readonly ServerName[],
  ): Promise<number> {
    const { lost, log, interning } = this.#uses;
    const whole = this.#order(bottom, collection);
    const order = this.#uses.wanted.trim(whole.map((event) => ({ ...event, ts: this.#timeOf(event, collection) })));
    const wanted = order
      .map(({ eventId }) => collection.events.get(eventId)?.event)
      .filter((each) => each !== undefined);
    const givers = collection.givers.length > 0 ? collection.givers : servers;
    await this.#uses.givenEvents.keep(room, this.#unknown(wanted), collection, givers);
    for (const { eventId } of order)
      if (this.#rowOf(eventId) === undefined) log.info('backfill.passed', { event: eventId });
    const seen = await this.#place(room, bottom, order);
    if (order.length < whole.length) this.#endAt(bottom);
    for (const { eventId } of order) {
      const nid = interning.findEvent(eventId);
      if (nid !== undefined) lost.found(nid);
    }
    await this.#learnVisibility(room, bottom, givers);
    if (order.length > 0) log.debug('backfill.page', { room: room.roomId, events: order.length, seen });
    return order.length;
  }

  /** What the event says itself. */
  #timeOf({ eventId }: HistoricEvent, { events }: Collection): number {
    const collected = events.get(eventId);
    return collected?.event?.pdu.origin_server_ts ?? this.#rowOf(eventId)?.ts ?? Number.POSITIVE_INFINITY;
  }

  /** What lies behind a segment is older than anybody wants: if it is the room's oldest, its history begins there. */
  #endAt(bottom: Segment): void {
    const { db, edges, historyFloors, timeline } = this.#uses;
    db.write<void>(() => {
      if (edges.isClosed(bottom) || edges.preceding(bottom) !== undefined) return;
      historyFloors.raise(bottom.room, timeline.bottomOf(bottom.nid));
    });
  }

  #unknown<E extends { readonly eventId: EventId }>(events: readonly E[]): E[] {
    return events.filter(({ eventId }) => {
      const nid = this.#uses.interning.findEvent(eventId);
      return nid === undefined || this.#uses.events.row(nid) === undefined;
    });
  }

  #order(bottom: Segment, collection: Collection): HistoricEvent[] {
    const { interning, lost, edges } = this.#uses;
    const preceding = edges.preceding(bottom);
    const rows = new Map<EventId, EventRow | undefined>();
    const row = (id: EventId) => {
      if (!rows.has(id)) rows.set(id, this.#rowOf(id));
      return rows.get(id);
    };
    return orderBackwards(
      edges.gaps(bottom).map(({ parent, depth }) => ({ eventId: interning.eventId(parent), childDepth: depth })),
      {
        get: (id) => {
          const stored = row(id);
          if (stored === undefined) return collection.events.get(id);
          return stored.segment === null ? this.#stored(stored, id) : undefined;
        },
        isPlaced: (id) => typeof row(id)?.segment === 'number',
        isLost: (id) => {
          const nid = interning.findEvent(id);
          return nid !== undefined && lost.has(nid);
        },
      },
      preceding && {
        ...preceding,
        // Whatever is less deep than where the history begins belongs to what was deleted.
        hasMet: preceding.hasMet || preceding.isClosed,
        holds: (id) => {
          const nid = row(id)?.nid;
          return nid !== undefined && edges.isBehind(nid, preceding.fromPos);
        },
      },
    );
  }

  #rowOf(id: EventId): EventRow | undefined {
    const nid = this.#uses.interning.findEvent(id);
    return nid === undefined ? undefined : this.#uses.events.row(nid);
  }

  #stored({ nid, depth }: EventRow, eventId: EventId): HistoricEvent {
    const { interning, events } = this.#uses;
    return { eventId, depth, prevEvents: [...new Set(interning.eventIds(events.parents(nid)).values())] };
  }

  async #place(room: VersionedRoom, bottom: Segment, order: readonly HistoricEvent[]): Promise<number> {
    const { db, placement, edges } = this.#uses;
    let seen = 0;
    for (let at = 0; at < order.length; at += sliceSize) {
      seen += db.write(() => {
        let placed = 0;
        // Its history may have been deleted meanwhile.
        if (edges.isClosed(bottom)) return placed;
        for (const event of order.slice(at, at + sliceSize)) if (placement.place(room, bottom, event)) placed++;
        return placed;
      });
      await nextTurn();
    }
    return seen;
  }

  /** After a change of the history's visibility: what it was before, as another server says at the oldest event. */
  async #learnVisibility(room: VersionedRoom, bottom: Segment, servers: readonly ServerName[]): Promise<void> {
    const { db, events, states, timeline, interning } = this.#uses;
    const oldest = timeline.oldest(bottom.nid);
    const row = oldest && events.row(oldest.event);
    if (row === undefined || !states.isVisibilityUnknown(bottom.nid)) return;
    if (row.type === wellKnown.types.create || pointBefore(row) !== undefined) return;
    const probed = await this.#uses.probe.before(room, interning.eventId(row.nid), servers);
    if (probed !== undefined) db.write<void>(() => states.learnVisibility(bottom.nid, probed.visibility));
  }
}
