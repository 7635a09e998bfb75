import { endpoint } from '../../http/endpoint.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { checkOwn } from './own-user.ts';

const tagPath = '/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}';

/**
 * `GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags`
 * 200 `{ tags }` · 400 M_INVALID_PARAM no room ID · 403 M_FORBIDDEN another user
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridroomsroomidtags
 */
const list = ({ accountData }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags',
    auth: 'user',
    body: 'none',
    handler({ requester, params: { userId, roomId } }) {
      checkOwn(requester, userId);
      return json({ tags: accountData.tags(requester.user, roomId) });
    },
  });

/**
 * `PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}`
 * 200 `{}` · 400 M_BAD_JSON, M_INVALID_PARAM no room ID, tag over 255 bytes · 403 M_FORBIDDEN another user
 * · 413 M_TOO_LARGE all tags of the room over 1 MiB
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3useruseridroomsroomidtagstag
 */
const put = ({ accountData }: AccountServices): Endpoint =>
  endpoint({
    method: 'PUT',
    path: tagPath,
    auth: 'user',
    body: 'json',
    async handler({ requester, params: { userId, roomId, tag }, body }) {
      checkOwn(requester, userId);
      await accountData.setTag(requester.user, roomId, tag, body);
      return empty();
    },
  });

/**
 * `DELETE /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}`
 * 200 `{}`, also if it was not there · 400 M_INVALID_PARAM no room ID · 403 M_FORBIDDEN another user
 * @see https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3useruseridroomsroomidtagstag
 */
const remove = ({ accountData }: AccountServices): Endpoint =>
  endpoint({
    method: 'DELETE',
    path: tagPath,
    auth: 'user',
    body: 'none',
    async handler({ requester, params: { userId, roomId, tag } }) {
      checkOwn(requester, userId);
      await accountData.removeTag(requester.user, roomId, tag);
      return empty();
    },
  });

export const tagEndpoints = (services: AccountServices): Endpoint[] => [
  list(services),
  put(services),
  remove(services),
];
