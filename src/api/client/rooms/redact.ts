import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { reasonBody } from './schemas.ts';

/**
 * `PUT /_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}`
 * Redacts an event: one's own, with the power to redact any, and as a server admin those of this server's users. A
 * repeated txnId from the same device answers the first redaction.
 * 200 `{ event_id }` · 403 M_FORBIDDEN · 404 M_NOT_FOUND no such event in the room
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidredacteventidtxnid
 */
export const redact = ({ rooms }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}',
    auth: 'user',
    body: 'optional-json',
    limit: 'messages',
    numbers: 'strict',
    async handler({ requester, params: { roomId, eventId, txnId }, body }) {
      parse(reasonBody, body);
      return json({ event_id: await rooms.sending.redact(requester, roomId, eventId, body, { txnId }) });
    },
  });
