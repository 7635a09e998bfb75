import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/federation/v1/user/devices/{userId}`
 * Tells the devices of one of our users that have keys, with the position of their list.
 * 200 `{ user_id, stream_id, devices, master_key, self_signing_key }` · 400 M_INVALID_PARAM not our user ·
 * 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1userdevicesuserid
 */
export const deviceListEndpoint = ({ e2ee }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/user/devices/{userId}',
    auth: 'server',
    body: 'none',
    limit: 'federation',
    handler: ({ params }) => json(e2ee.remote.served.devices(params.userId)),
  });
