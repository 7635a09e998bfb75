import { array, boolean, integer, minValue, nullable, nullish, number, object, pipe, string } from 'valibot';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const path = '/_matrix/client/v3/publicRooms';

/**
 * `GET /_matrix/client/v3/publicRooms`
 * The published rooms, the largest first.
 * 200 `{ chunk, next_batch?, prev_batch?, total_room_count_estimate }` · 400 M_INVALID_PARAM limit, token, server name
 * · 403 M_FORBIDDEN another server's directory
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3publicrooms
 */
export const getPublicRooms = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    auth: 'none',
    body: 'none',
    handler: ({ query }) =>
      json(
        directory.publicRooms.list({
          limit: query.integer('limit'),
          since: query.get('since'),
          server: query.get('server'),
        }),
      ),
  });

const searchBody = object({
  limit: nullish(pipe(number(), integer(), minValue(0))),
  since: nullish(string()),
  filter: nullish(object({ generic_search_term: nullish(string()), room_types: nullish(array(nullable(string()))) })),
  include_all_networks: nullish(boolean()),
  third_party_instance_id: nullish(string()),
});

/**
 * `POST /_matrix/client/v3/publicRooms`
 * The published rooms that have a term in name, topic or alias, or are of certain types. A page may be empty and have a
 * `next_batch`: then there is more to look at.
 * 200 `{ chunk, next_batch?, prev_batch?, total_room_count_estimate }` · 400 M_BAD_JSON, M_INVALID_PARAM
 * · 403 M_FORBIDDEN another server's directory
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3publicrooms
 */
export const searchPublicRooms = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path,
    auth: 'user',
    body: 'optional-json',
    handler({ query, body }) {
      const wish = parse(searchBody, body);
      return json(
        directory.publicRooms.list({
          limit: wish.limit ?? undefined,
          since: wish.since ?? undefined,
          server: query.get('server'),
          searchTerm: wish.filter?.generic_search_term ?? undefined,
          roomTypes: wish.filter?.room_types ?? undefined,
          allNetworks: wish.include_all_networks ?? undefined,
          network: wish.third_party_instance_id ?? undefined,
        }),
      );
    },
  });
