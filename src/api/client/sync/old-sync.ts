import { millis } from '../../../util/brand.ts';
import { endpoint } from '../../http/endpoint.ts';
import type { Query } from '../../http/query.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/** Milliseconds, where the client says nothing. */
const usualTimeout = 30_000;
/** Messages of each room, where the client says nothing, and at most. */
const usualLimit = 10;
const maxLimit = 100;

const limitIn = (query: Query): number => query.integer('limit', { max: maxLimit }) ?? usualLimit;

/**
 * `GET /_matrix/client/v3/events`
 * What happened after `from`, at once or when something does; with `room_id` in one room only, which the requester need
 * not be in if anybody may read it.
 * 200 `{ start, end, chunk }` · 400 M_INVALID_PARAM `from`, `timeout` · 403 M_FORBIDDEN `room_id`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3events
 * @see https://spec.matrix.org/v1.19/client-server-api/#peeking_get_matrixclientv3events
 */
const events = ({ eventStream, presence }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/events',
    auth: 'user',
    body: 'none',
    waits: true,
    async handler({ requester, query, signal }) {
      const timeout = query.integer('timeout') ?? usualTimeout;
      presence.seen(requester, 'online', timeout);
      const [from, roomId] = [query.get('from'), query.get('room_id')];
      return streamedJson(await eventStream.follow({ requester, from, roomId, timeout: millis(timeout), signal }));
    },
  });

/**
 * `GET /_matrix/client/v3/events/{eventId}`
 * One event, in whatever room it is. 200 · 404 M_NOT_FOUND no such event, or not to be seen by the requester
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3eventseventid
 */
const oneEvent = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/events/{eventId}',
    auth: 'user',
    body: 'none',
    handler: ({ requester, params }) => streamedJson([rooms.reading.eventAnywhere(requester, params.eventId)]),
  });

/**
 * `GET /_matrix/client/v3/initialSync`
 * All rooms of the user with their state and newest messages; with `archived` those that were left, too.
 * 200 `{ end, presence, account_data, rooms }` · 400 M_INVALID_PARAM `limit`, `archived`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3initialsync
 */
const initialSync = ({ snapshots, presence }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/initialSync',
    auth: 'user',
    body: 'none',
    limit: 'other',
    async handler({ requester, query }) {
      const wish = { limit: limitIn(query), archived: query.flag('archived') ?? false };
      presence.seen(requester, 'online', 0);
      return streamedJson(await snapshots.all(requester, wish));
    },
  });

/**
 * `GET /_matrix/client/v3/rooms/{roomId}/initialSync`
 * One room with its state and newest messages, for who is or was in it, and for anybody if it is world-readable.
 * 200 · 400 M_INVALID_PARAM `limit` · 403 M_FORBIDDEN never in the room · 503 M_UNKNOWN members are being fetched and do
 * not come
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidinitialsync
 */
const roomInitialSync = ({ rooms, snapshots }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/initialSync',
    auth: 'user',
    body: 'none',
    async handler({ requester, params, query, signal }) {
      const limit = limitIn(query);
      rooms.reading.open(requester, params.roomId);
      await rooms.wholeRooms.waitFor(params.roomId, signal);
      return streamedJson(snapshots.room(requester, params.roomId, limit));
    },
  });

/** What clients asked before there was /sync. */
export const oldSyncEndpoints = (services: Services): Endpoint[] => [
  events(services),
  oneEvent(services),
  initialSync(services),
  roomInitialSync(services),
];
