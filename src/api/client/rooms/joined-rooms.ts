import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/client/v3/joined_rooms`
 * Lists the rooms that the requester is in.
 * 200 `{ joined_rooms }`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3joined_rooms
 */
export const joinedRooms = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/joined_rooms',
    auth: 'user',
    body: 'none',
    handler: ({ requester }) => json({ joined_rooms: rooms.membership.joinedRooms(requester) }),
  });
