import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Segments } from '../../store/segments.ts';
import type { Boundary, Direction, Timeline } from '../../store/timeline.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { RoomHistory, Stretch } from '../read/history.ts';
import { type ContextQuery, limitOf, type MessagesQuery, type RoomMessages } from '../read/messages.ts';
import type { RoomReading } from '../read/reading.ts';
import type { RoomView } from '../read/visibility.ts';
import type { Backfill } from './backfill.ts';
import type { Edges } from './edges.ts';

export interface HistoryReachUses {
  readonly events: EventStore;
  readonly segments: Segments;
  readonly timeline: Timeline;
  readonly reading: RoomReading;
  readonly history: RoomHistory;
  readonly messages: RoomMessages;
  readonly edges: Edges;
  readonly backfill: Backfill;
}

/** How often one request has history fetched. */
const maxFills = 3;

/** Sees to it that what a client is about to read is there, as far as other servers have it. */
export class HistoryReach {
  readonly #uses: HistoryReachUses;

  constructor(uses: HistoryReachUses) {
    this.#uses = uses;
  }

  /**
   * Has older events fetched where a page of `/messages` comes to the end of what is known. True if that leads no
   * further, so that the page goes on behind the gap. Throws what reading the page throws.
   */
  async page(requester: Requester, roomId: string, query: MessagesQuery): Promise<boolean> {
    const { opened, from } = this.#uses.messages.start(requester, roomId, query);
    const { direction, filter } = query;
    if (!filter.rooms.allows(roomId)) return true;
    const limit = limitOf(query.limit, filter);
    return this.#reach(opened.room, { view: opened.view, from, direction, limit, filter });
  }

  /** The same for both sides of an event that is in its place. */
  async around(requester: Requester, roomId: string, eventId: string, query: ContextQuery): Promise<void> {
    const { room, view, row } = this.#uses.reading.visibleEvent(requester, roomId, eventId);
    const { segment, idx } = row;
    const { filter } = query;
    if (segment === null || idx === null || !filter.rooms.allows(roomId)) return;
    const limit = Math.ceil(limitOf(query.limit, filter) / 2);
    await this.#reach(room, { view, from: { segment, idx: idx - 1 }, direction: 'b', limit, filter });
    await this.#reach(room, { view, from: { segment, idx }, direction: 'f', limit, filter });
  }

  async #reach(room: KnownRoom, stretch: Stretch): Promise<boolean> {
    for (let fills = 0; fills < maxFills; fills++) {
      // While others were asked the stretch may have been deleted.
      if (!this.#uses.edges.has(stretch.from.segment)) return true;
      const short = this.#shortBy(stretch);
      if (short === undefined) return false;
      if (!(await this.#goOn(room, stretch.view, short.edge, stretch.direction, short.by))) return true;
    }
    return false;
  }

  /** By how many events a stretch is too short because the known history ends; nothing if it is not. */
  #shortBy({ filter, ...stretch }: Stretch): { readonly by: number; readonly edge: Boundary } | undefined {
    const { timeline, history } = this.#uses;
    const { from, direction, limit } = stretch;
    if (filter.passesAll) {
      const page = timeline.page(from.segment, from.idx, direction, limit);
      if (page.next !== undefined) return undefined;
      return { by: limit - page.events.length, edge: page.events.at(-1) ?? from };
    }
    const { rows, next, edge } = history.walk({ ...stretch, filter });
    return next !== undefined || edge === undefined ? undefined : { by: limit - rows.length, edge };
  }

  /** Fetches what comes next at an end of what is known. False if that leads no further. */
  async #goOn(
    room: KnownRoom,
    view: RoomView,
    { segment }: Boundary,
    direction: Direction,
    wanted: number,
  ): Promise<boolean> {
    const { backfill, edges } = this.#uses;
    const bottom = direction === 'b' ? edges.bottom(segment) : this.#nextBottom(segment);
    if (bottom === undefined || !this.#mayGoOn(view, bottom.nid)) return false;
    const filled = await backfill.fill(room, bottom.nid, Math.max(1, wanted));
    return filled === 'filled' || filled === 'linked';
  }

  /** The segment that comes after the last of those that reading on from one gets to. */
  #nextBottom(segment: number) {
    const { edges, segments } = this.#uses;
    const top = edges.top(segment);
    const next = segments.following(top);
    return next === undefined ? undefined : segments.get(next);
  }

  /** Nothing is fetched that the reader may not see. */
  #mayGoOn(view: RoomView, bottom: number): boolean {
    const { timeline, events } = this.#uses;
    const oldest = timeline.oldest(bottom);
    const row: EventRow | undefined = oldest && events.row(oldest.event);
    return row !== undefined && view.mayReadBefore(row);
  }
}
