import { nullish, object, string } from 'valibot';
import type { JoinOptions } from '../../../rooms/membership/membership.ts';
import type { JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import type { Query } from '../../http/query.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { jsonObject, viaOf, withReason } from './schemas.ts';

const joinBody = object({ reason: nullish(string()), third_party_signed: nullish(jsonObject) });

function joinOptions(body: JsonObject, query: Query): JoinOptions {
  const wish = parse(joinBody, body);
  const signed = wish.third_party_signed;
  return { ...withReason(wish), via: viaOf(query), ...(signed ? { thirdPartySigned: signed } : {}) };
}

/**
 * `POST /_matrix/client/v3/join/{roomIdOrAlias}`
 * Lets the requester into a room named by ID or alias; `via` (or `server_name`) names servers that are in it.
 * With `third_party_signed`, whoever was invited by an address shows that it is theirs.
 * 200 `{ room_id }` · 400 M_INVALID_PARAM neither of the two; M_INCOMPATIBLE_ROOM_VERSION · 403 M_FORBIDDEN not invited,
 * banned, or no condition of a restricted room met; M_GUEST_ACCESS_FORBIDDEN · 404 M_NOT_FOUND no such room or alias, or
 * no server is known to be in it · 502, 504 M_UNKNOWN no server that is in it answers
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3joinroomidoralias
 */
export const join = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/join/{roomIdOrAlias}',
    auth: 'user',
    body: 'optional-json',
    limit: 'joins',
    async handler({ requester, params, query, body }) {
      const options = joinOptions(body, query);
      return json({ room_id: await rooms.membership.join(requester, params.roomIdOrAlias, options) });
    },
  });

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/join`
 * The same for a room named by its ID.
 * 200 `{ room_id }` · 400 M_INVALID_PARAM, M_INCOMPATIBLE_ROOM_VERSION · 403 M_FORBIDDEN, M_GUEST_ACCESS_FORBIDDEN
 * · 404 M_NOT_FOUND · 502, 504 M_UNKNOWN
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidjoin
 */
export const joinById = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/join',
    auth: 'user',
    body: 'optional-json',
    limit: 'joins',
    async handler({ requester, params, query, body }) {
      const options = joinOptions(body, query);
      return json({ room_id: await rooms.membership.join(requester, params.roomId, options) });
    },
  });
