import type { RoomEventFilter } from '../protocol/filters/event-filter.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { StatePoint, UserNid } from '../store/nids.ts';
import type { StateLog } from '../store/state/state-log.ts';
import type { Boundary, Direction, Timeline } from '../store/timeline.ts';
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

/** Walks the history of rooms, past what the reader may not see or does not want. */
export class RoomHistory {
  readonly #uses: HistoryUses;

  constructor(uses: HistoryUses) {
    this.#uses = uses;
  }

  walk({ view, from, to, direction, limit, filter }: Stretch): Walked {
    const { events, timeline } = this.#uses;
    const rows: EventRow[] = [];
    let at: Boundary | undefined = from;
    let looks = 0;
    while (at !== undefined && rows.length < limit && looks < maxLooks) {
      if (isReached(at, to, direction)) return { rows, next: to };
      const size = Math.min(maxLooks - looks, Math.max(20, limit - rows.length));
      const page = timeline.page(at.segment, at.idx, direction, size);
      const found = events.rows(page.events.map(({ event }) => event));
      for (const row of found) {
        if (row.segment === null || row.idx === null) continue;
        const before = { segment: row.segment, idx: direction === 'b' ? row.idx : row.idx - 1 };
        if (rows.length >= limit) return { rows, next: at };
        if (isReached(before, to, direction)) return { rows, next: to };
        looks++;
        at = { segment: row.segment, idx: direction === 'b' ? row.idx - 1 : row.idx };
        if (this.#isWanted(row, view, filter)) rows.push(row);
      }
      // An even page may end in the middle of what was asked for; only the timeline knows what lies beyond.
      if (found.length === page.events.length && rows.length < limit) at = page.next;
      if (page.events.length === 0) at = undefined;
    }
    return { rows, next: at };
  }

  #isWanted(row: EventRow, view: RoomView, filter: RoomEventFilter): boolean {
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
