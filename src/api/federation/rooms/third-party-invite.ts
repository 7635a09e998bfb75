import { endpoint } from '../../http/endpoint.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/** Some hundred invites that waited for one address. */
const maxBody = 256 * 1024;

/**
 * `PUT /_matrix/federation/v1/exchange_third_party_invite/{roomId}`
 * Turns the invite of an address by one of our users into an invite of the user whose it is.
 * 200 `{}` once the invite is in the room · 400 M_INVALID_PARAM · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1exchange_third_party_inviteroomid
 */
export const exchangeThirdPartyInvite = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/federation/v1/exchange_third_party_invite/{roomId}',
    auth: 'server',
    limit: 'federation',
    body: 'json',
    async handler({ origin, params, body }) {
      await serving.thirdPartyInvites.exchange(origin, params.roomId, body);
      return empty();
    },
  });

/**
 * `PUT /_matrix/federation/v1/3pid/onbind`
 * An identity server tells that an address was bound to one of our users, and which invites waited for it.
 * 200 `{}` · 400 M_BAD_JSON, M_INVALID_PARAM · 403 M_FORBIDDEN
 * @see https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv13pidonbind
 */
export const thirdPartyBound = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/federation/v1/3pid/onbind',
    auth: 'none',
    limit: 'federation',
    body: 'json',
    maxBody,
    async handler({ body }) {
      await serving.thirdPartyInvites.bound(body);
      return empty();
    },
  });
