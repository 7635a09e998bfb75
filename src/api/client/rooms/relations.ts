import { endpoint } from '../../http/endpoint.ts';
import { streamedJson } from '../../http/reply.ts';
import type { ApiRequest, Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}`
 * One page of the events that relate to an event, newest first unless `dir=f`; with `recurse` also of those that relate
 * to these. Events of ignored users are left out.
 * 200 `{ chunk, next_batch?, prev_batch?, recursion_depth? }` · 400 M_INVALID_PARAM
 * · 404 M_NOT_FOUND no such event in the room, or the requester may not see it
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidrelationseventid
 */
export const relations = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/{roomId}/relations/{eventId}',
    auth: 'user',
    body: 'none',
    handler: (request) => {
      const { roomId, eventId } = request.params;
      return streamedJson(rooms.relatedEvents.list(request.requester, roomId, eventId, paging(request)));
    },
  });

/**
 * `GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}`
 * The same for events that relate to it in one way.
 * 200 `{ chunk, next_batch?, prev_batch?, recursion_depth? }` · 400 M_INVALID_PARAM
 * · 404 M_NOT_FOUND no such event in the room, or the requester may not see it
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidrelationseventidreltype
 */
export const relationsOfKind = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}',
    auth: 'user',
    body: 'none',
    handler: (request) => {
      const { roomId, eventId, relType } = request.params;
      const query = { relType, ...paging(request) };
      return streamedJson(rooms.relatedEvents.list(request.requester, roomId, eventId, query));
    },
  });

/**
 * `GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}/{eventType}`
 * The same for events of one type that relate to it in one way.
 * 200 `{ chunk, next_batch?, prev_batch?, recursion_depth? }` · 400 M_INVALID_PARAM
 * · 404 M_NOT_FOUND no such event in the room, or the requester may not see it
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidrelationseventidreltypeeventtype
 */
export const relationsOfKindAndType = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}/{eventType}',
    auth: 'user',
    body: 'none',
    handler: (request) => {
      const { roomId, eventId, relType, eventType } = request.params;
      const query = { relType, eventType, ...paging(request) };
      return streamedJson(rooms.relatedEvents.list(request.requester, roomId, eventId, query));
    },
  });

function paging({ query }: Pick<ApiRequest, 'query'>) {
  return {
    from: query.get('from'),
    to: query.get('to'),
    direction: query.oneOf('dir', ['b', 'f']) ?? 'b',
    limit: query.integer('limit', { min: 1 }),
    recurse: query.flag('recurse'),
  } as const;
}
