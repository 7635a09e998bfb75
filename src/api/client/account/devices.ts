import * as v from 'valibot';
import type { Device } from '../../../users/devices.ts';
import type { JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { confirmByPassword } from './uia.ts';

function show(device: Device): JsonObject {
  return {
    device_id: device.deviceId,
    ...(device.displayName === null ? {} : { display_name: device.displayName }),
    ...(device.seenIp === null || device.seenIp === '' ? {} : { last_seen_ip: device.seenIp }),
    ...(device.seenTs === null ? {} : { last_seen_ts: device.seenTs }),
  };
}

/**
 * `GET /_matrix/client/v3/devices`
 * The requester's devices. 200 `{ devices }`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3devices
 */
const list = ({ devices }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/devices',
    auth: 'user',
    body: 'none',
    handler: ({ requester }) => json({ devices: devices.list(requester.user).map(show) }),
  });

/**
 * `GET /_matrix/client/v3/devices/{deviceId}`
 * One of the requester's devices. 200 `{ device_id, … }` · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3devicesdeviceid
 */
const get = ({ devices }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/devices/{deviceId}',
    auth: 'user',
    body: 'none',
    handler: ({ requester, params }) => json(show(devices.get(requester.user, params.deviceId))),
  });

const renameBody = v.looseObject({ display_name: v.optional(v.string()) });

/**
 * `PUT /_matrix/client/v3/devices/{deviceId}`
 * Renames one of the requester's devices. 200 `{}` · 404 M_NOT_FOUND · 413 M_TOO_LARGE
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3devicesdeviceid
 */
const rename = ({ devices }: AccountServices): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/client/v3/devices/{deviceId}',
    auth: 'user',
    body: 'json',
    async handler({ requester, params, body }) {
      await devices.rename(requester.user, params.deviceId, parse(renameBody, body).display_name);
      return empty();
    },
  });

/**
 * `DELETE /_matrix/client/v3/devices/{deviceId}`
 * Ends the session of a device and removes it; one that does not exist is gone already.
 * 200 `{}` · 401 user-interactive authentication
 * @see https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3devicesdeviceid
 */
const remove = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'DELETE',
    path: '/_matrix/client/v3/devices/{deviceId}',
    auth: 'user',
    body: 'optional-json',
    async handler(request) {
      const { deviceId } = request.params;
      const passed = await confirmByPassword(services, `DELETE devices/${encodeURIComponent(deviceId)}`, request);
      await services.logouts.deleteDevices(request.requester.user, [deviceId], () => services.uia.finish(passed));
      return empty();
    },
  });

const removeManyBody = v.looseObject({ devices: v.array(v.string()) });

/**
 * `POST /_matrix/client/v3/delete_devices`
 * The same for several devices. 200 `{}` · 400 M_MISSING_PARAM · 401 user-interactive authentication
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3delete_devices
 */
const removeMany = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/delete_devices',
    auth: 'user',
    body: 'json',
    async handler(request) {
      const { devices } = parse(removeManyBody, request.body);
      const passed = await confirmByPassword(services, 'POST delete_devices', request);
      await services.logouts.deleteDevices(request.requester.user, devices, () => services.uia.finish(passed));
      return empty();
    },
  });

export const deviceEndpoints = (services: AccountServices): Endpoint[] => [
  list(services),
  get(services),
  rename(services),
  remove(services),
  removeMany(services),
];
