import { notFound } from '../../protocol/errors.ts';
import type { RoomEventFilter } from '../../protocol/filters/event-filter.ts';
import { openFilter } from '../../protocol/filters/filter.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { EventNid, RoomNid, StateKeyNid, StatePoint } from '../../store/nids.ts';
import type { BoundaryStore } from '../../store/rooms/boundaries.ts';
import type { OtherState } from '../../store/state/other-state.ts';
import type { StateEntry, StateLog } from '../../store/state/state-log.ts';
import type { Boundary, Direction } from '../../store/timeline.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { Edges } from '../backfill/edges.ts';
import type { Bundles } from '../relations/bundles.ts';
import type { ClientEvents, EventAudience } from './client-events.ts';
import { endOf, type RoomHistory, type Stretch, type Walked } from './history.ts';
import type { Opened, RoomReading } from './reading.ts';
import type { RoomTokens } from './tokens.ts';

export interface MessagesUses {
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly otherState: OtherState;
  readonly boundaries: BoundaryStore;
  readonly reading: RoomReading;
  readonly history: RoomHistory;
  readonly edges: Edges;
  readonly tokens: RoomTokens;
  readonly clientEvents: ClientEvents;
  readonly bundles: Bundles;
}

export interface MessagesQuery {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly direction: Direction;
  readonly limit?: number | undefined;
  readonly filter: RoomEventFilter;
  /** Whether there is no use in waiting for what is missing between stretches of history; so it is unless told. */
  readonly passGaps?: boolean;
}

export interface ContextQuery {
  readonly limit?: number | undefined;
  readonly filter: RoomEventFilter;
}

/** What one answer holds at most, as the servers in use have it; a client that wants more asks again. */
const maxEvents = 1000;
const defaultEvents = 10;
const openRoomFilter = openFilter.room.timeline;
/** Events written at a time: a few milliseconds' work. */
const piece = 100;

/** Pages through the history of rooms for our users. */
export class RoomMessages {
  readonly #uses: MessagesUses;

  constructor(uses: MessagesUses) {
    this.#uses = uses;
  }

