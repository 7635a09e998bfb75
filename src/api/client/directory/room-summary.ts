import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/client/v1/room_summary/{roomIdOrAlias}`
 * What a room is, for who thinks of joining it; without a token for rooms that anybody may join, knock at or read.
 * The servers in `via` are asked for a room that nobody here is in.
 * 200 a room summary, with the requester's `membership` · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1room_summaryroomidoralias
 */
export const roomSummary = ({ directory, strangers }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/room_summary/{roomIdOrAlias}',
    alsoAt: [
      '/_matrix/client/unstable/im.nheko.summary/summary/{roomIdOrAlias}',
      '/_matrix/client/unstable/im.nheko.summary/rooms/{roomIdOrAlias}/summary',
    ],
    auth: 'optional',
    body: 'none',
    limit: 'other',
    async handler(request) {
      const { requester, params, query } = request;
      const get = () => directory.summaries.get(requester, params.roomIdOrAlias, query.all('via'));
      return json(await (requester === undefined ? strangers.run(request, get) : get()));
    },
  });
