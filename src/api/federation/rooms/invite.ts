import { badJson, missingParam } from '../../../protocol/errors.ts';
import { isJsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/** The invite and the events that tell of the room. */
const maxBody = 1024 * 1024;

/**
 * `PUT /_matrix/federation/v2/invite/{roomId}/{eventId}`
 * Takes an invite for a user of this server.
 * 200 `{ event }` with our signature · 400 M_INVALID_PARAM, M_MISSING_PARAM, M_INCOMPATIBLE_ROOM_VERSION · 403
 * M_FORBIDDEN, M_INVITE_BLOCKED
 * @see https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2inviteroomideventid
 */
export const invite = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/federation/v2/invite/{roomId}/{eventId}',
    auth: 'server',
    limit: 'federation',
    body: 'json',
    maxBody,
    async handler({ origin, params, body, signal }) {
      const { room_version: roomVersion, event, invite_room_state: inviteRoomState } = body;
      if (roomVersion === undefined) throw missingParam('Missing room_version');
      if (typeof roomVersion !== 'string') throw badJson('room_version must be a string');
      if (!isJsonObject(event)) throw missingParam('Missing event');
      const signed = await serving.invites.take({ origin, ...params, roomVersion, event, inviteRoomState, signal });
      return streamedJson([`{"event":${signed}}`]);
    },
  });

/**
 * `PUT /_matrix/federation/v1/invite/{roomId}/{eventId}`
 * The same for rooms of version 1 and 2, between which an invite does not differ.
 * 200 `[200, { event }]`
 * @see https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1inviteroomideventid
 */
export const inviteInList = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/federation/v1/invite/{roomId}/{eventId}',
    auth: 'server',
    limit: 'federation',
    body: 'json',
    maxBody,
    async handler({ origin, params, body: event, signal }) {
      const { unsigned } = event;
      const inviteRoomState = isJsonObject(unsigned) ? unsigned['invite_room_state'] : undefined;
      const signed = await serving.invites.take({
        origin,
        ...params,
        roomVersion: '1',
        event,
        inviteRoomState,
        signal,
      });
      return streamedJson([`[200,{"event":${signed}}]`]);
    },
  });
