import { endpoint } from '../http/endpoint.ts';
import { reply } from '../http/reply.ts';
import type { Endpoint } from '../http/types.ts';
import type { Services } from '../services.ts';

/** Fifty events of the largest size, and EDUs as large as some servers make them. */
const mostBytes = 10 * 1024 * 1024;

/**
 * `PUT /_matrix/federation/v1/send/{txnId}`
 * Takes up to 50 PDUs and 100 EDUs of another server. A transaction that is sent again is answered as it was.
 * 200 `{ pdus: { [event ID]: {} | { error } } }` · 400 M_BAD_JSON too many of either · 429 M_LIMIT_EXCEEDED
 * @see https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1sendtxnid
 */
export function sendEndpoint({ receiving }: Pick<Services, 'receiving'>): Endpoint {
  return endpoint({
    method: 'PUT',
    path: '/_matrix/federation/v1/send/{txnId}',
    auth: 'server',
    body: 'json',
    maxBody: mostBytes,
    limit: 'federation',
    async handler({ origin, params, body, headers }) {
      const size = Number(headers['content-length'] ?? mostBytes);
      const answer = await receiving.transactions.receive(origin, params.txnId, body, size);
      return reply({ headers: { 'Content-Type': 'application/json' }, body: answer });
    },
  });
}
