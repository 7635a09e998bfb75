import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { targetBody, withReason } from './schemas.ts';

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/ban`
 * Keeps a user out of a room, wherever the user is now.
 * 200 `{}` · 400 M_INVALID_PARAM no user ID · 403 M_FORBIDDEN too little power, or the requester is not in the room
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidban
 */
export const ban = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/ban',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, params, body }) {
      const target = parse(targetBody, body);
      await rooms.membership.ban(requester, params.roomId, target.user_id, withReason(target));
      return empty();
    },
  });

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/unban`
 * Lifts a ban.
 * 200 `{}` · 400 M_INVALID_PARAM no user ID · 403 M_BAD_STATE the user is not banned; M_FORBIDDEN too little power, or
 * the requester is not in the room
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidunban
 */
export const unban = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/unban',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, params, body }) {
      const target = parse(targetBody, body);
      await rooms.membership.unban(requester, params.roomId, target.user_id, withReason(target));
      return empty();
    },
  });
