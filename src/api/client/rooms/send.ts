import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';
import { delayIn } from './delayed-events.ts';

/**
 * `PUT /_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}`
 * Sends a message event; a repeated txnId from the same device answers the first event ID. A redaction names its target
 * by `redacts` in the body, in every room version.
 * With `org.matrix.msc4140.delay` it is sent so many milliseconds later: 200 `{ delay_id }`.
 * 200 `{ event_id }` · 400 M_BAD_JSON floats or integers outside ±(2^53 - 1) · 403 M_FORBIDDEN not joined or too little
 * power · 404 M_NOT_FOUND the target of a redaction · 413 M_TOO_LARGE over 65,536 bytes, or a type over 255
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid
 */
export const send = ({ rooms, delayedEvents }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: '/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}',
    auth: 'user',
    body: 'json',
    limit: 'messages',
    numbers: 'strict',
    async handler({ requester, params: { roomId, eventType, txnId }, query, body }) {
      const draft = { type: eventType, content: body };
      const delay = delayIn(query);
      if (delay !== undefined) {
        return json({
          delay_id: await delayedEvents.schedule(requester, roomId, draft, delay, { txnId, isOlderForm: true }),
        });
      }
      return json({ event_id: await rooms.sending.send(requester, roomId, draft, { txnId }) });
    },
  });
