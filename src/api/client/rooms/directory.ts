import { nullish, object, picklist } from 'valibot';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const path = '/_matrix/client/v3/directory/list/room/{roomId}';

/**
 * `GET /_matrix/client/v3/directory/list/room/{roomId}`
 * Whether the room directory of this server lists the room.
 * 200 `{ visibility }` · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3directorylistroomroomid
 */
export const getDirectoryVisibility = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    auth: 'none',
    body: 'none',
    handler: ({ params }) => json({ visibility: rooms.aliases.isPublished(params.roomId) ? 'public' : 'private' }),
  });

const visibilityBody = object({ visibility: nullish(picklist(['private', 'public'])) });

/**
 * `PUT /_matrix/client/v3/directory/list/room/{roomId}`
 * Lists the room in the directory, or takes it out. For who may set the room's canonical alias, as far as the
 * server's settings let members publish rooms, and for server admins.
 * 200 `{}` · 400 M_INVALID_PARAM · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3directorylistroomroomid
 */
export const setDirectoryVisibility = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path,
    auth: 'user',
    body: 'optional-json',
    async handler({ requester, params, body }) {
      const visibility = parse(visibilityBody, body).visibility ?? 'public';
      await rooms.aliases.publish(requester, params.roomId, visibility === 'public');
      return empty();
    },
  });