  /**
   * One page of history as JSON text in pieces, `{ start, end?, chunk, state? }`. Without `from` it begins at the end
   * (backwards) or the start (forwards) of what is known. 403 M_FORBIDDEN · 400 M_INVALID_PARAM for tokens, at once
   */
  messages(requester: Requester, roomId: string, query: MessagesQuery): Generator<string> {
    const { reading, history, tokens } = this.#uses;
    const { direction, filter } = query;
    const { opened, from, to } = this.start(requester, roomId, query);
    const limit = limitOf(query.limit, filter);
    const passGaps = query.passGaps ?? true;
    const walked = this.#walk(roomId, { view: opened.view, from, to, direction, limit, filter, passGaps });
    const { rows } = walked;
    const next = walked.next ?? this.#later(walked, direction, passGaps);
    const audience = reading.audience(opened, requester);
    const members = [text(`"start":${JSON.stringify(query.from ?? tokens.text(from))}`)];
    if (next !== undefined) members.push(text(`"end":${JSON.stringify(tokens.text(next))}`));
    members.push(this.#array('chunk', rows, audience));
    if (filter.lazyLoadMembers) {
      const newest = direction === 'b' ? rows[0] : rows.at(-1);
      const senders = newest === undefined ? [] : history.sendersAt(history.pointAfter(newest), rows);
      members.push(this.#array('state', senders, audience));
    }
    return object(members);
  }

  /**
   * The newest events of an open room, oldest first, `{ start?, end, chunk }`: before `start` there may be more.
   * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidinitialsync
   */
  *newest(requester: Requester, opened: Opened, limit: number): Generator<string> {
    const { boundaries, history, reading, tokens } = this.#uses;
    const from = boundaries.at(opened.room.nid, opened.until);
    if (from === undefined) throw notFound('The room has no history here');
    const stretch = { view: opened.view, from, direction: 'b', limit, filter: openRoomFilter, passGaps: true } as const;
    const { rows, next } = history.walk(stretch);
    const members = [text(`"end":${JSON.stringify(tokens.text(from))}`)];
    if (next !== undefined) members.push(text(`"start":${JSON.stringify(tokens.text(next))}`));
    members.push(this.#array('chunk', rows.toReversed(), reading.audience(opened, requester)));
    yield* object(members);
  }

  /** Where a page begins and ends. 403 M_FORBIDDEN · 400 M_INVALID_PARAM for tokens */
  start(
    requester: Requester,
    roomId: string,
    { from, to, direction }: MessagesQuery,
  ): { readonly opened: Opened; readonly from: Boundary; readonly to: Boundary | undefined } {
    const { boundaries, reading, tokens } = this.#uses;
    const opened = reading.open(requester, roomId);
    const { nid } = opened.room;
    const end = direction === 'b' ? boundaries.at(nid, opened.until) : boundaries.beginning(nid);
    const begin = from === undefined ? end : tokens.boundary('from', from, nid);
    if (begin === undefined) throw notFound('The room has no history here');
    return { opened, from: begin, to: to === undefined ? undefined : tokens.boundary('to', to, nid) };
  }

  /** Where the client may go on at a gap: it may close yet. But whoever got nothing at all is not sent round again. */
  #later({ edge, rows }: Walked, direction: Direction, passGaps: boolean): Boundary | undefined {
    if (edge === undefined || (passGaps && rows.length === 0)) return undefined;
    return this.#uses.edges.isOpen(edge.segment, direction) ? edge : undefined;
  }

  /**
   * What happened around an event, as JSON text in pieces; the state is that after the newest event shown.
   * 404 M_NOT_FOUND, at once
   */
  context(requester: Requester, roomId: string, eventId: string, query: ContextQuery): Generator<string> {
    const { reading, history, tokens, bundles } = this.#uses;
    const { view, row } = reading.visibleEvent(requester, roomId, eventId);
    if (row.segment === null || row.idx === null) throw notFound('Event not found');
    const { filter } = query;
    const limit = limitOf(query.limit, filter);
    const after: Boundary = { segment: row.segment, idx: row.idx };
    const before: Boundary = { segment: row.segment, idx: row.idx - 1 };
    const earlier = this.#walk(roomId, { view, from: before, direction: 'b', limit: Math.ceil(limit / 2), filter });
    const later = this.#walk(roomId, { view, from: after, direction: 'f', limit: Math.floor(limit / 2), filter });
    const audience: EventAudience = { view, device: requester.device, withRoomId: true };
    const point = filter.rooms.allows(roomId) ? history.pointNear(later.rows.at(-1) ?? row) : undefined;
    return object([
      text(`"start":${JSON.stringify(tokens.text(earlier.next ?? endOf(earlier.rows, before, 'b')))}`),
      text(`"end":${JSON.stringify(tokens.text(later.next ?? endOf(later.rows, after, 'f')))}`),
      text(`"event":${bundles.text(row, audience)}`),
      this.#array('events_before', earlier.rows, audience),
      this.#array('events_after', later.rows, audience),
      this.#state(row.room, point, [...earlier.rows, row, ...later.rows], { filter, audience }),
    ]);
  }

  /** A filter for other rooms lets nothing of this one pass. */
  #walk(roomId: string, stretch: Stretch): Walked {
    return stretch.filter.rooms.allows(roomId) ? this.#uses.history.walk(stretch) : { rows: [], next: undefined };
  }

  *#array(key: string, rows: readonly EventRow[], audience: EventAudience): Generator<string> {
    yield `"${key}":[`;
    let separator = '';
    for (let at = 0; at < rows.length; at += piece) {
      // Between two pieces old history may have been deleted.
      const part = this.#uses.events.rows(rows.slice(at, at + piece).map(({ nid }) => nid));
      const shown = this.#uses.bundles.with(part, audience);
      const events = part.map((row) => this.#uses.clientEvents.text(row, shown));
      if (events.length > 0) yield separator + events.join(',');
      separator = ',';
    }
    yield ']';
  }

  /** The state at a point as far as the filter lets it pass; with lazy loading, only the members who spoke. */
  *#state(
    room: RoomNid,
    point: StatePoint | undefined,
    shown: readonly EventRow[],
    { filter, audience }: { readonly filter: RoomEventFilter; readonly audience: EventAudience },
  ): Generator<string> {
    const { clientEvents, events, history, otherState } = this.#uses;
    let separator = '';
    function* written(nids: readonly EventNid[]): Generator<string> {
      for (const event of events.passing(nids)) {
        if (!filter.passesAll && !filter.matches(event)) continue;
        yield separator + clientEvents.passing(event, audience);
        separator = ',';
      }
    }
    yield '"state":[';
    if (point !== undefined) {
      if (filter.lazyLoadMembers) yield* written(history.sendersAt(point, shown).map(({ nid }) => nid));
      const pages = filter.lazyLoadMembers ? otherState.at(room, point, piece) : this.#whole(point);
      for (const page of pages) yield* written(page.map(([, event]) => event));
    }
    yield ']';
  }

  *#whole(point: StatePoint): Generator<readonly StateEntry[]> {
    let after: StateKeyNid | 0 = 0;
    while (true) {
      const page: readonly StateEntry[] = this.#uses.stateLog.pageAt(point, after, piece);
      yield page;
      const last = page.at(-1);
      if (last === undefined || page.length < piece) return;
      after = last[0];
    }
  }
}

/** How many events a page holds at most. */
export function limitOf(asked: number | undefined, filter: RoomEventFilter): number {
  return Math.min(asked ?? filter.limit ?? defaultEvents, filter.limit ?? maxEvents, maxEvents);
}

/** One member of an object that is written at once. */
function* text(member: string): Generator<string> {
  yield member;
}

function* object(members: readonly Iterable<string>[]): Generator<string> {
  let separator = '{';
  for (const member of members) {
    yield separator;
    yield* member;
    separator = ',';
  }
  yield '}';
}
