import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { checkOwn } from './own-user.ts';

/**
 * `POST /_matrix/client/v3/user/{userId}/filter`
 * Keeps a filter and answers the ID to use it by.
 * 200 `{ filter_id }` · 400 M_BAD_JSON, M_INVALID_PARAM not a filter · 403 M_FORBIDDEN another user
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridfilter
 */
const create = ({ filters }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/user/{userId}/filter',
    auth: 'user',
    body: 'json',
    async handler({ requester, params, body }) {
      checkOwn(requester, params.userId);
      return json({ filter_id: await filters.create(requester.user, body) });
    },
  });

/**
 * `GET /_matrix/client/v3/user/{userId}/filter/{filterId}`
 * 200 the filter · 403 M_FORBIDDEN another user · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridfilterfilterid
 */
const get = ({ filters }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/user/{userId}/filter/{filterId}',
    auth: 'user',
    body: 'none',
    handler({ requester, params: { userId, filterId } }) {
      checkOwn(requester, userId);
      return json(filters.json(requester.user, filterId));
    },
  });

export const filterEndpoints = (services: AccountServices): Endpoint[] => [create(services), get(services)];
