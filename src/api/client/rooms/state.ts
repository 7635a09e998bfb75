import { endpoint } from '../../http/endpoint.ts';
import { json, streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { delayIn } from './delayed-events.ts';

const path = '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}';
/** An empty state key may be left out, with or without its slash. */
const alsoAt = [
  '/_matrix/client/v3/rooms/{roomId}/state/{eventType}',
  '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/',
];

/** The parameters as they really are: the short forms of the path have no state key. */
function keyOf(params: { readonly eventType: string; readonly stateKey?: string }): { type: string; stateKey: string } {
  return { type: params.eventType, stateKey: params.stateKey ?? '' };
}

/**
 * `PUT /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`
 * Sets one entry of the room's state; what the same user has set already is not sent again.
 * 200 `{ event_id }` · 400 M_BAD_JSON; M_BAD_ALIAS, M_INVALID_PARAM for aliases · 403 M_FORBIDDEN, M_INVITE_BLOCKED,
 * M_GUEST_ACCESS_FORBIDDEN · 413 M_TOO_LARGE
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidstateeventtypestatekey
 */
export const setState = ({ rooms, delayedEvents }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path,
    alsoAt,
    auth: 'user',
    body: 'json',
    limit: 'messages',
    numbers: 'strict',
    async handler({ requester, params, query, body }) {
      const draft = { ...keyOf(params), content: body };
      const delay = delayIn(query);
      if (delay !== undefined) {
        return json({
          delay_id: await delayedEvents.schedule(requester, params.roomId, draft, delay, { isOlderForm: true }),
        });
      }
      return json({ event_id: await rooms.sending.sendState(requester, params.roomId, draft) });
    },
  });

/**
 * `GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}`
 * One entry of the state: its content, or with `format=event` the event. Who has left gets that of then.
 * 200 · 400 M_INVALID_PARAM format · 403 M_FORBIDDEN never in the room · 404 M_NOT_FOUND no such entry · 503 M_UNKNOWN
 * members are being fetched and do not come
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidstateeventtypestatekey
 */
export const getStateEvent = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    alsoAt,
    auth: 'user',
    body: 'none',
    async handler({ requester, params, query, signal }) {
      const format = query.oneOf('format', ['content', 'event']) ?? 'content';
      if (params.eventType === 'm.room.member') {
        const { room } = rooms.reading.open(requester, params.roomId);
        await rooms.wholeRooms.waitForMember(room.nid, keyOf(params).stateKey, signal);
      }
      return streamedJson([rooms.reading.stateEvent(requester, params.roomId, keyOf(params), format)]);
    },
  });

/**
 * `GET /_matrix/client/v3/rooms/{roomId}/state`
 * The room's state, or that of when the requester left, written piece by piece.
 * 200 `[event]` · 403 M_FORBIDDEN never in the room · 503 M_UNKNOWN members are being fetched and do not come
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidstate
 */
export const getState = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/state',
    auth: 'user',
    body: 'none',
    async handler({ requester, params, signal }) {
      rooms.reading.open(requester, params.roomId);
      await rooms.wholeRooms.waitFor(params.roomId, signal);
      return streamedJson(rooms.reading.state(requester, params.roomId));
    },
  });
