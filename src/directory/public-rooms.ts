import { invalidParam } from '../protocol/errors.ts';
import type { WholeRooms } from '../rooms/partial/whole-rooms.ts';
import type { ListedRoom, ListPlace, RoomDirectoryStore } from '../store/directory/rooms.ts';
import type { JsonObject } from '../util/json.ts';
import { fold } from '../util/words.ts';
import { type FactSources, publicRoom, type RoomFacts, roomFacts } from './room-facts.ts';

export interface PublicRoomsUses extends FactSources {
  readonly roomDirectory: RoomDirectoryStore;
  readonly wholeRooms: Pick<WholeRooms, 'isMissing'>;
}

export interface PublicRoomsQuery {
  readonly limit?: number | undefined;
  readonly since?: string | undefined;
  readonly searchTerm?: string | undefined;
  /** `null`: rooms without a type. */
  readonly roomTypes?: readonly (string | null)[] | undefined;
  readonly allNetworks?: boolean | undefined;
  readonly network?: string | undefined;
}

const defaultLimit = 100;
const maxLimit = 500;
/** How many rooms a search looks at for one answer; the client goes on from there. */
const maxLooks = 1000;

interface Cursor {
  readonly direction: 'n' | 'p';
  readonly place: ListPlace;
}

/** The first and the last room that was looked at, wanted or not, in the order of looking. */
interface Looked {
  readonly first: ListPlace | undefined;
  readonly last: ListPlace | undefined;
}

/** The published rooms of this server, the largest first. */
export class PublicRooms {
  readonly #uses: PublicRoomsUses;

  constructor(uses: PublicRoomsUses) {
    this.#uses = uses;
  }

  /**
   * One page. A token goes on from a room by its size and number, so that rooms that come or go move nothing else.
   * 400 M_INVALID_PARAM token, a network with all networks
   */
  list(query: PublicRoomsQuery): JsonObject {
    if (query.network !== undefined) {
      if (query.allNetworks === true) {
        throw invalidParam('third_party_instance_id and include_all_networks exclude each other');
      }
      // Networks come with application services; nothing is published in one that is not there.
      return { chunk: [], total_room_count_estimate: 0 };
    }
    const cursor = query.since === undefined ? undefined : parseCursor(query.since);
    const limit = Math.min(query.limit === undefined || query.limit === 0 ? defaultLimit : query.limit, maxLimit);
    const page = this.#collect(query, cursor, limit);
    const looked = cursor?.direction === 'p' ? { first: page.last, last: page.first } : page;
    const chunk = cursor?.direction === 'p' ? page.rooms.toReversed() : page.rooms;
    return { chunk, ...this.#tokens(looked), total_room_count_estimate: this.#uses.roomDirectory.count() };
  }

  /** Tokens for what lies on both sides of a page. */
  #tokens({ first, last }: Looked): JsonObject {
    const { roomDirectory } = this.#uses;
    const hasNext = last !== undefined && roomDirectory.after(last, 1).length > 0;
    const hasPrevious = first !== undefined && roomDirectory.before(first, 1).length > 0;
    return {
      ...(hasNext ? { next_batch: cursorText('n', last) } : {}),
      ...(hasPrevious ? { prev_batch: cursorText('p', first) } : {}),
    };
  }

  #collect(
    query: PublicRoomsQuery,
    cursor: Cursor | undefined,
    limit: number,
  ): Looked & { readonly rooms: JsonObject[] } {
    const { roomDirectory, interning } = this.#uses;
    const matches = matcher(query);
    const rooms: JsonObject[] = [];
    let at: ListPlace | undefined = cursor?.place;
    let first: ListPlace | undefined;
    for (let looks = 0; rooms.length < limit && looks < maxLooks; ) {
      const page: ListedRoom[] =
        cursor?.direction === 'p' && at !== undefined
          ? roomDirectory.before(at, limit)
          : roomDirectory.after(at, limit);
      for (const listed of page) {
        if (rooms.length >= limit) break;
        const facts = this.#facts(listed);
        if (facts !== undefined && matches(facts)) rooms.push(publicRoom(interning.roomId(listed.room), facts));
        first ??= listed;
        at = listed;
        looks++;
      }
      if (page.length < limit) break;
    }
    return { rooms, first: first ?? cursor?.place, last: at };
  }

  /** Nothing of a room where members are missing: nobody can be told how many there are. */
  #facts({ room }: ListedRoom): RoomFacts | undefined {
    return this.#uses.wholeRooms.isMissing(room) ? undefined : roomFacts(this.#uses, room);
  }
}

function matcher({ searchTerm, roomTypes }: PublicRoomsQuery): (facts: RoomFacts) => boolean {
  const term = fold(searchTerm ?? '').trim();
  return (facts) => {
    if (roomTypes !== undefined && !roomTypes.includes(facts.type ?? null)) return false;
    if (term === '') return true;
    return [facts.name, facts.topic, facts.canonicalAlias].some(
      (text) => text !== undefined && fold(text).includes(term),
    );
  };
}

function cursorText(direction: 'n' | 'p', { joined, room }: ListPlace): string {
  return `${direction}${joined}_${room}`;
}

function parseCursor(text: string): Cursor {
  const [, direction, joined, room] = /^([np])(\d{1,15})_(\d{1,15})$/.exec(text) ?? [];
  if (direction === undefined) throw invalidParam('since is not a token of this server');
  return {
    direction: direction === 'p' ? 'p' : 'n',
    place: { joined: Number(joined), room: Number(room) },
  };
}
