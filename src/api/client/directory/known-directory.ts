import type { KnownDirectory } from '../../../directory/known-directory.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';

/**
 * `GET /_matrix/client/unstable/hearth/public_rooms`
 * The published rooms of all servers that this one knows, with `search`, `since` and `limit`: ours first, then the
 * others, the largest first; each with the `servers` that publish it, none for ours. Not in the specification: see
 * docs/room-directory.md. Only where `federation_directory.enabled` is set.
 * 200 `{ chunk, next_batch? }` · 400 M_INVALID_PARAM
 */
export const knownDirectory = (directory: KnownDirectory): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/unstable/hearth/public_rooms',
    auth: 'user',
    body: 'none',
    limit: 'other',
    handler: ({ query }) =>
      json(
        directory.page({
          search: query.get('search'),
          since: query.get('since'),
          limit: query.integer('limit', { min: 1 }),
        }),
      ),
  });
