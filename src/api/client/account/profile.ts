import { invalidParam, MatrixError, missingParam } from '../../../protocol/errors.ts';
import type { UserId } from '../../../protocol/ids/types.ts';
import { parseUserId, serverOf } from '../../../protocol/ids/user-id.ts';
import type { Requester } from '../../../users/login/requester.ts';
import { endpoint } from '../../http/endpoint.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';

const fieldPath = '/_matrix/client/v3/profile/{userId}/{keyName}';
/** From before profiles had fields of any name. */
const oldFieldPath = '/_matrix/client/unstable/uk.tcpip.msc4133/profile/{userId}/{keyName}';

/** Room for the largest profile, with every byte escaped. */
const maxBody = 512 * 1024;

function asked(text: string): UserId {
  const userId = parseUserId(text);
  if (userId === undefined) throw invalidParam('This is not a user ID');
  return userId;
}

const isOurs = (userId: UserId, { server }: AccountServices) => serverOf(userId) === server.serverName;

/**
 * `GET /_matrix/client/v3/profile/{userId}`
 * All fields of a profile; another server is asked for those of its users.
 * 200 · 400 M_INVALID_PARAM no user ID · 403 M_FORBIDDEN the other server does not tell · 404 M_NOT_FOUND no such user
 * · 429 M_LIMIT_EXCEEDED · 502, 504 M_UNKNOWN the other server does not answer
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3profileuserid
 */
const getAll = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/profile/{userId}',
    auth: 'none',
    body: 'none',
    limit: 'other',
    async handler(request) {
      const userId = asked(request.params.userId);
      const { profiles, remoteProfiles, strangers } = services;
      if (isOurs(userId, services)) return json(profiles.get(userId));
      return json(await strangers.run(request, () => remoteProfiles.get(userId)));
    },
  });

/**
 * `GET /_matrix/client/v3/profile/{userId}/{keyName}`
 * One field of a profile. 200 · 400 M_INVALID_PARAM, M_KEY_TOO_LARGE · 404 M_NOT_FOUND no such user, not set · else as
 * above
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3profileuseridkeyname
 */
const get = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: fieldPath,
    alsoAt: [oldFieldPath],
    auth: 'none',
    body: 'none',
    limit: 'other',
    async handler(request) {
      const [userId, keyName] = [asked(request.params.userId), request.params.keyName];
      const { profiles, remoteProfiles, strangers } = services;
      const value = isOurs(userId, services)
        ? profiles.field(userId, keyName)
        : await strangers.run(request, () => remoteProfiles.field(userId, keyName));
      return json({ [keyName]: value });
    },
  });

/**
 * `PUT /_matrix/client/v3/profile/{userId}/{keyName}`
 * Sets a field of one's own profile; a name or picture goes on into one's rooms.
 * 200 `{}` · 400 M_BAD_JSON, M_MISSING_PARAM, M_INVALID_PARAM, M_KEY_TOO_LARGE, M_PROFILE_TOO_LARGE
 * · 403 M_FORBIDDEN, M_USER_SUSPENDED
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3profileuseridkeyname
 */
const put = ({ profileChanges }: AccountServices): Endpoint =>
  endpoint({
    method: 'PUT',
    path: fieldPath,
    alsoAt: [oldFieldPath],
    auth: 'user',
    body: 'json',
    limit: 'other',
    maxBody,
    async handler({ requester, params: { userId, keyName }, body }) {
      const value = Object.hasOwn(body, keyName) ? body[keyName] : undefined;
      if (value === undefined) throw missingParam(`Missing ${keyName}`);
      checkField(requester, keyName);
      await profileChanges.set(requester, userId, keyName, value);
      return empty();
    },
  });

/**
 * `DELETE /_matrix/client/v3/profile/{userId}/{keyName}`
 * Removes a field of one's own profile. 200 `{}` · 400 M_INVALID_PARAM, M_KEY_TOO_LARGE · 403 M_FORBIDDEN,
 * M_USER_SUSPENDED
 * @see https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3profileuseridkeyname
 */
const remove = ({ profileChanges }: AccountServices): Endpoint =>
  endpoint({
    method: 'DELETE',
    path: fieldPath,
    alsoAt: [oldFieldPath],
    auth: 'user',
    body: 'none',
    limit: 'other',
    async handler({ requester, params: { userId, keyName } }) {
      checkField(requester, keyName);
      await profileChanges.remove(requester, userId, keyName);
      return empty();
    },
  });

/** Guests have a name, and nothing else. */
function checkField({ guest }: Requester, keyName: string): void {
  if (!guest || keyName === 'displayname') return;
  throw new MatrixError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'Guests can only set their display name');
}

export const profileEndpoints = (services: AccountServices): Endpoint[] => [
  getAll(services),
  get(services),
  put(services),
  remove(services),
];
