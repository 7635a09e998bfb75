import type { RoomEventFilter } from '../protocol/filters/event-filter.ts';
import type { ClientEvents } from '../rooms/read/client-events.ts';
import type { RoomView } from '../rooms/read/visibility.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { Interning } from '../store/interning/interning.ts';
import { wellKnown } from '../store/interning/well-known.ts';
import type { EventNid, StreamPos } from '../store/nids.ts';
import type { Segments } from '../store/segments.ts';
import type { RoomInfo } from '../store/state/room-info.ts';
import type { SyncChanges } from '../store/sync/changes.ts';
import { justBefore } from '../store/sync/positions.ts';
import type { HistoryFloors } from '../store/thinning/history-floors.ts';
import type { Turn } from './turn.ts';

/** Events in a timeline where the filter asks for no other number. */
const defaultLimit = 10;
/** And however many it asks for. */
const maxLimit = 100;
/** Events looked at for one timeline when most of them do not pass: then it is limited, and the client may page back. */
const maxExamined = 1000;

/** The timeline of one room in one answer. */
export interface TimelineBatch {
  /** Oldest first. */
  readonly events: readonly EventRow[];
  /** Events between `since` and the first of these are left out. */
  readonly limited: boolean;
  /** The boundary in the room's order from which to page back. */
  readonly prev: { readonly segment: number; readonly idx: number };
  /** The position of the room's state just before the first event. */
  readonly start: StreamPos;
}

export interface TimelineStretch {
  readonly info: RoomInfo;
  readonly view: RoomView;
  /** Exclusive; `undefined`: as far back as the newest segment has live events. */
  readonly since: StreamPos | undefined;
  /** Inclusive. */
  readonly upTo: StreamPos;
  /** The reader's own member event, which is told whatever the history's visibility: it is why the room is told of. */
  readonly own?: EventNid;
}

export interface TimelineUses {
  readonly changes: SyncChanges;
  readonly segments: Segments;
  readonly historyFloors: HistoryFloors;
  readonly clientEvents: ClientEvents;
  readonly interning: Interning;
}

/** Reads the newest live events of rooms, as one user may see them and wants them. */
export class RoomTimelines {
  readonly #changes: SyncChanges;
  readonly #segments: Segments;
  readonly #historyFloors: HistoryFloors;
  readonly #clientEvents: ClientEvents;
  readonly #interning: Interning;

  constructor(uses: TimelineUses) {
    this.#interning = uses.interning;
    this.#changes = uses.changes;
    this.#segments = uses.segments;
    this.#historyFloors = uses.historyFloors;
    this.#clientEvents = uses.clientEvents;
  }

  read(turn: Turn, stretch: TimelineStretch): TimelineBatch {
    const { info, since, upTo } = stretch;
    const filter = turn.filter.room.timeline;
    // Nothing happened: the most frequent case of all when other things changed in the room.
    if (since !== undefined && info.lastPos <= since) return emptyBatch(info.segment, upTo, false);
    const begin = this.#segments.get(info.segment)?.fromPos ?? 0;
    const after = Math.max(since ?? 0, begin - 1);
    const search = new Search(Math.min(filter.limit ?? defaultLimit, maxLimit));
    if (filter.nothing || !filter.rooms.allows(this.#interning.roomId(info.room))) {
      return emptyBatch(info.segment, upTo, info.lastPos > after);
    }
    this.#search(turn, stretch, after, search, filter);
    const cut = since === undefined || since < begin || this.#isThinned(info, since);
    return search.batch(info.segment, upTo, cut);
  }

  /** Whether some of what happened since has been deleted. */
  #isThinned({ room, segment }: RoomInfo, since: StreamPos): boolean {
    const floor = this.#historyFloors.of(room);
    return floor !== undefined && floor.segment === segment && since < floor.idx;
  }

  /** Newest first, in pages, until there is one event more than wanted or nothing is left. */
  #search(turn: Turn, stretch: TimelineStretch, after: number, search: Search, filter: RoomEventFilter) {
    const { info, upTo } = stretch;
    let before = upTo + 1;
    while (true) {
      const size = search.wanted;
      const page = this.#changes.events(info.segment, after, before, size);
      for (const row of page) {
        const passes = this.#passes(turn, stretch, row, filter);
        if (search.add(row, passes)) return;
      }
      const last = page.at(-1);
      if (last === undefined || page.length < size) {
        search.exhausted = true;
        return;
      }
      before = last.idx as number;
    }
  }

  #passes(turn: Turn, { view, own }: TimelineStretch, row: EventRow, filter: RoomEventFilter): boolean {
    if (row.stateKey === null && turn.ignored.has(row.sender)) return false;
    if (!filter.passesAll && !filter.matches(this.#clientEvents.filterable(row))) return false;
    return row.nid === own || view.mayRead(row);
  }
}

function emptyBatch(segment: number, upTo: StreamPos, limited: boolean): TimelineBatch {
  return { events: [], limited, prev: { segment, idx: upTo }, start: upTo };
}

/** Gathers a timeline from its end. */
class Search {
  readonly #limit: number;
  /** Newest first. */
  readonly #events: EventRow[] = [];
  #examined = 0;
  #last: EventRow | undefined;
  #more = false;
  /** Nothing older is left in the stretch. */
  exhausted = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many rows to read next: one more than is still missing tells whether there are others. */
  get wanted(): number {
    return Math.max(this.#limit - this.#events.length, this.#examined === 0 ? 0 : 50) + 1;
  }

  /** Returns true when the search is over. */
  add(row: EventRow, passes: boolean): boolean {
    if (passes && this.#events.length === this.#limit) {
      this.#more = true;
      return true;
    }
    this.#last = row;
    if (passes) this.#events.push(row);
    if (++this.#examined >= maxExamined) {
      this.#more = true;
      return true;
    }
    return false;
  }

  /** `cut`: the stretch ends where the segment begins, so that something may come before it. */
  batch(segment: number, upTo: StreamPos, cut: boolean): TimelineBatch {
    const oldest = this.#events.at(-1);
    const begins = this.#last?.type === wellKnown.types.create;
    const limited = this.#more || (this.exhausted && cut && !begins);
    const first = oldest ?? this.#last;
    const idx = first === undefined ? upTo : (first.idx as number) - 1;
    return {
      events: this.#events.reverse(),
      limited,
      prev: { segment, idx },
      start: typeof oldest?.pos === 'number' ? justBefore(oldest.pos) : upTo,
    };
  }
}
