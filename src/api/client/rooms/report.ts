import * as v from 'valibot';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const withReason = v.looseObject({ reason: v.string() });

/** Here it may be left out; a `score`, as older clients send one, is not looked at. */
const maybeWithReason = v.looseObject({ reason: v.optional(v.string(), '') });

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/report/{eventId}`
 * Reports an event to the admin of the server. 200 `{}` · 400 M_BAD_JSON, M_INVALID_PARAM · 404 M_NOT_FOUND not in the
 * room, or no such event to be seen · 429 M_LIMIT_EXCEEDED
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidreporteventid
 */
const reportEvent = ({ reports }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/report/{eventId}',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, params: { roomId, eventId }, body }) {
      await reports.reportEvent(requester, roomId, eventId, parse(maybeWithReason, body).reason);
      return empty();
    },
  });

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/report`
 * Reports a room, which one need not be in. 200 `{}` · 400 M_MISSING_PARAM, M_BAD_JSON, M_INVALID_PARAM
 * · 404 M_NOT_FOUND not known here · 429 M_LIMIT_EXCEEDED
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidreport
 */
const reportRoom = ({ reports }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/report',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, params: { roomId }, body }) {
      await reports.reportRoom(requester, roomId, parse(withReason, body).reason);
      return empty();
    },
  });

/**
 * `POST /_matrix/client/v3/users/{userId}/report`
 * Reports a user. 200 `{}` · 400 M_MISSING_PARAM, M_BAD_JSON, M_INVALID_PARAM · 404 M_NOT_FOUND not known here
 * · 429 M_LIMIT_EXCEEDED
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3usersuseridreport
 */
const reportUser = ({ reports }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/users/{userId}/report',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, params: { userId }, body }) {
      await reports.reportUser(requester, userId, parse(withReason, body).reason);
      return empty();
    },
  });

export const reportEndpoints = (services: Services): Endpoint[] =>
  [reportEvent, reportRoom, reportUser].map((make) => make(services));
