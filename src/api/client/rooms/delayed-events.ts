import * as v from 'valibot';
import { type DelayedAction, delayedActions } from '../../../rooms/send/delayed-events.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import type { Query } from '../../http/query.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const root = '/_matrix/client/unstable/org.matrix.msc4140';

/** The delay that a client asks for where it sends an event; `undefined` if it asks for none. 400 M_INVALID_PARAM */
export const delayIn = (query: Query): number | undefined => query.integer('org.matrix.msc4140.delay', { min: 1 });

const scheduleBody = v.looseObject({
  delay_ms: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  state_key: v.optional(v.string()),
  content: v.record(v.string(), v.any()),
});

/**
 * `PUT /_matrix/client/unstable/org.matrix.msc4140/rooms/{roomId}/delayed_event/{eventType}/{txnId}`
 * Sends an event after `delay_ms`, a state event if there is a `state_key`.
 * 200 `{ delay_id }` · 400 M_BAD_JSON, M_MISSING_PARAM, M_INVALID_PARAM · 403 M_FORBIDDEN too long a delay, no such
 * room; M_USER_SUSPENDED · 413 M_TOO_LARGE · 429 M_LIMIT_EXCEEDED
 */
const schedule = ({ delayedEvents }: Services): Endpoint =>
  endpoint({
    method: 'PUT',
    path: `${root}/rooms/{roomId}/delayed_event/{eventType}/{txnId}`,
    auth: 'user',
    body: 'json',
    limit: 'messages',
    numbers: 'strict',
    async handler({ requester, params: { roomId, eventType: type, txnId }, body }) {
      const { delay_ms: delay, state_key: stateKey, content } = parse(scheduleBody, body);
      const draft = { type, content, ...(stateKey === undefined ? {} : { stateKey }) };
      return json({ delay_id: await delayedEvents.schedule(requester, roomId, draft, delay, { txnId }) });
    },
  });

/**
 * `POST /_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}/send|cancel|restart`
 * Sends it now, never, or lets its time begin anew. Who knows the ID may: the servers of calls have no account.
 * 200 `{}` · 404 M_NOT_FOUND · 409 M_UNKNOWN it has ended in another way · what sending it says · 429 M_LIMIT_EXCEEDED
 */
const act =
  (action: DelayedAction) =>
  ({ delayedEvents }: Services): Endpoint =>
    endpoint({
      method: 'POST',
      path: `${root}/delayed_events/{delayId}/${action}`,
      auth: 'none',
      body: 'optional-json',
      limit: 'other',
      async handler({ params }) {
        await delayedEvents.manage(params['delayId'] ?? '', action);
        return empty();
      },
    });

/** `POST /_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}`: the same with `action` in the body. */
const actByBody = ({ delayedEvents }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: `${root}/delayed_events/{delayId}`,
    auth: 'none',
    body: 'json',
    limit: 'other',
    async handler({ params: { delayId }, body }) {
      await delayedEvents.manage(delayId, parse(v.looseObject({ action: v.picklist(delayedActions) }), body).action);
      return empty();
    },
  });

/** `GET /_matrix/client/unstable/org.matrix.msc4140/delayed_events`: those of the requester that are still to be sent. */
const list = ({ delayedEvents }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: `${root}/delayed_events`,
    auth: 'user',
    body: 'none',
    limit: 'other',
    handler: ({ requester }) => json({ delayed_events: delayedEvents.list(requester) }),
  });

/** `GET /_matrix/client/unstable/org.matrix.msc4140/delayed_events/{delayId}`: one, ended or not. 404 M_NOT_FOUND */
const get = ({ delayedEvents }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: `${root}/delayed_events/{delayId}`,
    auth: 'user',
    body: 'none',
    limit: 'other',
    handler: ({ requester, params: { delayId } }) => json(delayedEvents.get(requester, delayId)),
  });

/** @see https://github.com/matrix-org/matrix-spec-proposals/pull/4140 */
export const delayedEventEndpoints = (services: Services): Endpoint[] =>
  [schedule, ...delayedActions.map(act), actByBody, list, get].map((make) => make(services));
