import * as v from 'valibot';
import type { Device } from '../../../users/devices.ts';
import type { JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';

/**
 * `GET /_matrix/client/v3/admin/whois/{userId}`
 * Where and by what the devices of a user were last used: of oneself, or of anybody for an admin.
 * 200 `{ user_id, devices }` · 400 M_INVALID_PARAM a user of another server · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3adminwhoisuserid
 */
const whois = ({ moderation }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/admin/whois/{userId}',
    auth: 'user',
    body: 'none',
    handler({ requester, params: { userId } }) {
      const devices = moderation.whois(requester, userId).map((device) => [device.deviceId, sessionsOf(device)]);
      return json({ user_id: userId, devices: Object.fromEntries(devices) as JsonObject });
    },
  });

/** A device is one session here, and of its connections the last one is known. */
function sessionsOf({ seenTs, seenIp, seenAgent }: Device): JsonObject {
  if (seenTs === null) return { sessions: [{ connections: [] }] };
  const connection = {
    last_seen: seenTs,
    ...(seenIp === null || seenIp === '' ? {} : { ip: seenIp }),
    ...(seenAgent === null ? {} : { user_agent: seenAgent }),
  };
  return { sessions: [{ connections: [connection] }] };
}

const suspendPath = '/_matrix/client/v1/admin/suspend/{userId}';
const lockPath = '/_matrix/client/v1/admin/lock/{userId}';

/**
 * `GET /_matrix/client/v1/admin/suspend/{userId}`
 * Whether an account is suspended. 200 `{ suspended }` · 400 M_INVALID_PARAM a user of another server
 * · 403 M_FORBIDDEN no admin asks, or it is another admin's account · 404 M_NOT_FOUND unknown or deactivated
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1adminsuspenduserid
 */
const isSuspended = ({ moderation }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: suspendPath,
    auth: 'user',
    body: 'none',
    handler: ({ requester, params: { userId } }) =>
      json({ suspended: moderation.isRestricted(requester, userId, 'suspended') }),
  });

/**
 * `PUT /_matrix/client/v1/admin/suspend/{userId}`
 * Suspends an account, which can then read but neither write nor join, or ends that.
 * 200 `{ suspended }` · 400 M_INVALID_PARAM, M_MISSING_PARAM, M_BAD_JSON · 403 M_FORBIDDEN as above, or one's own
 * account · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv1adminsuspenduserid
 */
const suspend = ({ moderation }: AccountServices): Endpoint =>
  endpoint({
    method: 'PUT',
    path: suspendPath,
    auth: 'user',
    body: 'json',
    async handler({ requester, params: { userId }, body }) {
      // Who may not do this learns nothing of the user, and nothing of the body either.
      moderation.isRestricted(requester, userId, 'suspended');
      const { suspended } = parse(v.looseObject({ suspended: v.boolean() }), body);
      await moderation.restrict(requester, userId, 'suspended', suspended);
      return json({ suspended });
    },
  });

/**
 * `GET /_matrix/client/v1/admin/lock/{userId}`
 * Whether an account is locked. 200 `{ locked }` · errors as with `suspend`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1adminlockuserid
 */
const isLocked = ({ moderation }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: lockPath,
    auth: 'user',
    body: 'none',
    handler: ({ requester, params: { userId } }) =>
      json({ locked: moderation.isRestricted(requester, userId, 'locked') }),
  });

/**
 * `PUT /_matrix/client/v1/admin/lock/{userId}`
 * Locks an account, which can then only log out, or ends that. 200 `{ locked }` · errors as with `suspend`
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv1adminlockuserid
 */
const lock = ({ moderation }: AccountServices): Endpoint =>
  endpoint({
    method: 'PUT',
    path: lockPath,
    auth: 'user',
    body: 'json',
    async handler({ requester, params: { userId }, body }) {
      moderation.isRestricted(requester, userId, 'locked');
      const { locked } = parse(v.looseObject({ locked: v.boolean() }), body);
      await moderation.restrict(requester, userId, 'locked', locked);
      return json({ locked });
    },
  });

export const adminEndpoints = (services: AccountServices): Endpoint[] =>
  [whois, isSuspended, suspend, isLocked, lock].map((make) => make(services));
