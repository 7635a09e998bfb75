import { missingParam } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { roomEventFilter } from './schemas.ts';

/**
 * `GET /_matrix/client/v3/rooms/{roomId}/messages`
 * One page of the room's history; without `from` from the newest (`dir=b`) or the oldest event on. An empty chunk with
 * an `end` means that there is more to look at. What this server does not have is fetched from others.
 * 200 `{ start, end?, chunk, state? }` · 400 M_MISSING_PARAM dir · 400 M_INVALID_PARAM, M_BAD_JSON filter
 * · 403 M_FORBIDDEN never in the room
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidmessages
 */
export const messages = ({ rooms, historyReach }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/messages',
    auth: 'user',
    body: 'none',
    async handler({ requester, params, query }) {
      const direction = query.oneOf('dir', ['b', 'f']);
      if (direction === undefined) throw missingParam('Missing query parameter dir');
      const asked = {
        from: query.get('from'),
        to: query.get('to'),
        direction,
        limit: query.integer('limit'),
        filter: roomEventFilter(query),
      };
      const passGaps = await historyReach.page(requester, params.roomId, asked);
      return streamedJson(rooms.messages.messages(requester, params.roomId, { ...asked, passGaps }));
    },
  });
