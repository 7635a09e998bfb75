import { object, string } from 'valibot';
import { invalidParam } from '../../../protocol/errors.ts';
import { parseRoomAlias, parseRoomId, serverOfAlias } from '../../../protocol/ids/room-id.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const path = '/_matrix/client/v3/directory/room/{roomAlias}';

/**
 * `GET /_matrix/client/v3/directory/room/{roomAlias}`
 * The room behind an alias; another server is asked for its own.
 * 200 `{ room_id, servers }` · 400 M_INVALID_PARAM not a room alias · 404 M_NOT_FOUND · 502, 504 M_UNKNOWN the other
 * server does not answer
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3directoryroomroomalias
 */
export const resolveAlias = ({ rooms, server, strangers }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    auth: 'none',
    body: 'none',
    limit: 'other',
    async handler(request) {
      const alias = parseRoomAlias(request.params.roomAlias);
      if (alias === undefined) throw invalidParam('This is not a room alias');
      const resolve = () => rooms.aliases.resolveAnywhere(alias);
      const isOurs = serverOfAlias(alias) === server.serverName;
      const { roomId, servers } = await (isOurs ? resolve() : strangers.run(request, resolve));
      return json({ room_id: roomId, servers });
    },
  });

const roomBody = object({ room_id: string() });

/**
 * `PUT /_matrix/client/v3/directory/room/{roomAlias}`
 * Gives a room that the requester is in one more name on this server.
 * 200 `{}` · 400 M_INVALID_PARAM not an alias of this server · 403 M_FORBIDDEN not in the room,
 * M_USER_SUSPENDED · 409 M_UNKNOWN it exists
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3directoryroomroomalias
 */
export const createAlias = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path,
    auth: 'user',
    body: 'json',
    async handler({ requester, params, body }) {
      await rooms.aliases.create(requester, params.roomAlias, parse(roomBody, body).room_id);
      return empty();
    },
  });

/**
 * `DELETE /_matrix/client/v3/directory/room/{roomAlias}`
 * Takes the name away, also out of the room's canonical alias where the requester may change that.
 * 200 `{}` · 400 M_INVALID_PARAM not an alias of this server · 403 M_FORBIDDEN made by somebody else, and no power in the
 * room · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3directoryroomroomalias
 */
export const removeAlias = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'DELETE',
    path,
    auth: 'user',
    body: 'none',
    async handler({ requester, params }) {
      await rooms.aliases.remove(requester, params.roomAlias);
      return empty();
    },
  });

/**
 * `GET /_matrix/client/v3/rooms/{roomId}/aliases`
 * The room's names on this server.
 * 200 `{ aliases }` · 400 M_INVALID_PARAM no room ID · 403 M_FORBIDDEN not in the room, and not everybody may read it
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidaliases
 */
export const aliasesOfRoom = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/rooms/{roomId}/aliases',
    auth: 'user',
    body: 'none',
    limit: 'reading',
    handler({ requester, params }) {
      if (parseRoomId(params.roomId) === undefined) throw invalidParam('This is not a room ID');
      return json({ aliases: rooms.aliases.ofRoom(requester, params.roomId) });
    },
  });
