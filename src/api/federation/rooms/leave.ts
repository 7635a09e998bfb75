import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/federation/v1/make_leave/{roomId}/{userId}`
 * A leave event for a user of the asking server to complete and sign: to reject an invite, to take back a knock.
 * 200 `{ room_version, event }` · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1make_leaveroomiduserid
 */
export const makeLeave = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/make_leave/{roomId}/{userId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler: ({ origin, params }) => json(serving.templates.leave(origin, params.roomId, params.userId)),
  });
