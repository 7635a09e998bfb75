import * as v from 'valibot';
import { presenceStates } from '../../../ephemeral/presence.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const statusSchema = v.looseObject({ presence: v.picklist(presenceStates), status_msg: v.nullish(v.string()) });

const path = '/_matrix/client/v3/presence/{userId}/status';

/**
 * `PUT /_matrix/client/v3/presence/{userId}/status`
 * Sets the requester's own presence; without effect while presence is switched off.
 * 200 `{}` · 400 M_MISSING_PARAM, M_BAD_JSON, M_INVALID_PARAM · 403 M_FORBIDDEN another user · 429 M_LIMIT_EXCEEDED
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3presenceuseridstatus
 */
const setStatus = ({ presence }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path,
    auth: 'user',
    body: 'json',
    limit: 'other',
    handler({ requester, params: { userId }, body }) {
      const { presence: state, status_msg: status } = parse(statusSchema, body);
      presence.set(requester, userId, state, status ?? undefined);
      return empty();
    },
  });

/**
 * `GET /_matrix/client/v3/presence/{userId}/status`
 * The presence of oneself or of somebody with whom one shares a room.
 * 200 `{ presence, … }` · 400 M_INVALID_PARAM no user ID · 403 M_FORBIDDEN no room in common · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3presenceuseridstatus
 */
const getStatus = ({ presence }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    auth: 'user',
    body: 'none',
    handler: ({ requester, params: { userId } }) => json(presence.status(requester, userId)),
  });

export const presenceEndpoints = (services: Services): Endpoint[] => [setStatus(services), getStatus(services)];
