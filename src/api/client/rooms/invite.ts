import { MatrixError } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { targetBody, withReason } from './schemas.ts';

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/invite`
 * Invites a user; one of another server by way of that server.
 * 200 `{}` · 400 M_INVALID_PARAM no user ID; M_SERVER_NOT_TRUSTED for an invite by e-mail or phone: this server uses no
 * identity server · 403 M_FORBIDDEN too little power, not in the room, the user is in it or banned, or the user's server
 * refuses; M_INVITE_BLOCKED · 404 M_NOT_FOUND no such user · 502, 504 M_UNKNOWN the user's server does not answer
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidinvite
 */
export const invite = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/invite',
    auth: 'user',
    body: 'json',
    limit: 'invites',
    async handler({ requester, params, body }) {
      if (body['user_id'] === undefined && body['medium'] !== undefined) {
        throw new MatrixError(400, 'M_SERVER_NOT_TRUSTED', 'This server uses no identity server: invite by user ID');
      }
      const target = parse(targetBody, body);
      await rooms.membership.invite(requester, params.roomId, target.user_id, withReason(target));
      return empty();
    },
  });
