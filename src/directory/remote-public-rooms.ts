import { type FederationClient, remoteError } from '../federation/client.ts';
import { invalidParam } from '../protocol/errors.ts';
import { parseServerName } from '../protocol/ids/server-name.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import { millis } from '../util/brand.ts';
import type { JsonObject, JsonValue } from '../util/json.ts';
import type { PublicRooms, PublicRoomsQuery } from './public-rooms.ts';
import { toldRoom } from './told-room.ts';

export interface RemotePublicRoomsUses {
  readonly client: Pick<FederationClient, 'call'>;
  readonly serverName: ServerName;
  readonly publicRooms: PublicRooms;
}

/** A page of a room directory; what of it is of no use is left out. */
export interface RoomPage {
  readonly rooms: readonly JsonObject[];
  readonly next: string | undefined;
  readonly previous: string | undefined;
  readonly total: number | undefined;
}

const defaultLimit = 100;
const maxLimit = 500;
const timeout = millis(20_000);
/** Five hundred rooms with a topic of 4 kB each. */
const maxAnswerBytes = 2 * 1024 * 1024;
const maxToken = 4096;

/** The room directories of other servers. */
export class RemotePublicRooms {
  readonly #uses: RemotePublicRoomsUses;

  constructor(uses: RemotePublicRoomsUses) {
    this.#uses = uses;
  }

  /**
   * One page of the directory of the server that a client names, ours if it names none.
   * 400 M_INVALID_PARAM server name, and what `PublicRooms.list` throws · 403 M_FORBIDDEN a server that is not talked to
   * · 502, 504 M_UNKNOWN no answer that can be used
   */
  async list(name: string | undefined, query: PublicRoomsQuery): Promise<JsonObject> {
    const { serverName, publicRooms } = this.#uses;
    if (name === undefined || name === serverName) return publicRooms.list(query);
    const server = parseServerName(name);
    if (server === undefined) throw invalidParam('server is not the name of a server');
    if (query.since !== undefined && query.since.length > maxToken) throw invalidParam('since is too long');
    const answer = await this.ask(server, query);
    if ('ok' in answer) throw remoteError(answer);
    const { rooms, next, previous, total } = answer;
    return {
      chunk: [...rooms],
      ...(next === undefined ? {} : { next_batch: next }),
      ...(previous === undefined ? {} : { prev_batch: previous }),
      ...(total === undefined ? {} : { total_room_count_estimate: total }),
    };
  }

  /** Asks another server for a page. Never rejects. */
  async ask(server: ServerName, query: PublicRoomsQuery, signal?: AbortSignal) {
    const limit = query.limit === undefined || query.limit === 0 ? defaultLimit : Math.min(query.limit, maxLimit);
    const answer = await this.#uses.client.call({
      server,
      path: '/_matrix/federation/v1/publicRooms',
      timeout,
      maxBytes: maxAnswerBytes,
      isHearsay: true,
      ...(signal === undefined ? {} : { signal }),
      ...(isPlain(query) ? getOf(query, limit) : postOf(query, limit)),
    });
    return answer.ok ? pageOf(answer.value, limit) : answer;
  }
}

/** Without anything that only the body of a POST can say. */
function isPlain({ searchTerm, roomTypes }: PublicRoomsQuery): boolean {
  return (searchTerm === undefined || searchTerm === '') && roomTypes === undefined;
}

function getOf({ since, allNetworks, network }: PublicRoomsQuery, limit: number) {
  const query = {
    limit: String(limit),
    since,
    include_all_networks: allNetworks === undefined ? undefined : String(allNetworks),
    third_party_instance_id: network,
  };
  return { method: 'GET', query } as const;
}

function postOf({ since, searchTerm, roomTypes, allNetworks, network }: PublicRoomsQuery, limit: number) {
  const filter: JsonObject = {};
  if (searchTerm !== undefined) filter['generic_search_term'] = searchTerm;
  if (roomTypes !== undefined) filter['room_types'] = [...roomTypes];
  const content: JsonObject = { limit, filter };
  if (since !== undefined) content['since'] = since;
  if (allNetworks !== undefined) content['include_all_networks'] = allNetworks;
  if (network !== undefined) content['third_party_instance_id'] = network;
  return { method: 'POST', content } as const;
}

function pageOf(value: JsonObject, limit: number): RoomPage {
  const { chunk, next_batch: next, prev_batch: previous, total_room_count_estimate: total } = value;
  const rooms = Array.isArray(chunk) ? chunk.slice(0, limit).map((room) => toldRoom(room)?.summary) : [];
  return {
    rooms: rooms.filter((room) => room !== undefined),
    next: tokenOf(next),
    previous: tokenOf(previous),
    total: typeof total === 'number' && Number.isSafeInteger(total) && total >= 0 ? total : undefined,
  };
}

function tokenOf(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= maxToken ? value : undefined;
}
