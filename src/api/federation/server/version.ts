import { version } from '../../../util/version.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';

/**
 * `GET /_matrix/federation/v1/version`
 * Tells the name and the release of this server's software.
 * 200 `{ server: { name, version } }`
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1version
 */
export const versionEndpoint = (): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/version',
    auth: 'none',
    body: 'none',
    handler: () => json({ server: { name: 'Hearth', version } }),
  });
