import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/federation/v1/make_join/{roomId}/{userId}`
 * A join event for a user of the asking server to complete and sign. For a room with a restricted join rule it names
 * the user here who lets them in.
 * 200 `{ room_version, event }` · 400 M_INCOMPATIBLE_ROOM_VERSION not among `ver`, M_UNABLE_TO_AUTHORISE_JOIN,
 * M_UNABLE_TO_GRANT_JOIN · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1make_joinroomiduserid
 */
export const makeJoin = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/make_join/{roomId}/{userId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler({ origin, params, query }) {
      const versions = query.has('ver') ? query.all('ver') : ['1'];
      return json(serving.templates.join(origin, params.roomId, params.userId, versions));
    },
  });
