import type { RoomEventFilter } from '../protocol/filters/event-filter.ts';
import type { WholeRooms } from '../rooms/partial/whole-rooms.ts';
import type { RoomReading } from '../rooms/read/reading.ts';
import type { Bundles } from '../rooms/relations/bundles.ts';
import type { EventRow } from '../store/events/event-row.ts';
import { memberships } from '../store/events/membership.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid } from '../store/nids.ts';
import type { TextKind } from '../store/search/message-text.ts';
import type { RoomStateStore } from '../store/state/room-state-store.ts';
import type { Requester } from '../users/login/requester.ts';
import type { People } from '../users/profiles/people.ts';
import type { JsonObject } from '../util/json.ts';
import { type Match, type MatchesUses, MatchFinder } from './matches.ts';
import { type ContextWish, SearchContext, type SearchContextUses } from './search-context.ts';
import type { SearchIndex } from './search-index.ts';
import { SearchTerm } from './search-term.ts';
import { type GroupKey, type Order, parsePlace, placeText, type SearchPlace } from './search-token.ts';

export interface SearchUses extends MatchesUses, SearchContextUses {
  readonly roomState: RoomStateStore;
  readonly interning: Interning;
  readonly reading: RoomReading;
  readonly bundles: Bundles;
  readonly people: People;
  readonly searchIndex: SearchIndex;
  readonly wholeRooms: Pick<WholeRooms, 'isMissing'>;
}

export interface SearchWish {
  readonly term: string;
  /** All without. */
  readonly kinds?: readonly TextKind[] | undefined;
  readonly filter: RoomEventFilter;
  readonly order: Order;
  readonly context?: ContextWish | undefined;
  readonly includeState: boolean;
  readonly groupBy: readonly GroupKey[];
  readonly nextBatch?: string | undefined;
}

const defaultLimit = 10;
const maxLimit = 100;
const maxHighlights = 100;

interface Page {
  readonly shown: readonly Match[];
  readonly place: SearchPlace;
  readonly found: readonly Match[];
  /** The place behind the page; `undefined` at the end. */
  readonly next: SearchPlace | undefined;
}

/**
 * Searches messages, names and topics of the rooms that the requester is or was in.
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3search
 */
export class Search {
  readonly #uses: SearchUses;
  readonly #matches: MatchFinder;
  readonly #context: SearchContext;

  constructor(uses: SearchUses) {
    this.#uses = uses;
    this.#matches = new MatchFinder(uses);
    this.#context = new SearchContext(uses);
  }

