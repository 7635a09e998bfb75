import { endpoint } from '../../http/endpoint.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';

/**
 * `POST /_matrix/client/v3/logout`
 * Ends this session; its device goes with it. Open to locked accounts.
 * 200 `{}`
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3logout
 */
const logout = ({ logouts }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/logout',
    auth: 'user',
    evenIfLocked: true,
    body: 'none',
    async handler({ requester }) {
      await logouts.logout(requester);
      return empty();
    },
  });

/**
 * `POST /_matrix/client/v3/logout/all`
 * Ends all sessions of the user, with their devices. Open to locked accounts.
 * 200 `{}`
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3logoutall
 */
const logoutAll = ({ logouts }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/logout/all',
    auth: 'user',
    evenIfLocked: true,
    body: 'none',
    async handler({ requester }) {
      await logouts.logoutAll(requester.user);
      return empty();
    },
  });

export const logoutEndpoints = (services: AccountServices): Endpoint[] => [logout(services), logoutAll(services)];
