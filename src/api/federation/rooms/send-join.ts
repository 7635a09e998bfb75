import { endpoint } from '../../http/endpoint.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `PUT /_matrix/federation/v2/send_join/{roomId}/{eventId}`
 * Takes a signed join into the room. The answer is written piece by piece, whatever the size of the room.
 * 200 `{ state, auth_chain, event, origin, members_omitted, servers_in_room }` · 400 M_INVALID_PARAM,
 * M_UNABLE_TO_AUTHORISE_JOIN, M_UNABLE_TO_GRANT_JOIN · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2send_joinroomideventid
 */
export const sendJoin = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/federation/v2/send_join/{roomId}/{eventId}',
    auth: 'server',
    limit: 'federation',
    body: 'json',
    async handler({ origin, params, query, body, signal }) {
      const omitMembers = query.flag('omit_members') ?? false;
      const handed = { origin, ...params, event: body, signal };
      return streamedJson(await serving.handshakes.join(handed, { omitMembers }));
    },
  });

/**
 * `PUT /_matrix/federation/v1/send_join/{roomId}/{eventId}`
 * The same in the form of old servers: always with all members, and in a list behind the status.
 * 200 `[200, { state, auth_chain, event, origin, members_omitted }]`
 * @see https://spec.matrix.org/v1.17/server-server-api/#put_matrixfederationv1send_joinroomideventid
 */
export const sendJoinInList = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/federation/v1/send_join/{roomId}/{eventId}',
    auth: 'server',
    limit: 'federation',
    body: 'json',
    async handler({ origin, params, body, signal }) {
      const handed = { origin, ...params, event: body, signal };
      return streamedJson(inList(await serving.handshakes.join(handed, { omitMembers: false })));
    },
  });

async function* inList(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  yield '[200,';
  yield* pieces;
  yield ']';
}
