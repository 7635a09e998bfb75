import { notFound } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import type { Endpoint } from '../../http/types.ts';

const frozen = [
  '/_matrix/media/v3/download/{serverName}/{mediaId}',
  '/_matrix/media/v3/download/{serverName}/{mediaId}/{fileName}',
  '/_matrix/media/v3/thumbnail/{serverName}/{mediaId}',
];

/**
 * `GET /_matrix/media/v3/download/{serverName}/{mediaId}`, `…/{fileName}` and `GET /_matrix/media/v3/thumbnail/…`
 * Files for anybody, as before version 1.11 of the specification. They are frozen: only files from before the freeze are
 * there, and all files of this server are younger. 404 M_NOT_FOUND, whatever is asked for
 * @see https://spec.matrix.org/v1.19/client-server-api/#content-repo-client-behaviour
 */
export const frozenEndpoints = (): Endpoint[] =>
  frozen.map((path) =>
    endpoint({
      method: 'GET',
      path,
      auth: 'none',
      body: 'none',
      handler() {
        throw notFound('Files are given to users only: ask below /_matrix/client/v1/media');
      },
    }),
  );
