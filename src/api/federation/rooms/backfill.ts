import { invalidParam, missingParam } from '../../../protocol/errors.ts';
import type { JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/** Events in one answer to /backfill. */
const maxBackfill = 100;
/** Events in one answer to /get_missing_events, and where the asking server names none. */
const maxMissing = 20;
const usualMissing = 10;
/** Events named in one request: a room has few ends. */
const maxNamed = 100;

/**
 * `GET /_matrix/federation/v1/backfill/{roomId}`
 * The named events and what came before them, newest first, at most 100. What none of the asking server's users could
 * have seen is redacted.
 * 200 `{ origin, origin_server_ts, pdus }` · 400 M_MISSING_PARAM, M_INVALID_PARAM · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1backfillroomid
 */
export const backfill = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/federation/v1/backfill/{roomId}',
    auth: 'server',
    limit: 'federation',
    body: 'none',
    handler({ origin, params, query }) {
      const from = query.all('v');
      const limit = query.integer('limit', { min: 1, max: maxBackfill });
      if (from.length === 0 || limit === undefined) throw missingParam('v and limit are needed');
      if (from.length > maxNamed) throw invalidParam(`v names more than ${maxNamed} events`);
      return streamedJson(serving.history.backfill(origin, params.roomId, from, limit));
    },
  });

/**
 * `POST /_matrix/federation/v1/get_missing_events/{roomId}`
 * What lies between events that the asking server has and events that it has heard of, oldest first, at most 20.
 * 200 `{ events }` · 400 M_MISSING_PARAM, M_INVALID_PARAM · 403 M_FORBIDDEN · 404 M_NOT_FOUND
 * @see https://spec.matrix.org/v1.19/server-server-api/#post_matrixfederationv1get_missing_eventsroomid
 */
export const missingEvents = ({ serving }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/federation/v1/get_missing_events/{roomId}',
    auth: 'server',
    limit: 'federation',
    body: 'json',
    handler({ origin, params, body }) {
      const range = {
        latest: eventIds(body, 'latest_events'),
        earliest: eventIds(body, 'earliest_events'),
        minDepth: wholeNumber(body, 'min_depth') ?? 0,
      };
      const limit = Math.min(wholeNumber(body, 'limit') ?? usualMissing, maxMissing);
      return streamedJson(serving.history.missing(origin, params.roomId, range, limit));
    },
  });

function eventIds(body: JsonObject, name: string): string[] {
  const ids = body[name];
  if (ids === undefined) throw missingParam(`Missing ${name}`);
  if (!Array.isArray(ids) || ids.length > maxNamed || !ids.every((id) => typeof id === 'string')) {
    throw invalidParam(`${name} must hold event IDs, at most ${maxNamed}`);
  }
  return ids;
}

function wholeNumber(body: JsonObject, name: string): number | undefined {
  const value = body[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalidParam(`${name} must be a whole number`);
  }
  return value;
}
