import type { RoomEventFilter } from '../protocol/filters/event-filter.ts';
import type { ClientEvents } from '../rooms/read/client-events.ts';
import type { RoomView, Visibility } from '../rooms/read/visibility.ts';
import type { EventRow } from '../store/events/event-row.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { eventFlags } from '../store/events/flags.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { EventNid, RoomNid, UserNid } from '../store/nids.ts';
import type { RelationStore } from '../store/relations/relations.ts';
import type { MessageTextStore, TextKind } from '../store/search/message-text.ts';
import { isJsonObject } from '../util/json.ts';
import type { SearchTerm, TextMatch } from './search-term.ts';
import type { SearchPlace } from './search-token.ts';
import { searchableOf } from './searchable.ts';

export interface MatchesUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly relations: RelationStore;
  readonly messageText: MessageTextStore;
  readonly visibility: Visibility;
  readonly clientEvents: ClientEvents;
}

export interface MatchQuery {
  readonly user: UserNid;
  readonly term: SearchTerm;
  readonly rooms: ReadonlySet<RoomNid>;
  readonly kinds: readonly TextKind[] | undefined;
  readonly filter: RoomEventFilter;
  readonly ignored: ReadonlySet<UserNid>;
  readonly place: SearchPlace;
}

export interface Match extends TextMatch {
  /** The event that is shown: the edited one, if an edit matched. */
  readonly row: EventRow;
  readonly view: RoomView;
}

export interface Matches {
  /** In the order wanted. */
  readonly found: readonly Match[];
  /** Where to look for more; `undefined` when everything was looked at. */
  readonly next: number | undefined;
}

/** Matches that are ranked and counted together; older ones come on later pages. */
const maxFound = 250;
/** Entries of the index that one request looks at, whatever it finds. */
const maxLooks = 1000;
const pageSize = 100;
/**
 * With more rooms than this the index is asked for all rooms, and what is found is sorted out here: a long list of
 * choices costs the index more than it saves.
 */
const maxRoomsAsked = 100;
/** Edits of one message that are looked at for a valid one. */
const maxEdits = 5;

/** Finds the texts that match and that the reader may see. */
export class MatchFinder {
  readonly #uses: MatchesUses;

  constructor(uses: MatchesUses) {
    this.#uses = uses;
  }

  find(query: MatchQuery): Matches {
    const { term, rooms, kinds, place } = query;
    const { events, messageText } = this.#uses;
    const asked = rooms.size <= maxRoomsAsked ? [...rooms] : undefined;
    const views = new Map<RoomNid, RoomView>();
    const found: Match[] = [];
    let before: number | undefined = place.before;
    for (let looks = 0; before !== undefined && found.length < maxFound && looks < maxLooks; looks += pageSize) {
      const page = messageText.find({ ...term.query, rooms: asked, kinds }, before, pageSize);
      for (const row of events.rows(page)) {
        const match = this.#match(row, query, views);
        if (match !== undefined) found.push(match);
      }
      before = page.length < pageSize ? undefined : page.at(-1);
    }
    if (place.order === 'rank') found.sort((a, b) => b.rank - a.rank || b.row.nid - a.row.nid);
    return { found, next: before };
  }

  #match(row: EventRow, query: MatchQuery, views: Map<RoomNid, RoomView>): Match | undefined {
    const { clientEvents, visibility } = this.#uses;
    const { group } = query.place;
    if (!query.rooms.has(row.room) || (row.stateKey === null && query.ignored.has(row.sender))) return undefined;
    if (group?.key === 'sender' && row.sender !== group.nid) return undefined;
    const view = views.get(row.room) ?? visibility.view(row.room, query.user);
    views.set(row.room, view);
    const text = this.#textOf(row, view);
    if (text === undefined) return undefined;
    const match = query.term.match(text.text);
    if (match === undefined) return undefined;
    if (!query.filter.passesAll && !query.filter.matches(clientEvents.filterable(text.shown))) return undefined;
    if (!view.mayRead(row) || !view.mayRead(text.shown)) return undefined;
    return { ...match, row: text.shown, view };
  }

  /** The text of an event as it counts for a reader; `undefined` if it was redacted or another text is in its place. */
  #textOf(row: EventRow, view: RoomView): { readonly text: string; readonly shown: EventRow } | undefined {
    const { events, interning } = this.#uses;
    if ((row.flags & eventFlags.REDACTED) !== 0) return undefined;
    const searchable = searchableOf(row, events.bare(row.nid)['content']);
    if (searchable === undefined) return undefined;
    const { text, edits } = searchable;
    if (edits === undefined) return this.#newestEdit(row, view) === undefined ? { text, shown: row } : undefined;
    const nid = interning.findEvent(edits);
    const shown = nid === undefined ? undefined : events.row(nid);
    if (shown === undefined || shown.room !== row.room || (shown.flags & eventFlags.REDACTED) !== 0) return undefined;
    return this.#newestEdit(shown, view) === row.nid ? { text, shown } : undefined;
  }

  /**
   * The edit whose text counts: the newest by the message's sender that the reader may see.
   * @see https://spec.matrix.org/v1.19/client-server-api/#validity-of-replacement-events
   */
  #newestEdit(row: EventRow, view: RoomView): EventNid | undefined {
    const { events, interning, relations } = this.#uses;
    const rel = interning.findType('m.replace');
    if (rel === undefined || row.stateKey !== null) return undefined;
    const edits = relations.newestOf(row.nid, { rel, sender: row.sender, type: row.type }, maxEdits);
    return edits.find(({ event }) => {
      const content = events.bare(event)['content'];
      if (!isJsonObject(content) || !isJsonObject(content['m.new_content'])) return false;
      const edit = events.row(event);
      return edit !== undefined && view.mayRead(edit);
    })?.event;
  }
}
