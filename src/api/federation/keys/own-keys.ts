import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/key/v2/server` and, from before version 1.6 of the specification, `…/server/{keyId}`
 * Tells the keys that this server signs with and has signed with; a key ID in the path makes no difference.
 * 200 `{ server_name, verify_keys, old_verify_keys, valid_until_ts, signatures }`
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixkeyv2server
 */
export function ownKeyEndpoints({ federation }: Pick<Services, 'federation'>): Endpoint[] {
  const handler = () => json(federation.ownKeys.published());
  return [
    endpoint({ method: 'GET', path: '/_matrix/key/v2/server', auth: 'none', body: 'none', handler }),
    endpoint({ method: 'GET', path: '/_matrix/key/v2/server/{keyId}', auth: 'none', body: 'none', handler }),
  ];
}