  /** The content of `room_events`, as JSON text in pieces. 400 M_INVALID_PARAM the token, at once */
  search(requester: Requester, wish: SearchWish): Generator<string> {
    const place = wish.nextBatch === undefined ? start(wish.order) : parsePlace(wish.nextBatch, wish.order);
    const term = new SearchTerm(wish.term);
    const rooms = this.#rooms(requester, wish.filter, place);
    const isHopeless = term.isEmpty || rooms.size === 0 || wish.filter.nothing || wish.kinds?.length === 0;
    if (!isHopeless) this.#uses.searchIndex.catchUp();
    const { found, next } = isHopeless
      ? { found: [], next: undefined }
      : this.#matches.find({
          user: requester.user,
          term,
          rooms,
          kinds: wish.kinds,
          filter: wish.filter,
          ignored: this.#uses.people.ignored(requester.user),
          place,
        });
    const limit = Math.min(wish.filter.limit ?? defaultLimit, maxLimit);
    const end = place.skip + limit;
    const shown = found.slice(place.skip, end);
    const page: Page = { shown, place, found, next: behind(place, found.length, end, next) };
    return this.#write(requester, wish, term, page);
  }

  /** Rooms that the requester is in, or was in and has not forgotten. */
  #rooms({ user }: Requester, filter: RoomEventFilter, { group }: SearchPlace): Set<RoomNid> {
    const { roomState, interning } = this.#uses;
    const rooms = new Set<RoomNid>();
    const { join, leave, ban } = memberships;
    for (const { room, forgotten } of roomState.localRooms(user, [join, leave, ban])) {
      if (forgotten || (group?.key === 'room_id' && room !== group.nid)) continue;
      if (filter.rooms.any || filter.rooms.allows(interning.roomId(room))) rooms.add(room);
    }
    return rooms;
  }

  *#write(requester: Requester, wish: SearchWish, term: SearchTerm, page: Page): Generator<string> {
    const { shown, place, found, next } = page;
    const highlights = new Set([...term.words, ...shown.flatMap(({ words }) => words)]);
    yield `{"count":${place.counted + found.length},"highlights":${JSON.stringify([...highlights].slice(0, maxHighlights))}`;
    if (next !== undefined) yield `,"next_batch":${JSON.stringify(placeText(next))}`;
    if (wish.groupBy.length > 0) yield `,"groups":${JSON.stringify(this.#groups(wish.groupBy, page))}`;
    yield ',"results":[';
    let separator = '';
    for (const match of shown) {
      yield separator + this.#result(requester, match, wish.context);
      separator = ',';
    }
    yield ']';
    if (wish.includeState) yield* this.#states(requester, shown);
    yield '}';
  }

  #result(requester: Requester, { row, rank, view }: Match, context: ContextWish | undefined): string {
    const { bundles } = this.#uses;
    const audience = { view, device: requester.device, withRoomId: true };
    const event = bundles.text(row, audience);
    const around = context === undefined ? '' : `,"context":${this.#context.text(row, audience, context)}`;
    return `{"rank":${rank},"result":${event}${around}}`;
  }

  /** The results of the page by room or sender, each with a token for more of its own. */
  #groups(keys: readonly GroupKey[], { shown, place, found, next }: Page): JsonObject {
    const { interning } = this.#uses;
    const groups: JsonObject = {};
    for (const key of keys) {
      const members = Map.groupBy(shown, ({ row }) => nidOf(row, key));
      const entries = [...members].map(([nid, matches], order): [string, JsonObject] => {
        const [first] = matches;
        if (first === undefined) throw new Error('a group without members');
        const name = key === 'room_id' ? interning.roomId(first.row.room) : interning.userId(first.row.sender);
        const results = matches.map(({ row }) => interning.eventId(row.nid));
        const passed = found.slice(0, place.skip + shown.length).filter(({ row }) => nidOf(row, key) === nid).length;
        const more = next !== undefined && (next.before !== place.before || inGroup(found, key, nid) > passed);
        const token = more ? placeText({ ...place, skip: passed, group: { key, nid } }) : undefined;
        return [name, { order, results, ...(token === undefined ? {} : { next_batch: token }) }];
      });
      groups[key] = Object.fromEntries(entries);
    }
    return groups;
  }

  *#states(requester: Requester, shown: readonly Match[]): Generator<string> {
    const { interning, reading, wholeRooms } = this.#uses;
    yield ',"state":{';
    let separator = '';
    for (const nid of new Set(shown.map(({ row }) => row.room))) {
      // Where members are missing, half a state is not shown as one.
      if (wholeRooms.isMissing(nid)) continue;
      const room = interning.roomId(nid);
      yield `${separator}${JSON.stringify(room)}:`;
      yield* reading.state(requester, room);
      separator = ',';
    }
    yield '}';
  }
}

function start(order: Order): SearchPlace {
  return { order, before: Number.MAX_SAFE_INTEGER, skip: 0, counted: 0, group: undefined };
}

/** Where the next page begins: among the same matches, or with older ones. */
function behind(place: SearchPlace, found: number, end: number, older: number | undefined): SearchPlace | undefined {
  if (found > end) return { ...place, skip: end };
  return older === undefined ? undefined : { ...place, before: older, skip: 0, counted: place.counted + found };
}

function nidOf(row: EventRow, key: GroupKey): number {
  return key === 'room_id' ? row.room : row.sender;
}

function inGroup(found: readonly Match[], key: GroupKey, nid: number): number {
  return found.filter(({ row }) => nidOf(row, key) === nid).length;
}
