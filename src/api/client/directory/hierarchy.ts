import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/client/v1/rooms/{roomId}/hierarchy`
 * The tree of rooms below a space, without those that the requester may neither join nor read.
 * 200 `{ rooms, next_batch? }` · 400 M_INVALID_PARAM limit, depth, token · 403 M_FORBIDDEN not to be told of this room
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidhierarchy
 */
export const spaceHierarchy = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/{roomId}/hierarchy',
    auth: 'user',
    limit: 'other',
    body: 'none',
    handler: async ({ requester, params, query }) =>
      json(
        await directory.hierarchy.page(requester, params.roomId, {
          suggestedOnly: query.flag('suggested_only') ?? false,
          limit: query.integer('limit', { min: 1 }),
          maxDepth: query.integer('max_depth'),
          from: query.get('from'),
        }),
      ),
  });
