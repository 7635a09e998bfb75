import { endpoint } from '../../http/endpoint.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { checkOwn } from './own-user.ts';

const globalPath = '/_matrix/client/v3/user/{userId}/account_data/{type}';
const roomPath = '/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}';

/** Lists of direct chats and ignored users may grow long. */
const maxBody = 1024 * 1024;

/**
 * `PUT /_matrix/client/v3/user/{userId}/account_data/{type}`
 * Keeps something for all sessions of the user.
 * 200 `{}` · 400 M_BAD_JSON, M_NOT_JSON · 403 M_FORBIDDEN another user · 405 M_BAD_JSON a type of the server's
 * · 413 M_TOO_LARGE over 1 MiB, or all of the user's over 16 MiB
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3useruseridaccount_datatype
 */
const put = ({ accountData }: AccountServices): Endpoint =>
  endpoint({
    method: 'PUT',
    path: globalPath,
    auth: 'user',
    body: 'json',
    maxBody,
    async handler({ requester, params: { userId, type }, body }) {
      checkOwn(requester, userId);
      await accountData.change(requester.user, undefined, type, body);
      return empty();
    },
  });

/**
 * `GET /_matrix/client/v3/user/{userId}/account_data/{type}`
 * 200 the content · 403 M_FORBIDDEN another user · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridaccount_datatype
 */
const get = ({ accountData }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: globalPath,
    auth: 'user',
    body: 'none',
    handler({ requester, params: { userId, type } }) {
      checkOwn(requester, userId);
      return json(accountData.read(requester.user, undefined, type));
    },
  });

/**
 * `PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}`
 * Keeps something that concerns one room for all sessions of the user.
 * 200 `{}` · 400 M_BAD_JSON, M_NOT_JSON, M_INVALID_PARAM no room ID · 403 M_FORBIDDEN another user
 * · 405 M_BAD_JSON a type of the server's · 413 M_TOO_LARGE as above
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3useruseridroomsroomidaccount_datatype
 */
const putInRoom = ({ accountData }: AccountServices): Endpoint =>
  endpoint({
    method: 'PUT',
    path: roomPath,
    auth: 'user',
    body: 'json',
    maxBody,
    async handler({ requester, params: { userId, roomId, type }, body }) {
      checkOwn(requester, userId);
      await accountData.change(requester.user, roomId, type, body);
      return empty();
    },
  });

/**
 * `GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}`
 * 200 the content · 400 M_INVALID_PARAM no room ID · 403 M_FORBIDDEN another user · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridroomsroomidaccount_datatype
 */
const getInRoom = ({ accountData }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: roomPath,
    auth: 'user',
    body: 'none',
    handler({ requester, params: { userId, roomId, type } }) {
      checkOwn(requester, userId);
      return json(accountData.read(requester.user, roomId, type));
    },
  });

export const accountDataEndpoints = (services: AccountServices): Endpoint[] => [
  put(services),
  get(services),
  putInRoom(services),
  getInRoom(services),
];
