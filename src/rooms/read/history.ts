import type { RoomEventFilter } from '../../protocol/filters/event-filter.ts';
import { type EventRow, pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { StatePoint, UserNid } from '../../store/nids.ts';
import type { Segments } from '../../store/segments.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import type { Boundary, Direction, Placed, Timeline } from '../../store/timeline.ts';
import type { Edges } from '../backfill/edges.ts';
import type { CitedMembers } from '../partial/cited-members.ts';
import type { ClientEvents } from './client-events.ts';
import type { RoomView } from './visibility.ts';

export interface HistoryUses {
  readonly events: EventStore;
  readonly interning: Interning;
  readonly stateLog: StateLog;
  readonly timeline: Timeline;
  readonly segments: Segments;
  readonly clientEvents: ClientEvents;
  readonly citedMembers: CitedMembers;
  readonly edges: Edges;
  readonly ignored: (user: UserNid) => ReadonlySet<UserNid>;
}

export interface Stretch {
  readonly view: RoomView;
  readonly from: Boundary;
  /** Where to stop at the latest. */
  readonly to?: Boundary | undefined;
  readonly direction: Direction;
  readonly limit: number;
  readonly filter: RoomEventFilter;
  /** Whether to go on behind a gap: what is missing there cannot be had. */
  readonly passGaps?: boolean;
}

interface Sifted extends Stretch {
  /** Whose messages the reader does not want. */
  readonly ignored: ReadonlySet<UserNid>;
}

export interface Walked {
  /** In the direction of reading. */
  readonly rows: readonly EventRow[];
  /** Where to go on; `undefined` when there is nothing further. */
  readonly next: Boundary | undefined;
  /** Where the known history ended, if the walk got there. */
  readonly edge?: Boundary | undefined;
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
    const ignored = this.#uses.ignored(stretch.view.user);
    const rows: EventRow[] = [];
    let at: Boundary = stretch.from;
    let looks = 0;
    while (rows.length < limit && looks < maxLooks) {
      const size = Math.min(maxLooks - looks, Math.max(minPage, limit - rows.length));
      const page = this.#uses.timeline.page(at.segment, at.idx, direction, size);
      looks += page.events.length;
      const stop = this.#take(page.events, { ...stretch, ignored }, rows);
      // Whoever goes on until there is no more is not sent to the same end again and again.
      const isOver = rows.length === 0 && stop !== undefined && isReached(stop, stretch.to, direction);
      if (stop !== undefined) return { rows, next: isOver ? undefined : stop };
      if (page.next !== undefined && page.events.length > 0) {
        at = page.next;
        continue;
      }
      const edge = endOf(page.events, at, direction);
      const beyond = stretch.passGaps === true ? this.#uses.edges.beyond(edge.segment, direction) : undefined;
      if (beyond === undefined) return { rows, next: undefined, edge };
      at = beyond;
    }
    return { rows, next: at };
  }

  /** Adds what is wanted of a page to `rows`. The boundary where it stopped, unless it used the page up. */
  #take(page: readonly Placed[], stretch: Sifted, rows: EventRow[]): Boundary | undefined {
    const { to, direction, limit } = stretch;
    for (const row of this.#uses.events.rows(page.map(({ event }) => event))) {
      if (row.segment === null || row.idx === null) continue;
      const here = { segment: row.segment, idx: direction === 'b' ? row.idx : row.idx - 1 };
      if (rows.length >= limit || isReached(here, to, direction)) return here;
      if (this.#isWanted(row, stretch)) rows.push(row);
    }
    return undefined;
  }

  #isWanted(row: EventRow, { view, filter, ignored }: Sifted): boolean {
    // State stays: without it a room would look different to who ignores somebody.
    if (row.stateKey === null && ignored.has(row.sender)) return false;
    if (!filter.passesAll && !filter.matches(this.#uses.clientEvents.filterable(row))) return false;
    return view.mayRead(row);
  }

  /**
   * The member events of those who sent these events: at a point, or where that is not known those that the events
   * themselves cite.
   */
  sendersAt(point: StatePoint | undefined, rows: readonly EventRow[]): EventRow[] {
    const { events, interning, stateLog, citedMembers } = this.#uses;
    const senders = new Map<UserNid, EventRow>();
    for (const row of rows) if (!senders.has(row.sender)) senders.set(row.sender, row);
    const members = [...senders].map(([sender, said]) => {
      const key = interning.findStateKey('m.room.member', interning.userId(sender));
      if (key === undefined) return undefined;
      return (point && stateLog.at(point, key)) ?? citedMembers.ofSender(said);
    });
    return events.rows(members.filter((nid) => nid !== undefined));
  }

  /** The state after an event of the timeline; of one that came by backfill that before the live events behind it. */
  pointNear(row: EventRow): StatePoint | undefined {
    const exact = this.pointAfter(row);
    if (exact !== undefined || row.segment === null || row.idx === null) return exact;
    const { events, segments, timeline } = this.#uses;
    const live = segments.get(row.segment);
    const [first] = live === undefined ? [] : timeline.page(live.nid, live.fromPos - 1, 'f', 1).events;
    const behind = first && events.row(first.event);
    return behind && pointBefore(behind);
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

/** Where to go on from when a walk has come to the end of some events. */
export function endOf(
  events: readonly { readonly segment: number | null; readonly idx: number | null }[],
  from: Boundary,
  direction: Direction,
): Boundary {
  const last = events.at(-1);
  if (last === undefined || last.segment === null || last.idx === null) return from;
  return { segment: last.segment, idx: direction === 'b' ? last.idx - 1 : last.idx };
}
