import { endpoint } from '../../http/endpoint.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/client/v1/rooms/{roomId}/threads`
 * One page of the events that threads of the room start from, by the newest event of each thread; with
 * `include=participated` only of threads that the requester has said something in. A root of an ignored user is shown
 * redacted.
 * 200 `{ chunk, next_batch? }` · 400 M_INVALID_PARAM · 403 M_FORBIDDEN the requester may not read the room
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidthreads
 */
export const threads = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/{roomId}/threads',
    auth: 'user',
    body: 'none',
    limit: 'other',
    handler({ requester, params, query }) {
      const page = rooms.threadList.list(requester, params.roomId, {
        include: query.oneOf('include', ['all', 'participated']) ?? 'all',
        from: query.get('from'),
        limit: query.integer('limit', { min: 1 }),
      });
      return streamedJson(page);
    },
  });
