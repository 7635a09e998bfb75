import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { targetBody, withReason } from './schemas.ts';

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/kick`
 * Removes somebody who is in the room, invited or knocking.
 * 200 `{}` · 400 M_INVALID_PARAM no user ID · 403 M_FORBIDDEN too little power, or one of the two is not in the room
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidkick
 */
export const kick = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/kick',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, params, body }) {
      const target = parse(targetBody, body);
      await rooms.membership.kick(requester, params.roomId, target.user_id, withReason(target));
      return empty();
    },
  });
