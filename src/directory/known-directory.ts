import { invalidParam } from '../protocol/errors.ts';
import type { ListedPlace, ListedRoomRow, ListedRoomStore } from '../store/directory/listed-rooms.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { JsonObject } from '../util/json.ts';
import { fold } from '../util/words.ts';
import type { PublicRooms } from './public-rooms.ts';

export interface KnownDirectoryUses {
  readonly interning: Interning;
  readonly listedRooms: ListedRoomStore;
  readonly publicRooms: PublicRooms;
}

export interface KnownDirectoryQuery {
  readonly search?: string | undefined;
  readonly since?: string | undefined;
  readonly limit?: number | undefined;
}

const defaultLimit = 50;
const maxLimit = 200;
/** Rooms that one page looks at; who wants more goes on from there. */
const maxLooks = 1000;
const pageSize = 100;
/** Servers named with a room, to join it by. */
const maxServers = 5;

/** One directory over the rooms of all servers that this one knows: ours first, then the others, the largest first. */
export class KnownDirectory {
  readonly #uses: KnownDirectoryUses;

  constructor(uses: KnownDirectoryUses) {
    this.#uses = uses;
  }

  /**
   * One page; it may be empty and have a `next_batch`: then there is more to look at. Each room stands there once, with
   * the servers that publish it. 400 M_INVALID_PARAM token
   */
  page({ search, since, limit }: KnownDirectoryQuery): JsonObject {
    const wanted = Math.min(limit ?? defaultLimit, maxLimit);
    const own = since === undefined ? '' : /^o(.+)$/.exec(since)?.[1];
    return own === undefined ? this.#others(search, placeIn(since as string), wanted) : this.#own(search, own, wanted);
  }

  #own(search: string | undefined, since: string, limit: number): JsonObject {
    const answer = this.#uses.publicRooms.list({
      limit,
      searchTerm: search,
      ...(since === '' ? {} : { since }),
    });
    const chunk = (answer['chunk'] as JsonObject[]).map((room) => ({ ...room, servers: [] }));
    const next = answer['next_batch'];
    if (typeof next === 'string') return { chunk, next_batch: `o${next}` };
    const rest = this.#others(search, undefined, limit - chunk.length);
    return { ...rest, chunk: [...chunk, ...(rest['chunk'] as JsonObject[])] };
  }

  #others(search: string | undefined, from: ListedPlace | undefined, limit: number): JsonObject {
    const term = fold(search ?? '').trim();
    const chunk: JsonObject[] = [];
    let at = from;
    for (let looks = 0; looks < maxLooks; ) {
      const rows = this.#uses.listedRooms.after(at, pageSize);
      for (const row of rows) {
        if (chunk.length >= limit) return { chunk, next_batch: tokenOf(at) };
        const room = this.#room(row, term);
        if (room !== undefined) chunk.push(room);
        at = row;
        looks++;
      }
      if (rows.length < pageSize) return { chunk };
    }
    return { chunk, next_batch: tokenOf(at) };
  }

  #room(row: ListedRoomRow, term: string): JsonObject | undefined {
    const { interning, listedRooms } = this.#uses;
    const room = JSON.parse(row.summary) as JsonObject;
    const texts = [room['name'], room['topic'], room['canonical_alias']];
    const isMeant = term === '' || texts.some((text) => typeof text === 'string' && fold(text).includes(term));
    if (!isMeant || listedRooms.isListedBefore(row.roomId, row.server)) return undefined;
    const servers = listedRooms.serversOf(row.roomId, maxServers).map((server) => interning.serverName(server));
    return { ...room, servers };
  }
}

/** `k` and the place behind which the next page begins; `k` alone: at the first room. */
function tokenOf(place: ListedPlace | undefined): string {
  return place === undefined ? 'k' : `k${place.joined}_${place.server}_${place.roomId}`;
}

function placeIn(token: string): ListedPlace | undefined {
  if (token === 'k') return undefined;
  const [, joined, server, roomId] = /^k(\d{1,15})_(\d{1,15})_(!.{1,255})$/s.exec(token) ?? [];
  if (roomId === undefined) throw invalidParam('since is not a token of this server');
  return { joined: Number(joined), server: Number(server), roomId };
}
