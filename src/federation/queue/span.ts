import type { OutgoingEvent, OutgoingStore } from '../../store/federation/outgoing.ts';
import type { ServerInterval, ServerRooms } from '../../store/federation/server-rooms.ts';
import type { RoomNid, ServerNid, StreamPos } from '../../store/nids.ts';
import type { EduSources } from './edu-sources.ts';
import { maxPdus, type Transactions, type WireEvent } from './transaction.ts';

/** Something for one server of a span. */
export interface SpanItem {
  readonly server: ServerNid;
  readonly events: readonly WireEvent[];
  readonly hasEdus: boolean;
  /** Some of the events concern it without its being in their rooms. */
  readonly isAddressed: boolean;
}

export interface SpanUses {
  readonly outgoing: OutgoingStore;
  readonly serverRooms: ServerRooms;
  readonly edus: EduSources;
  readonly transactions: Transactions;
}

/** Servers looked up at a time. */
const pageSize = 64;

type SpanEvent = OutgoingEvent & WireEvent;

/**
 * What there is to tell in (from, to], for whomever: so few events that one transaction holds them all. It is read once
 * for all servers, which are read page by page.
 */
export class Span {
  readonly from: StreamPos;
  readonly to: StreamPos;
  readonly #uses: SpanUses;
  readonly #rooms = new Map<RoomNid, SpanEvent[]>();
  readonly #addressed = new Map<ServerNid, SpanEvent[]>();

  /** `to` is how far it may go; with more events than fit it ends earlier. */
  constructor(uses: SpanUses, from: StreamPos, to: StreamPos) {
    this.#uses = uses;
    this.from = from;
    const { events, cutAfter } = uses.transactions.wire(uses.outgoing.span(from, to, maxPdus + 1));
    this.to = cutAfter ?? to;
    const byPos = new Map<StreamPos, SpanEvent>();
    for (const event of events) {
      byPos.set(event.pos, event);
      add(this.#rooms, event.room, event);
    }
    for (const { server, pos } of byPos.size === 0 ? [] : uses.outgoing.addressed(from, this.to)) {
      const event = byPos.get(pos);
      if (event !== undefined) add(this.#addressed, server, event);
    }
  }

  /** Whether there is anything for anybody. */
  get isEmpty(): boolean {
    return this.#rooms.size === 0 && this.#edus(0, 1).every((servers) => servers.length === 0);
  }

  /** The next servers that there is something for, by NID; none: that was all. */
  page(after: ServerNid | 0): SpanItem[] {
    const rooms = [...this.#rooms].map(([room, events]) => ({ events, ...this.#intervals(room, events, after) }));
    const edus = this.#edus(after, pageSize);
    // A list that goes on says nothing of what lies behind its end.
    const ends = rooms.map(({ end }) => end);
    for (const servers of edus) if (servers.length === pageSize) ends.push(servers.at(-1) ?? Infinity);
    const end = Math.min(...ends, Infinity);
    const candidates = new Set<ServerNid>(this.#addressed.keys());
    for (const { intervals } of rooms) for (const { server } of intervals) candidates.add(server);
    for (const servers of edus) for (const server of servers) candidates.add(server);
    const servers = [...candidates]
      .filter((server) => server > after && server <= end)
      .sort((a, b) => a - b)
      .slice(0, pageSize);
    const wanted = new Map<ServerNid, Set<SpanEvent>>(
      servers.map((server) => [server, new Set(this.#addressed.get(server))]),
    );
    for (const { events, intervals } of rooms) collect(wanted, events, intervals);
    const withEdus = new Set(edus.flat());
    return servers.map((server) => ({
      server,
      events: [...(wanted.get(server) ?? [])].sort((a, b) => a.pos - b.pos),
      hasEdus: withEdus.has(server),
      isAddressed: this.#addressed.has(server),
    }));
  }

  /**
   * Servers of what reaches few: of each room, and of each source of EDUs, with no more than `few`
   * servers.
   */
  fewServers(few: number): ServerNid[] {
    const found = new Set<ServerNid>(this.#addressed.keys());
    const lists = this.#edus(0, few + 1);
    for (const [room, events] of this.#rooms) {
      const { serverRooms } = this.#uses;
      const [first, last] = [events[0], events.at(-1)];
      if (first === undefined || last === undefined) continue;
      lists.push(serverRooms.page(room, first.pos, last.pos, 0, few + 1).map(({ server }) => server));
    }
    for (const servers of lists) if (servers.length <= few) for (const server of servers) found.add(server);
    return [...found];
  }

  #edus(after: ServerNid | 0, limit: number): ServerNid[][] {
    return this.#uses.edus.servers(this.from, this.to, after, limit);
  }

  /** The servers of a room, complete up to `end`. */
  #intervals(
    room: RoomNid,
    events: readonly SpanEvent[],
    after: ServerNid | 0,
  ): { intervals: ServerInterval[]; end: number } {
    const [first, last] = [events[0], events.at(-1)];
    if (first === undefined || last === undefined) return { intervals: [], end: Infinity };
    const intervals = this.#uses.serverRooms.page(room, first.pos, last.pos, after, pageSize);
    const final = intervals.at(-1)?.server;
    if (final === undefined || intervals.length < pageSize) return { intervals, end: Infinity };
    // The last one may have come and gone, and have more of them on the next page.
    const whole = intervals.filter(({ server }) => server !== final);
    return whole.length === 0 ? { intervals, end: final } : { intervals: whole, end: whole.at(-1)?.server ?? final };
  }
}

function add<K>(map: Map<K, SpanEvent[]>, key: K, event: SpanEvent): void {
  const events = map.get(key);
  if (events === undefined) map.set(key, [event]);
  else events.push(event);
}

/** Gives the events of a room to those who are in it, except to the server that they came from. */
function collect(
  wanted: ReadonlyMap<ServerNid, Set<SpanEvent>>,
  events: readonly SpanEvent[],
  intervals: readonly ServerInterval[],
): void {
  for (const { server, from, to } of intervals) {
    const set = wanted.get(server);
    if (set === undefined) continue;
    for (const event of events) {
      if (event.origin !== server && event.pos >= from && (to === null || event.pos < to)) set.add(event);
    }
  }
}
