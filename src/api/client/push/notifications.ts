import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/**
 * `GET /_matrix/client/v3/notifications`
 * What the user was notified of, newest first: the newest thousand unread events of each room and the newest five
 * hundred read ones of all. A page may be empty and still have a `next_token`.
 * 200 `{ notifications, next_token? }` · 400 M_INVALID_PARAM from, limit
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3notifications
 */
export const notificationEndpoint = ({ notifications }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/notifications',
    auth: 'user',
    body: 'none',
    handler({ requester, query }) {
      const page = notifications.page(requester, {
        from: query.get('from'),
        limit: query.integer('limit'),
        // Any other value is no filter that is known.
        onlyHighlights: query.get('only') === 'highlight',
      });
      return json(page);
    },
  });
