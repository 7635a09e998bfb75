import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { reasonBody, withReason } from './schemas.ts';

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/leave`
 * Leaves a room, rejects an invite or takes back a knock; leaving again changes nothing.
 * 200 `{}` · 403 M_FORBIDDEN banned, or never had to do with the room · 404 M_NOT_FOUND no such room
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidleave
 */
export const leave = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/leave',
    auth: 'user',
    body: 'optional-json',
    limit: 'other',
    async handler({ requester, params, body }) {
      await rooms.membership.leave(requester, params.roomId, withReason(parse(reasonBody, body)));
      return empty();
    },
  });

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/forget`
 * Takes a room that was left out of sight, its history too.
 * 200 `{}` · 400 M_UNKNOWN still in it or invited · 404 M_NOT_FOUND never had to do with it
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidforget
 */
export const forget = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/forget',
    auth: 'user',
    body: 'none',
    limit: 'other',
    async handler({ requester, params }) {
      await rooms.membership.forget(requester, params.roomId);
      return empty();
    },
  });
