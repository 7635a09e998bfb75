import { parseRoomId, serverOfAlias } from '../protocol/ids/room-id.ts';
import { parseServerName } from '../protocol/ids/server-name.ts';
import type { RoomAlias, RoomId, ServerName } from '../protocol/ids/types.ts';
import type { JsonValue } from '../util/json.ts';
import { SharedWork } from '../util/shared-work.ts';
import type { FederationClient, RemoteFailure } from './client.ts';

/** Where a room of another server's alias can be joined. */
export interface ResolvedAlias {
  readonly ok: true;
  readonly roomId: RoomId;
  /** At least one: where the answer names none, the server that answered. */
  readonly servers: readonly ServerName[];
}

/** Servers of an answer that are looked at; more of them help nobody to join. */
const maxServers = 50;

/** An answer has a room ID and names of servers of at most 255 bytes each. */
const maxAnswerBytes = 256 * 1024;

/** The aliases of other servers. */
export class RemoteDirectory {
  readonly #client: Pick<FederationClient, 'call'>;
  /** One question for an alias at a time; each is a call, which the client bounds. */
  readonly #asked = new SharedWork<RoomAlias, ResolvedAlias | RemoteFailure>();

  constructor(client: Pick<FederationClient, 'call'>) {
    this.#client = client;
  }

  /**
   * Asks the server of an alias for its room. Never throws; an alias that is not there is a failure of the kind
   * `refused` with status 404.
   * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1querydirectory
   */
  resolveAlias(alias: RoomAlias): Promise<ResolvedAlias | RemoteFailure> {
    return this.#asked.run(alias, () => this.#ask(alias));
  }

  async #ask(alias: RoomAlias): Promise<ResolvedAlias | RemoteFailure> {
    const server = serverOfAlias(alias);
    const answer = await this.#client.call({
      server,
      method: 'GET',
      path: '/_matrix/federation/v1/query/directory',
      query: { room_alias: alias },
      maxBytes: maxAnswerBytes,
      isHearsay: true,
    });
    if (!answer.ok) return answer;
    const { room_id: room, servers } = answer.value;
    const roomId = typeof room === 'string' ? parseRoomId(room) : undefined;
    if (roomId === undefined) {
      return { ok: false, server, kind: 'invalid', retryable: false, detail: 'the answer names no room' };
    }
    const named = namesOf(servers);
    return { ok: true, roomId, servers: named.length > 0 ? named : [server] };
  }
}

function namesOf(servers: JsonValue | undefined): ServerName[] {
  if (!Array.isArray(servers)) return [];
  const names = new Set<ServerName>();
  for (const text of servers.slice(0, maxServers)) {
    const name = typeof text === 'string' ? parseServerName(text) : undefined;
    if (name !== undefined) names.add(name);
  }
  return [...names];
}
