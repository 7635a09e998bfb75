import { nullish, object, string } from 'valibot';
import { identityAccess, thirdPartyAddress } from '../../../users/identity/identity-servers.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { addressBody, targetBody, withReason } from './schemas.ts';

const addressed = object({ ...addressBody.entries, reason: nullish(string()) });

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/invite`
 * Invites a user; one of another server by way of that server. Without `user_id`, whoever has an email address or
 * telephone number, by way of the identity server that the client names.
 * 200 `{}` · 400 M_INVALID_PARAM no user ID, no address, no server name; M_SERVER_NOT_TRUSTED an identity server that this
 * server does not ask · 403 M_FORBIDDEN too little power, not in the room, the user is in it or banned, or the user's or
 * the identity server refuses; M_INVITE_BLOCKED, M_TERMS_NOT_SIGNED · 404 M_NOT_FOUND no such user · 502, 504 M_UNKNOWN
 * the user's or the identity server does not answer
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidinvite
 * @see https://spec.matrix.org/v1.19/client-server-api/#thirdparty_post_matrixclientv3roomsroomidinvite
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
        const wish = parse(addressed, body);
        const address = thirdPartyAddress(wish.medium, wish.address);
        const access = identityAccess(wish.id_server, wish.id_access_token);
        const room = rooms.known.getForMember(params.roomId);
        await rooms.addressInvites.invite(requester, room, { access, address, ...withReason(wish) });
        return empty();
      }
      const target = parse(targetBody, body);
      await rooms.membership.invite(requester, params.roomId, target.user_id, withReason(target));
      return empty();
    },
  });
