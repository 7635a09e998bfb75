import { endpoint } from '../../http/endpoint.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}`
 * An event that this server does not have is fetched from others, for who is in the room.
 * 200 the event · 404 M_NOT_FOUND no such event in the room, or the requester may not see it
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomideventeventid
 */
export const getEvent = ({ rooms, distantEvents }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/event/{eventId}',
    auth: 'user',
    body: 'none',
    async handler({ requester, params: { roomId, eventId } }) {
      await distantEvents.bring(requester, roomId, eventId);
      return streamedJson([rooms.reading.event(requester, roomId, eventId)]);
    },
  });
