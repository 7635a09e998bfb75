import * as v from 'valibot';
import { forbidden } from '../../../protocol/errors.ts';
import { millis } from '../../../util/brand.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const typingSchema = v.object({
  typing: v.boolean(),
  timeout: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
});

/** For a client that does not say for how long. */
const defaultTimeout = 30_000;

/**
 * `PUT /_matrix/client/v3/rooms/{roomId}/typing/{userId}`
 * Says that the user is typing, for `timeout` milliseconds, or has stopped.
 * 200 `{}` · 400 M_MISSING_PARAM, M_BAD_JSON · 403 M_FORBIDDEN another user, or not in the room
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidtypinguserid
 */
const typing = (services: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/client/v3/rooms/{roomId}/typing/{userId}',
    auth: 'user',
    body: 'json',
    limit: 'other',
    handler({ requester, params, body }) {
      if (params.userId !== requester.userId) throw forbidden('You cannot type for somebody else');
      const state = parse(typingSchema, body);
      services.typing.set(requester, params.roomId, state.typing ? millis(state.timeout ?? defaultTimeout) : undefined);
      return empty();
    },
  });

export const typingEndpoints = (services: Services): Endpoint[] => [typing(services)];
