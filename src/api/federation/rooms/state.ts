import { endpoint } from '../../http/endpoint.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/federation/v1/state/{roomId}`
 * The state before an event and its auth chain, written piece by piece.
 * 200 `{ pdus, auth_chain }` · 400 M_MISSING_PARAM · 403 M_FORBIDDEN not in the room · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1stateroomid
 */
export const roomState = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/state/{roomId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler({ origin, params, query }) {
      const point = serving.history.stateBefore(origin, params.roomId, query.required('event_id'));
      return streamedJson(serving.stateAnswers.state(point));
    },
  });

/**
 * `GET /_matrix/federation/v1/state_ids/{roomId}`
 * The same as event IDs.
 * 200 `{ pdu_ids, auth_chain_ids }` · 400 M_MISSING_PARAM · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1state_idsroomid
 */
export const roomStateIds = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/state_ids/{roomId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler({ origin, params, query }) {
      const point = serving.history.stateBefore(origin, params.roomId, query.required('event_id'));
      return streamedJson(serving.stateAnswers.stateIds(point));
    },
  });
