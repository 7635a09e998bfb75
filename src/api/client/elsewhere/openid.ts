import { missingToken } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { checkOwn } from '../account/own-user.ts';

/**
 * `POST /_matrix/client/v3/user/{userId}/openid/request_token`
 * A token that shows another service who one is, and is good for nothing else.
 * 200 `{ access_token, token_type, matrix_server_name, expires_in }` · 403 M_FORBIDDEN not oneself
 * · 429 M_LIMIT_EXCEEDED
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridopenidrequest_token
 */
const requestToken = ({ openId, server }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/user/{userId}/openid/request_token',
    auth: 'user',
    body: 'optional-json',
    limit: 'other',
    async handler({ requester, params: { userId } }) {
      checkOwn(requester, userId);
      const { token, expiresIn } = await openId.request(requester);
      return json({
        access_token: token,
        token_type: 'Bearer',
        matrix_server_name: server.serverName,
        expires_in: expiresIn,
      });
    },
  });

/**
 * `GET /_matrix/federation/v1/openid/userinfo`
 * Whose token it is; any service may ask. 200 `{ sub }` · 401 M_MISSING_TOKEN, M_UNKNOWN_TOKEN
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1openiduserinfo
 */
const userInfo = ({ openId }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/openid/userinfo',
    auth: 'none',
    body: 'none',
    handler({ query }) {
      const token = query.get('access_token');
      if (token === undefined || token === '') throw missingToken();
      return json({ sub: openId.owner(token) });
    },
  });

export const openIdEndpoints = (services: AccountServices): Endpoint[] => [requestToken(services), userInfo(services)];
