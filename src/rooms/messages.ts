import { notFound } from '../protocol/errors.ts';
import type { RoomEventFilter } from '../protocol/filters/event-filter.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { EventNid, StateKeyNid, StatePoint } from '../store/nids.ts';
import type { BoundaryStore } from '../store/rooms/boundaries.ts';
import type { StateLog } from '../store/state/state-log.ts';
import type { Boundary, Direction } from '../store/timeline.ts';
import type { Requester } from '../users/requester.ts';
import type { ClientEvents, EventAudience } from './client-events.ts';
import type { RoomHistory, Stretch, Walked } from './history.ts';
import type { RoomReading } from './reading.ts';
import type { Bundles } from './relations/bundles.ts';
import type { RoomTokens } from './tokens.ts';

export interface MessagesUses {
  readonly events: EventStore;
  readonly stateLog: StateLog;
  readonly boundaries: BoundaryStore;
  readonly reading: RoomReading;
  readonly history: RoomHistory;
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
}

export interface ContextQuery {
  readonly limit?: number | undefined;
  readonly filter: RoomEventFilter;
}

/** What one answer holds at most, as the servers in use have it; a client that wants more asks again. */
const maxEvents = 1000;
const defaultEvents = 10;
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
    const { boundaries, reading, history, tokens } = this.#uses;
    const opened = reading.open(requester, roomId);
    const { nid } = opened.room;
    const { direction, filter } = query;
    const end = direction === 'b' ? boundaries.at(nid, opened.until) : boundaries.beginning(nid);
    const from = query.from === undefined ? end : tokens.boundary('from', query.from, nid);
    if (from === undefined) throw notFound('The room has no history here');
    const to = query.to === undefined ? undefined : tokens.boundary('to', query.to, nid);
    const limit = limitOf(query.limit, filter);
    const { rows, next } = this.#walk(roomId, { view: opened.view, from, to, direction, limit, filter });
    const audience = reading.audience(opened, requester);
    const members = [text(`"start":${JSON.stringify(query.from ?? tokens.text(from))}`)];
    if (next !== undefined) members.push(text(`"end":${JSON.stringify(tokens.text(next))}`));
    members.push(this.#array('chunk', rows, audience));
    if (filter.lazyLoadMembers) {
      const newest = direction === 'b' ? rows[0] : rows.at(-1);
      const point = newest && history.pointAfter(newest);
      const senders = point === undefined ? [] : history.sendersAt(point, rows);
      members.push(this.#array('state', senders, audience));
    }
    return object(members);
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
    const point = filter.rooms.allows(roomId) ? history.pointAfter(later.rows.at(-1) ?? row) : undefined;
    return object([
      text(`"start":${JSON.stringify(tokens.text(earlier.next ?? endOf(earlier.rows, before, 'b')))}`),
      text(`"end":${JSON.stringify(tokens.text(later.next ?? endOf(later.rows, after, 'f')))}`),
      text(`"event":${bundles.text(row, audience)}`),
      this.#array('events_before', earlier.rows, audience),
      this.#array('events_after', later.rows, audience),
      this.#state(point, [...earlier.rows, row, ...later.rows], filter, audience),
    ]);
  }

  /** A filter for other rooms lets nothing of this one pass. */
  #walk(roomId: string, stretch: Stretch): Walked {
    return stretch.filter.rooms.allows(roomId) ? this.#uses.history.walk(stretch) : { rows: [], next: undefined };
  }

  *#array(key: string, rows: readonly EventRow[], audience: EventAudience): Generator<string> {
    yield `"${key}":[`;
    for (let at = 0; at < rows.length; at += piece) {
      const part = rows.slice(at, at + piece);
      const shown = this.#uses.bundles.with(part, audience);
      const events = part.map((row) => this.#uses.clientEvents.text(row, shown));
      yield (at === 0 ? '' : ',') + events.join(',');
    }
    yield ']';
  }

  /** The state at a point as far as the filter lets it pass; with lazy loading, only the members who spoke. */
  *#state(
    point: StatePoint | undefined,
    shown: readonly EventRow[],
    filter: RoomEventFilter,
    audience: EventAudience,
  ): Generator<string> {
    const { clientEvents, events, history, stateLog } = this.#uses;
    const isWanted = (row: EventRow): boolean => filter.passesAll || filter.matches(clientEvents.filterable(row));
    let separator = '';
    const write = (rows: readonly EventRow[]): string => {
      let written = '';
      for (const row of rows.filter(isWanted)) {
        written += separator + clientEvents.text(row, audience);
        separator = ',';
      }
      return written;
    };
    yield '"state":[';
    if (point !== undefined && filter.lazyLoadMembers) yield write(history.sendersAt(point, shown));
    let after: StateKeyNid | 0 = 0;
    while (point !== undefined) {
      const page: readonly (readonly [StateKeyNid, EventNid])[] = stateLog.pageAt(point, after, piece);
      const rows = events.rows(page.map(([, event]) => event));
      yield write(filter.lazyLoadMembers ? rows.filter(({ type }) => type !== wellKnown.types.member) : rows);
      const last = page.at(-1);
      if (last === undefined || page.length < piece) break;
      after = last[0];
    }
    yield ']';
  }
}

function limitOf(asked: number | undefined, filter: RoomEventFilter): number {
  return Math.min(asked ?? filter.limit ?? defaultEvents, filter.limit ?? maxEvents, maxEvents);
}

/** Where to go on from when a walk has come to the end of what is known. */
export function endOf(rows: readonly EventRow[], from: Boundary, direction: Direction): Boundary {
  const last = rows.at(-1);
  if (last === undefined || last.segment === null || last.idx === null) return from;
  return { segment: last.segment, idx: direction === 'b' ? last.idx - 1 : last.idx };
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
