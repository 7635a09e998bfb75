import type { RoomEventFilter } from '../protocol/filters/event-filter.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { StatePoint, UserNid } from '../store/nids.ts';
import type { StateLog } from '../store/state/state-log.ts';
import type { Boundary, Direction, Placed, Timeline } from '../store/timeline.ts';
import type { ClientEvents } from './client-events.ts';
import type { RoomView } from './visibility.ts';

export interface HistoryUses {
  readonly events: EventStore;
  readonly interning: Interning;
  readonly stateLog: StateLog;
  readonly timeline: Timeline;
  readonly clientEvents: ClientEvents;
}

export interface Stretch {
  readonly view: RoomView;
  readonly from: Boundary;
  /** Where to stop at the latest. */
  readonly to?: Boundary | undefined;
  readonly direction: Direction;
  readonly limit: number;
  readonly filter: RoomEventFilter;
}

export interface Walked {
  /** In the direction of reading. */
  readonly rows: readonly EventRow[];
  /** Where to go on; `undefined` when there is nothing further. */
  readonly next: Boundary | undefined;
}

/**
 * How many events one request looks at, whatever it finds: a filter or a stretch that the reader may not see could
 * pass over the whole history. The client goes on from where this stopped.
 */
const maxLooks = 500;
/** Smaller pages cost as much. */
const minPage = 20;

/** Walks the history of rooms, past what the reader may not see or does not want. */
export class RoomHistory {
  readonly #uses: HistoryUses;

  constructor(uses: HistoryUses) {
    this.#uses = uses;
  }

  walk(stretch: Stretch): Walked {
    const { direction, limit } = stretch;
    const rows: EventRow[] = [];
    let at: Boundary | undefined = stretch.from;
    let looks = 0;
    while (at !== undefined && rows.length < limit && looks < maxLooks) {
      const size = Math.min(maxLooks - looks, Math.max(minPage, limit - rows.length));
      const page = this.#uses.timeline.page(at.segment, at.idx, direction, size);
      looks += page.events.length;
      const stop = this.#take(page.events, stretch, rows);
      if (stop !== undefined) return { rows, next: stop };
      at = page.events.length === 0 ? undefined : page.next;
    }
    return { rows, next: at };
  }

  /** Adds what is wanted of a page to `rows`. The boundary where it stopped, unless it used the page up. */
  #take(page: readonly Placed[], stretch: Stretch, rows: EventRow[]): Boundary | undefined {
    const { to, direction, limit } = stretch;
    for (const row of this.#uses.events.rows(page.map(({ event }) => event))) {
      if (row.segment === null || row.idx === null) continue;
      const here = { segment: row.segment, idx: direction === 'b' ? row.idx : row.idx - 1 };
      if (rows.length >= limit || isReached(here, to, direction)) return here;
      if (this.#isWanted(row, stretch)) rows.push(row);
    }
    return undefined;
  }

  #isWanted(row: EventRow, { view, filter }: Stretch): boolean {
    if (!filter.passesAll && !filter.matches(this.#uses.clientEvents.filterable(row))) return false;
    return view.mayRead(row);
  }

  /** The member events, at a point, of those who sent these events. */
  sendersAt(point: StatePoint, rows: readonly EventRow[]): EventRow[] {
    const { events, interning, stateLog } = this.#uses;
    const senders = new Set<UserNid>(rows.map(({ sender }) => sender));
    const members = [...senders]
      .map((sender) => interning.findStateKey('m.room.member', interning.userId(sender)))
      .map((key) => (key === undefined ? undefined : stateLog.at(point, key)))
      .filter((nid) => nid !== undefined);
    return events.rows(members);
  }

  /** The state after an event of the timeline. */
  pointAfter({ line, linePos, pos, stateKey }: EventRow): StatePoint | undefined {
    if (line === null || linePos === null) return undefined;
    return { line, pos: stateKey !== null && pos !== null ? pos : linePos };
  }
}

/** Whether a walk that stands at a boundary has come to (or past) its end, as far as both are in one segment. */
function isReached(at: Boundary, to: Boundary | undefined, direction: Direction): boolean {
  if (to?.segment !== at.segment) return false;
  return direction === 'b' ? at.idx <= to.idx : at.idx >= to.idx;
}
