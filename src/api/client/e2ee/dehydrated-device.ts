import * as v from 'valibot';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { deviceKeysSchema, keysSchema, objectSchema } from './schemas.ts';

const path = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device';
const eventsPath = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{deviceId}/events';

const putBody = v.looseObject({
  device_id: v.string(),
  device_data: objectSchema,
  device_keys: deviceKeysSchema,
  initial_device_display_name: v.optional(v.string()),
  one_time_keys: v.optional(keysSchema),
  fallback_keys: v.optional(keysSchema),
});

/**
 * `PUT /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device`
 * Puts a device to sleep, in the place of the one before it.
 * 200 `{ device_id }` · 400 M_INVALID_PARAM, M_MISSING_PARAM, M_BAD_JSON · 403 M_FORBIDDEN a device in use · 413 M_TOO_LARGE
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/3814
 */
const put = ({ dehydration }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path,
    auth: 'user',
    body: 'json',
    async handler({ requester, body }) {
      const given = parse(putBody, body);
      await dehydration.put(requester, {
        deviceId: given.device_id,
        data: given.device_data,
        displayName: given.initial_device_display_name,
        // As it was sent: there may be more in it, which is signed.
        deviceKeys: parse(objectSchema, body['device_keys']),
        oneTimeKeys: given.one_time_keys,
        fallbackKeys: given.fallback_keys,
      });
      return json({ device_id: given.device_id });
    },
  });

/**
 * `GET /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device`
 * 200 `{ device_id, device_data }` · 404 M_NOT_FOUND
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/3814
 */
const get = ({ dehydration }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    auth: 'user',
    body: 'none',
    handler({ requester }) {
      const { deviceId, data } = dehydration.get(requester.user);
      return json({ device_id: deviceId, device_data: data });
    },
  });

/**
 * `DELETE /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device`
 * Deletes it with all it has.
 * 200 `{ device_id }` · 404 M_NOT_FOUND
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/3814
 */
const remove = ({ dehydration }: Services): Endpoint =>
  endpoint({
    method: 'DELETE',
    path,
    auth: 'user',
    body: 'none',
    handler: async ({ requester }) => json({ device_id: await dehydration.remove(requester.user) }),
  });

/**
 * `GET /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{deviceId}/events`
 * Messages to the device, from the token `from` on; `next_batch` only if there are more.
 * 200 `{ events, next_batch }` · 400 M_INVALID_PARAM · 403 M_FORBIDDEN another device · 404 M_NOT_FOUND
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/3814
 */
const getEvents = ({ dehydration }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: eventsPath,
    auth: 'user',
    body: 'none',
    handler({ requester, params, query }) {
      const from = query.get('from') ?? query.get('next_batch');
      const { events, next, isLast } = dehydration.messages(requester.user, params.deviceId, from);
      return json(isLast ? { events } : { events, next_batch: next });
    },
  });

const eventsBody = v.looseObject({ next_batch: v.optional(v.string()) });

/**
 * `POST /_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/{deviceId}/events`
 * The same as older clients ask for it, until `events` is empty.
 * 200 `{ events, next_batch }` · 400 M_INVALID_PARAM, M_BAD_JSON · 403 M_FORBIDDEN another device · 404 M_NOT_FOUND
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/3814
 */
const postEvents = ({ dehydration }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: eventsPath,
    auth: 'user',
    body: 'optional-json',
    handler({ requester, params, body }) {
      const { next_batch: from } = parse(eventsBody, body);
      const { events, next } = dehydration.messages(requester.user, params.deviceId, from);
      return json({ events, next_batch: next });
    },
  });

export const dehydratedDeviceEndpoints = (services: Services): Endpoint[] => [
  put(services),
  get(services),
  remove(services),
  getEvents(services),
  postEvents(services),
];
