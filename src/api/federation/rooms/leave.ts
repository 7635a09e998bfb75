import { endpoint } from '../../http/endpoint.ts';
import { empty, json } from '../../http/reply.ts';
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

/**
 * `PUT /_matrix/federation/v2/send_leave/{roomId}/{eventId}`
 * Takes a signed leave into the room.
 * 200 `{}` · 400 M_INVALID_PARAM · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_leaveroomideventid
 */
export const sendLeave = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/federation/v2/send_leave/{roomId}/{eventId}',
    auth: 'server',
    limit: 'federation',
    body: 'json',
    async handler({ origin, params, body, signal }) {
      await serving.handshakes.leave({ origin, ...params, event: body, signal });
      return empty();
    },
  });

/**
 * `PUT /_matrix/federation/v1/send_leave/{roomId}/{eventId}`
 * The same in the form of old servers. 200 `[200, {}]`
 * @see https://spec.matrix.org/v1.17/server-server-api/#put_matrixfederationv1send_leaveroomideventid
 */
export const sendLeaveInList = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/federation/v1/send_leave/{roomId}/{eventId}',
    auth: 'server',
    limit: 'federation',
    body: 'json',
    async handler({ origin, params, body, signal }) {
      await serving.handshakes.leave({ origin, ...params, event: body, signal });
      return json([200, {}]);
    },
  });
