import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { reasonBody, viaOf, withReason } from './schemas.ts';

/**
 * `POST /_matrix/client/v3/knock/{roomIdOrAlias}`
 * Asks to be let into a room; `via` (or `server_name`) names servers that are in it.
 * 200 `{ room_id }` · 400 M_INVALID_PARAM · 403 M_FORBIDDEN the room takes no knocks, or the requester is in it, invited
 * or banned · 404 M_NOT_FOUND · 502, 504 M_UNKNOWN no server that is in it answers
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3knockroomidoralias
 */
export const knock = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/knock/{roomIdOrAlias}',
    auth: 'user',
    body: 'optional-json',
    limit: 'joins',
    async handler({ requester, params, query, body }) {
      const options = { ...withReason(parse(reasonBody, body)), via: viaOf(query) };
      return json({ room_id: await rooms.membership.knock(requester, params.roomIdOrAlias, options) });
    },
  });
