import { missingParam } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/client/v1/rooms/{roomId}/timestamp_to_event`, and under the name it had as a proposal
 * The event closest to a time in one direction; other servers are asked where the history is not known here.
 * 200 `{ event_id, origin_server_ts }` · 400 M_MISSING_PARAM, M_INVALID_PARAM · 403 M_FORBIDDEN the requester may not
 * read the room · 404 M_NOT_FOUND no such event
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidtimestamp_to_event
 */
export const timestampToEvent = ({ distantMoments }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/{roomId}/timestamp_to_event',
    alsoAt: ['/_matrix/client/unstable/org.matrix.msc3030/rooms/{roomId}/timestamp_to_event'],
    auth: 'user',
    body: 'none',
    limit: 'other',
    async handler({ requester, params, query }) {
      const ts = query.integer('ts', { min: Number.MIN_SAFE_INTEGER });
      const direction = query.oneOf('dir', ['b', 'f']);
      if (ts === undefined) throw missingParam('Missing query parameter ts');
      if (direction === undefined) throw missingParam('Missing query parameter dir');
      return json(await distantMoments.find(requester, params.roomId, { ts, direction }));
    },
  });
