import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/federation/v1/hierarchy/{roomId}`
 * A room, and the children of a space that the asking server could get into.
 * 200 `{ room, children, inaccessible_children }` · 400 M_INVALID_PARAM · 404 M_NOT_FOUND unknown, or nothing for that
 * server
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1hierarchyroomid
 */
export const serverHierarchy = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/hierarchy/{roomId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler: ({ origin, params, query }) =>
      json(directory.serverHierarchy.answer(origin, params.roomId, query.flag('suggested_only') ?? false)),
  });

/**
 * `GET /_matrix/federation/unstable/rooms/{roomId}/complexity`
 * How large a room is, before one joins it. Not in the specification; other servers have it under the same path.
 * 200 `{ v1, hearth: { members, servers, state_events, messages_per_day } }` · 404 M_NOT_FOUND unknown, or nothing for that server
 */
export const roomComplexity = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/unstable/rooms/{roomId}/complexity',
    alsoAt: ['/_matrix/federation/v1/rooms/{roomId}/complexity'],
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler: ({ origin, params }) => json(directory.complexity.answer(origin, params.roomId)),
  });
