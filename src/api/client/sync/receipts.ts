import * as v from 'valibot';
import type { ReadMarks } from '../../../ephemeral/receipts.ts';
import { invalidParam } from '../../../protocol/errors.ts';
import type { JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/** A wrong `thread_id` has its own error, whatever its type. */
function threadOf(body: JsonObject): string | undefined {
  const thread = body['thread_id'];
  if (thread === undefined) return undefined;
  if (typeof thread !== 'string' || thread === '') throw invalidParam('thread_id must be a non-empty string');
  return thread;
}

function marksOf(type: string, eventId: string, threadId: string | undefined): ReadMarks {
  switch (type) {
    case 'm.read':
    case 'm.read.private':
      return { receipts: [{ kind: type, eventId }], threadId };
    case 'm.fully_read':
      if (threadId !== undefined) throw invalidParam('thread_id does not go with m.fully_read');
      return { receipts: [], fullyRead: eventId };
    default:
      throw invalidParam('The receipt type must be m.read, m.read.private or m.fully_read');
  }
}

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}`
 * Moves a receipt, or the fully-read marker, forward to an event; backwards they do not go.
 * 200 `{}` · 400 M_INVALID_PARAM receipt type, thread · 403 M_FORBIDDEN not in the room · 404 M_NOT_FOUND no such event
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidreceiptreceipttypeeventid
 */
const receipt = ({ receipts }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}',
    auth: 'user',
    body: 'optional-json',
    limit: 'other',
    handler({ requester, params, body }) {
      receipts.mark(requester, params.roomId, marksOf(params.receiptType, params.eventId, threadOf(body)));
      return empty();
    },
  });

const markersSchema = v.object({
  'm.fully_read': v.optional(v.string()),
  'm.read': v.optional(v.string()),
  'm.read.private': v.optional(v.string()),
});

/**
 * `POST /_matrix/client/v3/rooms/{roomId}/read_markers`
 * Moves the fully-read marker and the receipts that are named, all or none.
 * 200 `{}` · 400 M_BAD_JSON · 403 M_FORBIDDEN not in the room · 404 M_NOT_FOUND no such event
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidread_markers
 */
const readMarkers = ({ receipts }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/rooms/{roomId}/read_markers',
    auth: 'user',
    body: 'json',
    limit: 'other',
    handler({ requester, params, body }) {
      const markers = parse(markersSchema, body);
      const kinds = ['m.read', 'm.read.private'] as const;
      receipts.mark(requester, params.roomId, {
        receipts: kinds.flatMap((kind) => {
          const eventId = markers[kind];
          return eventId === undefined ? [] : [{ kind, eventId }];
        }),
        fullyRead: markers['m.fully_read'],
      });
      return empty();
    },
  });

export const receiptEndpoints = (services: Services): Endpoint[] => [receipt(services), readMarkers(services)];
