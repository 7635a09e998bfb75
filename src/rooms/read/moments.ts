import { notFound } from '../../protocol/errors.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { RoomNid } from '../../store/nids.ts';
import type { MomentStore } from '../../store/rooms/moments.ts';
import type { Boundary, Direction, Timeline } from '../../store/timeline.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { RoomReading } from './reading.ts';

export interface MomentsUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly timeline: Timeline;
  readonly moments: MomentStore;
  readonly reading: RoomReading;
}

export interface MomentQuery {
  /** In milliseconds since the epoch. */
  readonly ts: number;
  readonly direction: Direction;
}

/** Events whose middle time stands for that of their place: a few with a wrong clock do not lead the search astray. */
const probe = 5;
/** Events before and behind the place found among which the closest is looked for. */
const window = 50;
/** Events looked at behind these for one that the reader may see. */
const maxLooks = 500;
/** Events of the right time for which it is found out whether the reader may see them, in all segments together. */
const maxJudged = 2000;

/** Finds events by time. Rooms are kept in their own order, in which time nearly always grows: no index is needed. */
export class Moments {
  readonly #uses: MomentsUses;

  constructor(uses: MomentsUses) {
    this.#uses = uses;
  }

  /**
   * The event closest to a time, not before (`f`) or not after (`b`) it, that the requester may see.
   * 403 M_FORBIDDEN the requester may not read the room · 404 M_NOT_FOUND no such event is known here
   * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidtimestamp_to_event
   */
  find(requester: Requester, roomId: string, query: MomentQuery) {
    const { room, view } = this.#uses.reading.open(requester, roomId);
    return this.closest(room.nid, query, (row) => view.mayRead(row));
  }

  /** The same for whoever may see the events that `isVisible` says. 404 M_NOT_FOUND */
  closest(room: RoomNid, query: MomentQuery, isVisible: (row: EventRow) => boolean) {
    const { interning, moments } = this.#uses;
    const segments = moments.segments(room);
    let judged = 0;
    const isSeen = (row: EventRow) => ++judged <= maxJudged && isVisible(row);
    // The place is at the border of two segments if neither reaches the time: then the next one has the event.
    const order = query.direction === 'f' ? segments : segments.toReversed();
    for (const segment of order) {
      if (judged > maxJudged) break;
      const found = this.#inSegment(segment, query, isSeen);
      if (found !== undefined) return { event_id: interning.eventId(found.nid), origin_server_ts: found.ts };
    }
    throw notFound('No event was found in this direction');
  }

  #inSegment(segment: number, query: MomentQuery, isVisible: (row: EventRow) => boolean): EventRow | undefined {
    const { timeline } = this.#uses;
    const { ts, direction } = query;
    const place = this.#placeOf(segment, ts);
    if (place === undefined) return undefined;
    const isAsked = (row: EventRow) => (direction === 'f' ? row.ts >= ts : row.ts <= ts) && isVisible(row);
    const around = [
      ...timeline.page(segment, place, 'b', window).events.toReversed(),
      ...timeline.page(segment, place, 'f', window).events,
    ].filter((placed) => placed.segment === segment);
    const near = this.#closest(this.#uses.events.rows(around.map(({ event }) => event)).filter(isAsked), ts);
    if (near !== undefined) return near;
    const end = direction === 'f' ? around.at(-1)?.idx : around[0]?.idx;
    return end === undefined ? undefined : this.#beyond({ segment, idx: end }, direction, isAsked);
  }

  #closest(rows: readonly EventRow[], ts: number): EventRow | undefined {
    let best: EventRow | undefined;
    for (const row of rows) {
      if (best === undefined || Math.abs(row.ts - ts) < Math.abs(best.ts - ts)) best = row;
    }
    return best;
  }

  /** The first event further on that is asked for. */
  #beyond(from: Boundary, direction: Direction, isAsked: (row: EventRow) => boolean): EventRow | undefined {
    const { timeline, events } = this.#uses;
    const page = timeline.page(from.segment, from.idx, direction, maxLooks).events;
    return events.rows(page.filter(({ segment }) => segment === from.segment).map(({ event }) => event)).find(isAsked);
  }

  /** The boundary in a segment before which events are older than the time, by and large. */
  #placeOf(segment: number, ts: number): number | undefined {
    const range = this.#uses.moments.range(segment);
    if (range === undefined) return undefined;
    let low = range.first;
    let high = range.last + 1;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      const found = this.#uses.moments.from({ segment, idx: middle }, probe);
      const times = found.map((moment) => moment.ts).sort((left, right) => left - right);
      const time = times[Math.floor(times.length / 2)];
      if (time === undefined || time >= ts) high = middle;
      else low = Math.max(middle + 1, found[0]?.idx ?? 0);
    }
    return low - 1;
  }
}
