import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid, UserNid } from '../../store/nids.ts';
import type { RelatedEvent, RelationKind, RelationStore } from '../../store/relations/relations.ts';
import type { Boundary, Direction } from '../../store/timeline.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { ClientEvents, EventAudience } from '../read/client-events.ts';
import type { RoomReading } from '../read/reading.ts';
import type { RoomTokens } from '../read/tokens.ts';
import type { RoomView } from '../read/visibility.ts';
import type { Bundles } from './bundles.ts';

export interface RelatedEventsUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly relations: RelationStore;
  readonly reading: RoomReading;
  readonly tokens: RoomTokens;
  readonly clientEvents: ClientEvents;
  readonly bundles: Bundles;
  /** Whom a user ignores. */
  readonly ignored: (user: UserNid) => ReadonlySet<UserNid>;
}

export interface RelationsQuery {
  readonly relType?: string | undefined;
  readonly eventType?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly direction: Direction;
  readonly limit?: number | undefined;
  /** Whether events that relate to related events count too; `undefined` if the client did not ask. */
  readonly recurse?: boolean | undefined;
}

const defaultEvents = 20;
const maxEvents = 500;
/** Events looked at for one answer, most of which the reader may not see; the client goes on from there. */
const maxLooks = 1000;
/** Steps from the event when recursing: an edit of an answer in a thread is two away. */
const maxDepth = 3;
/** Events of one depth gathered for an answer when recursing; some milliseconds. */
const maxGathered = 5000;

interface Search {
  readonly target: EventNid;
  readonly kind: RelationKind;
  readonly direction: Direction;
  readonly from: Boundary;
}

interface Page {
  readonly rows: readonly EventRow[];
  readonly next: Boundary | undefined;
}

/** Lists the events that relate to an event, as far as they are here: `/messages` alone asks other servers for more. */
export class RelatedEvents {
  readonly #uses: RelatedEventsUses;

  constructor(uses: RelatedEventsUses) {
    this.#uses = uses;
  }

