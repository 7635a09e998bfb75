import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/client/v1/mutual_rooms`
 * The rooms that the requester and another user are both in; none for a user who is not known.
 * 200 `{ joined, count, next_batch? }` · 400 M_MISSING_PARAM user_id · 400 M_INVALID_PARAM no user ID, one's own, token
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1mutual_rooms
 */
export const mutualRooms = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/mutual_rooms',
    auth: 'user',
    limit: 'other',
    body: 'none',
    handler({ requester, query }) {
      const { joined, count, next } = directory.mutualRooms.page(
        requester,
        query.required('user_id'),
        query.get('from'),
      );
      return json({ joined, count, ...(next === undefined ? {} : { next_batch: next }) });
    },
  });

/**
 * `GET /_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms`
 * The same under the names of the proposal, as clients in use ask for it.
 * 200 `{ joined, count, next_batch_token? }` · errors as above
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/2666
 */
export const unstableMutualRooms = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/unstable/uk.half-shot.msc2666/user/mutual_rooms',
    auth: 'user',
    limit: 'other',
    body: 'none',
    handler({ requester, query }) {
      const { joined, count, next } = directory.mutualRooms.page(
        requester,
        query.required('user_id'),
        query.get('batch_token'),
      );
      return json({ joined, count, ...(next === undefined ? {} : { next_batch_token: next }) });
    },
  });
