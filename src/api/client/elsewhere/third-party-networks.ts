import { notFound } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';

/** Networks are brought by application services; this server has none, so nothing of them is known. */
const unknownProtocol = () => notFound('This server is connected to no such network');

/**
 * `GET /_matrix/client/v3/thirdparty/protocols`
 * The networks that this server is connected to. 200 `{}`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3thirdpartyprotocols
 */
const protocols = (): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/thirdparty/protocols',
    auth: 'user',
    body: 'none',
    handler: () => json({}),
  });

/**
 * `GET /_matrix/client/v3/thirdparty/protocol/{protocol}`, `…/location/{protocol}`, `…/user/{protocol}`
 * A network, its rooms, its users. 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3thirdpartyprotocolprotocol
 */
const ofProtocol = (what: 'protocol' | 'location' | 'user') => (): Endpoint =>
  endpoint({
    method: 'GET',
    path: `/_matrix/client/v3/thirdparty/${what}/{protocol}`,
    auth: 'user',
    body: 'none',
    handler() {
      throw unknownProtocol();
    },
  });

/**
 * `GET /_matrix/client/v3/thirdparty/location?alias=`, `GET /_matrix/client/v3/thirdparty/user?userid=`
 * What a room alias or a user ID stands for in other networks. 400 M_MISSING_PARAM · 404 M_NOT_FOUND nothing
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3thirdpartylocation
 */
const reverse = (what: 'location' | 'user', parameter: string) => (): Endpoint =>
  endpoint({
    method: 'GET',
    path: `/_matrix/client/v3/thirdparty/${what}`,
    auth: 'user',
    body: 'none',
    handler({ query }) {
      query.required(parameter);
      throw notFound('It stands for nothing in another network');
    },
  });

/** Bridged networks, as a server without bridges serves them. */
export const thirdPartyEndpoints = (): Endpoint[] =>
  [
    protocols,
    ofProtocol('protocol'),
    ofProtocol('location'),
    ofProtocol('user'),
    reverse('location', 'alias'),
    reverse('user', 'userid'),
  ].map((make) => make());
