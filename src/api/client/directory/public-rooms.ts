import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import { publicRoomsSearch } from '../../public-rooms-search.ts';
import type { Services } from '../../services.ts';

const path = '/_matrix/client/v3/publicRooms';

/**
 * `GET /_matrix/client/v3/publicRooms`
 * The published rooms of this server, the largest first, or those of another.
 * 200 `{ chunk, next_batch?, prev_batch?, total_room_count_estimate }` · 400 M_INVALID_PARAM limit, token, server name
 * · 403 M_FORBIDDEN a server that is not talked to · 502, 504 M_UNKNOWN another server does not answer
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3publicrooms
 */
export const getPublicRooms = ({ directory, server, strangers }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    auth: 'none',
    body: 'none',
    limit: 'other',
    async handler(request) {
      const { query } = request;
      const name = query.get('server');
      const wish = { limit: query.integer('limit'), since: query.get('since') };
      const list = () => directory.remotePublicRooms.list(name, wish);
      const isOurs = name === undefined || name === server.serverName;
      return json(await (isOurs ? list() : strangers.run(request, list)));
    },
  });

/**
 * `POST /_matrix/client/v3/publicRooms`
 * The published rooms that have a term in name, topic or alias, or are of certain types. A page may be empty and have a
 * `next_batch`: then there is more to look at.
 * 200 `{ chunk, next_batch?, prev_batch?, total_room_count_estimate }` · 400 M_BAD_JSON, M_INVALID_PARAM
 * · 403 M_FORBIDDEN a server that is not talked to · 502, 504 M_UNKNOWN another server does not answer
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3publicrooms
 */
export const searchPublicRooms = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path,
    auth: 'user',
    body: 'optional-json',
    limit: 'other',
    handler: async ({ query, body }) =>
      json(await directory.remotePublicRooms.list(query.get('server'), publicRoomsSearch(body))),
  });
