import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import { publicRoomsSearch } from '../../public-rooms-search.ts';
import type { Services } from '../../services.ts';

const path = '/_matrix/federation/v1/publicRooms';

/**
 * `GET /_matrix/federation/v1/publicRooms`
 * The rooms that this server publishes, the largest first.
 * 200 `{ chunk, next_batch?, prev_batch?, total_room_count_estimate }` · 400 M_INVALID_PARAM limit, token, a network with
 * all networks
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1publicrooms
 */
export const getPublicRooms = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler: ({ query }) =>
      json(
        directory.publicRooms.list({
          limit: query.integer('limit'),
          since: query.get('since'),
          allNetworks: query.flag('include_all_networks'),
          network: query.get('third_party_instance_id'),
        }),
      ),
  });

/**
 * `POST /_matrix/federation/v1/publicRooms`
 * Those that have a term in name, topic or alias, or are of certain types.
 * 200 as above · 400 M_BAD_JSON, M_INVALID_PARAM
 * @see https://spec.matrix.org/v1.19/server-server-api/#post_matrixfederationv1publicrooms
 */
export const searchPublicRooms = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path,
    auth: 'server',
    limit: 'federation',
    body: 'json',
    handler: ({ body }) => json(directory.publicRooms.list(publicRoomsSearch(body))),
  });
