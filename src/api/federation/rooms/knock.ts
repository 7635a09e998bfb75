import { missingParam } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json, streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/federation/v1/make_knock/{roomId}/{userId}`
 * A knock event for a user of the asking server to complete and sign.
 * 200 `{ room_version, event }` · 400 M_INCOMPATIBLE_ROOM_VERSION not among `ver`, M_MISSING_PARAM · 403 M_FORBIDDEN ·
 * 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1make_knockroomiduserid
 */
export const makeKnock = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/make_knock/{roomId}/{userId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler({ origin, params, query }) {
      if (!query.has('ver')) throw missingParam('Missing query parameter ver');
      return json(serving.templates.knock(origin, params.roomId, params.userId, query.all('ver')));
    },
  });

/**
 * `PUT /_matrix/federation/v1/send_knock/{roomId}/{eventId}`
 * Takes a signed knock into the room and tells what somebody at the door may know of it.
 * 200 `{ knock_room_state }`, whole events · 400 M_INVALID_PARAM · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1send_knockroomideventid
 */
export const sendKnock = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/federation/v1/send_knock/{roomId}/{eventId}',
    auth: 'server',
    limit: 'federation',
    body: 'json',
    async handler({ origin, params, body, signal }) {
      const state = await serving.handshakes.knock({ origin, ...params, event: body, signal });
      return streamedJson([`{"knock_room_state":${state}}`]);
    },
  });