  /**
   * One page as JSON text in pieces, `{ chunk, next_batch?, prev_batch?, recursion_depth? }`.
   * 404 M_NOT_FOUND no such event for the requester · 400 M_INVALID_PARAM for tokens, at once
   * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidrelationseventid
   */
  list(requester: Requester, roomId: string, eventId: string, query: RelationsQuery): Generator<string> {
    const { reading, tokens } = this.#uses;
    const { room, view, row } = reading.visibleEvent(requester, roomId, eventId);
    const { direction, recurse } = query;
    const given = query.from === undefined ? undefined : tokens.boundary('from', query.from, room.nid);
    const to = query.to === undefined ? undefined : tokens.boundary('to', query.to, room.nid);
    const from = given ?? (direction === 'b' ? behindAll : beforeAll);
    const kind = this.#kind(query);
    const limit = Math.min(query.limit ?? defaultEvents, maxEvents);
    const search = { target: row.nid, kind: kind ?? {}, direction, from };
    const candidates = kind === undefined ? [] : recurse ? this.#recursively(search) : this.#directly(search);
    const page = this.#page(candidates, { view, direction, to, limit });
    const audience = { view, device: requester.device, withRoomId: true };
    return this.#write(page, audience, {
      prev: query.from,
      next: page.next && tokens.text(page.next),
      depth: recurse === undefined ? undefined : recurse ? maxDepth : 1,
    });
  }

  /** `undefined`: no event is of that kind. */
  #kind({ relType, eventType }: RelationsQuery): RelationKind | undefined {
    const { interning } = this.#uses;
    const rel = relType === undefined ? undefined : interning.findType(relType);
    const type = eventType === undefined ? undefined : interning.findType(eventType);
    const isUnknown = (relType !== undefined && rel === undefined) || (eventType !== undefined && type === undefined);
    return isUnknown ? undefined : { rel, type };
  }

  *#directly({ target, kind, direction, from }: Search): Generator<RelatedEvent> {
    const size = 100;
    let at = from;
    while (true) {
      const page = this.#uses.relations.page(target, kind, at, direction, size);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < size) return;
      at = past(last, direction);
    }
  }

  /** In order, with what relates to what is found: a child lies behind its parent in the room. */
  #recursively({ target, kind, direction, from }: Search): RelatedEvent[] {
    const { relations } = this.#uses;
    const found = new Map<EventNid, RelatedEvent>();
    let level: RelatedEvent[] = relations.page(target, kind, from, direction, maxGathered);
    // Forwards, parents lie on either side of the boundary.
    if (direction === 'f' && from !== beforeAll) level.push(...relations.page(target, kind, from, 'b', maxGathered));
    for (let depth = 1; level.length > 0; depth++) {
      const fresh = level.filter(({ event }) => !found.has(event) && event !== target);
      for (const related of fresh) found.set(related.event, related);
      if (depth === maxDepth) break;
      level = relations.ofAny(
        fresh.map(({ event }) => event),
        kind,
        maxGathered,
      );
    }
    const sign = direction === 'b' ? -1 : 1;
    return [...found.values()]
      .filter((related) => isBeyond(related, from, direction))
      .sort((left, right) => sign * compare(left, right));
  }

  /** The first events that the reader may see. */
  #page(
    candidates: Iterable<RelatedEvent>,
    { view, direction, to, limit }: { view: RoomView; direction: Direction; to: Boundary | undefined; limit: number },
  ): Page {
    const ignored = this.#uses.ignored(view.user);
    const rows: EventRow[] = [];
    let looks = 0;
    let last: RelatedEvent | undefined;
    for (const related of candidates) {
      if (to !== undefined && isBeyond(related, to, direction)) return { rows, next: undefined };
      if (rows.length === limit || looks === maxLooks) {
        return { rows, next: last && past(last, direction) };
      }
      looks++;
      last = related;
      const row = this.#uses.events.row(related.event);
      if (row !== undefined && !ignored.has(row.sender) && row.room === view.room && view.mayRead(row)) rows.push(row);
    }
    return { rows, next: undefined };
  }

  *#write(
    { rows }: Page,
    audience: EventAudience,
    { prev, next, depth }: { prev: string | undefined; next: string | undefined; depth: number | undefined },
  ): Generator<string> {
    const { bundles, clientEvents } = this.#uses;
    const piece = 50;
    let separator = '';
    yield '{"chunk":[';
    for (let at = 0; at < rows.length; at += piece) {
      // Between two pieces old history may have been deleted.
      const part = this.#uses.events.rows(rows.slice(at, at + piece).map(({ nid }) => nid));
      const shown = bundles.with(part, audience);
      if (part.length > 0) yield separator + part.map((row) => clientEvents.text(row, shown)).join(',');
      separator = ',';
    }
    yield ']';
    if (prev !== undefined) yield `,"prev_batch":${JSON.stringify(prev)}`;
    if (next !== undefined) yield `,"next_batch":${JSON.stringify(next)}`;
    yield depth === undefined ? '}' : `,"recursion_depth":${depth}}`;
  }
}

const behindAll: Boundary = { segment: Number.MAX_SAFE_INTEGER, idx: Number.MAX_SAFE_INTEGER };
const beforeAll: Boundary = { segment: 0, idx: Number.MIN_SAFE_INTEGER };

/** The boundary behind an event in the direction of reading. */
function past({ segment, idx }: Boundary, direction: Direction): Boundary {
  return { segment, idx: direction === 'b' ? idx - 1 : idx };
}

/** Segments of a room are numbered in its order. */
function compare(left: Boundary, right: Boundary): number {
  return left.segment - right.segment || left.idx - right.idx;
}

/** Whether an event lies on the far side of a boundary. */
function isBeyond(place: Boundary, boundary: Boundary, direction: Direction): boolean {
  return direction === 'b' ? compare(place, boundary) <= 0 : compare(place, boundary) > 0;
}
