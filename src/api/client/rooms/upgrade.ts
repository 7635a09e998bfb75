import { array, nullish, object, string } from 'valibot';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const upgradeBody = object({ new_version: string(), additional_creators: nullish(array(string())) });

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/upgrade`
 * Replaces a room by a new one of another version, which takes over its look, rules, levels and aliases, and closes it.
 * 200 `{ replacement_room }` · 400 M_UNSUPPORTED_ROOM_VERSION, M_MISSING_PARAM, M_BAD_JSON, M_INVALID_PARAM,
 * M_INVALID_ROOM_STATE · 403 M_FORBIDDEN not in the room, or not allowed to send a tombstone
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidupgrade
 */
export const upgrade = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/upgrade',
    auth: 'user',
    body: 'json',
    limit: 'rooms',
    async handler({ requester, params, body }) {
      const { new_version: version, additional_creators: creators } = parse(upgradeBody, body);
      const options = { version, additionalCreators: creators ?? undefined };
      return json({ replacement_room: await rooms.upgrades.upgrade(requester, params.roomId, options) });
    },
  });
