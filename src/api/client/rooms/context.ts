import { endpoint } from '../../http/endpoint.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { roomEventFilter } from './schemas.ts';

/**
 * `GET /_matrix/client/v3/rooms/{roomId}/context/{eventId}`
 * What happened around an event, and the state after the newest event shown. Who wants all members in it waits for those
 * that are still being fetched from other servers.
 * 200 `{ start, end, event, events_before, events_after, state }` · 400 M_INVALID_PARAM, M_BAD_JSON filter
 * · 404 M_NOT_FOUND no such event in the room, or the requester may not see it · 503 M_UNKNOWN members do not come
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidcontexteventid
 */
export const context = ({ rooms, historyReach, distantEvents }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/context/{eventId}',
    auth: 'user',
    body: 'none',
    async handler({ requester, params: { roomId, eventId }, query, signal }) {
      const around = { limit: query.integer('limit'), filter: roomEventFilter(query) };
      await distantEvents.bring(requester, roomId, eventId);
      await historyReach.around(requester, roomId, eventId, around);
      if (!around.filter.lazyLoadMembers) {
        rooms.reading.visibleEvent(requester, roomId, eventId);
        await rooms.wholeRooms.waitFor(roomId, signal);
      }
      return streamedJson(rooms.messages.context(requester, roomId, eventId, around));
    },
  });
