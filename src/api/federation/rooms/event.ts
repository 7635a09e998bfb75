import { missingParam } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json, streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/federation/v1/event/{eventId}`
 * One event, redacted if none of the asking server's users could have seen it.
 * 200 `{ origin, origin_server_ts, pdus }` · 403 M_FORBIDDEN not in the event's room · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1eventeventid
 */
export const event = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/event/{eventId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler: ({ origin, params }) => streamedJson(serving.history.event(origin, params.eventId)),
  });

/**
 * `GET /_matrix/federation/v1/event_auth/{roomId}/{eventId}`
 * The complete auth chain of an event, written piece by piece.
 * 200 `{ auth_chain }` · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1event_authroomideventid
 */
export const eventAuth = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/event_auth/{roomId}/{eventId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler: ({ origin, params }) => streamedJson(serving.history.authChain(origin, params.roomId, params.eventId)),
  });

/**
 * `GET /_matrix/federation/v1/timestamp_to_event/{roomId}`
 * The event closest to a time that is known here and that the asking server may see.
 * 200 `{ event_id, origin_server_ts }` · 400 M_MISSING_PARAM, M_INVALID_PARAM · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1timestamp_to_eventroomid
 */
export const timestampToEvent = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/timestamp_to_event/{roomId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler({ origin, params, query }) {
      const ts = query.integer('ts');
      const direction = query.oneOf('dir', ['f', 'b']);
      if (ts === undefined || direction === undefined) throw missingParam('ts and dir are needed');
      return json(serving.history.atTime(origin, params.roomId, { ts, direction }));
    },
  });
