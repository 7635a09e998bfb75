import { invalidParam, unrecognized } from '../../../protocol/errors.ts';
import { parseRoomAlias, serverOfAlias } from '../../../protocol/ids/room-id.ts';
import { parseUserId, serverOf } from '../../../protocol/ids/user-id.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/federation/v1/query/profile`
 * The profile of one of our users, or one field of it.
 * 200 · 400 M_MISSING_PARAM, M_INVALID_PARAM not a user of this server, no field's name, M_KEY_TOO_LARGE
 * · 404 M_NOT_FOUND no such user, field not set
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1queryprofile
 */
export const queryProfile = ({ profiles, server }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/query/profile',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler({ query }) {
      const userId = parseUserId(query.required('user_id'));
      if (userId === undefined || serverOf(userId) !== server.serverName) {
        throw invalidParam('user_id is not a user of this server');
      }
      const field = query.get('field');
      return json(field === undefined ? profiles.get(userId) : { [field]: profiles.field(userId, field) });
    },
  });

/**
 * `GET /_matrix/federation/v1/query/directory`
 * The room behind one of our aliases, and servers that are in it.
 * 200 `{ room_id, servers }` · 400 M_MISSING_PARAM, M_INVALID_PARAM not an alias of this server · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1querydirectory
 */
export const queryDirectory = ({ rooms, server }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/query/directory',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler({ query }) {
      const alias = parseRoomAlias(query.required('room_alias'));
      if (alias === undefined || serverOfAlias(alias) !== server.serverName) {
        throw invalidParam('room_alias is not an alias of this server');
      }
      const { roomId, servers } = rooms.aliases.resolve(alias);
      return json({ room_id: roomId, servers });
    },
  });

/**
 * `GET /_matrix/federation/v1/query/{queryType}`
 * Other kinds of queries, of which this server knows none. 404 M_UNRECOGNIZED
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1queryquerytype
 */
export const queryOther = (): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/query/{queryType}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler() {
      throw unrecognized(404, 'This server does not know this kind of query');
    },
  });
