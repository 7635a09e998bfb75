import { endpoint } from '../../http/endpoint.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const memberships = ['join', 'invite', 'knock', 'leave', 'ban'] as const;

/**
 * `GET /_matrix/client/v3/rooms/{roomId}/members`
 * The member events, now or at a token, written piece by piece. With `membership` and `not_membership` one of the two
 * has to hold. Who has left gets the members of then. Members that are still being fetched from other servers are waited
 * for.
 * 200 `{ chunk }` · 400 M_INVALID_PARAM · 403 M_FORBIDDEN never in the room · 503 M_UNKNOWN they do not come
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidmembers
 */
export const members = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/members',
    auth: 'user',
    body: 'none',
    async handler({ requester, params, query, signal }) {
      const selection = {
        membership: query.oneOf('membership', memberships),
        notMembership: query.oneOf('not_membership', memberships),
        at: query.get('at'),
      };
      rooms.reading.open(requester, params.roomId);
      await rooms.wholeRooms.waitFor(params.roomId, signal);
      return streamedJson(rooms.reading.members(requester, params.roomId, selection));
    },
  });

/**
 * `GET /_matrix/client/v3/rooms/{roomId}/joined_members`
 * Who is in the room, with names and pictures, written piece by piece.
 * 200 `{ joined }` · 403 M_FORBIDDEN not in the room · 503 M_UNKNOWN as above
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidjoined_members
 */
export const joinedMembers = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/joined_members',
    auth: 'user',
    body: 'none',
    async handler({ requester, params, signal }) {
      rooms.reading.open(requester, params.roomId);
      await rooms.wholeRooms.waitFor(params.roomId, signal);
      return streamedJson(rooms.reading.joinedMembers(requester, params.roomId));
    },
  });
