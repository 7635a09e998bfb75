import {
  array,
  boolean,
  custom,
  type InferOutput,
  integer,
  minValue,
  nullish,
  number,
  object,
  picklist,
  pipe,
  string,
} from 'valibot';
import { RoomEventFilter } from '../../../protocol/filters/event-filter.ts';
import type { Search, SearchWish } from '../../../search/search.ts';
import { isJsonObject, type JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json, streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';

const amount = pipe(number(), integer(), minValue(0));

const roomEvents = object({
  search_term: string(),
  keys: nullish(array(picklist(['content.body', 'content.name', 'content.topic']))),
  filter: nullish(custom<JsonObject>(isJsonObject)),
  order_by: nullish(picklist(['rank', 'recent'])),
  event_context: nullish(
    object({ before_limit: nullish(amount), after_limit: nullish(amount), include_profile: nullish(boolean()) }),
  ),
  include_state: nullish(boolean()),
  groupings: nullish(object({ group_by: nullish(array(object({ key: picklist(['room_id', 'sender']) }))) })),
});
const searchBody = object({ search_categories: object({ room_events: nullish(roomEvents) }) });

const kinds = { 'content.body': 'body', 'content.name': 'name', 'content.topic': 'topic' } as const;
const defaultContext = 5;
const maxContext = 20;

/**
 * `POST /_matrix/client/v3/search`
 * Messages, names and topics with all words of a term, in rooms that the requester is or was in. Without `room_events`
 * nothing is searched.
 * 200 `{ search_categories: { room_events: { count, highlights, results, state?, groups?, next_batch? } } }`
 * · 400 M_MISSING_PARAM, M_BAD_JSON, M_INVALID_PARAM also for a token
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3search
 */
export const searchEvents = (search: Search): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/search',
    auth: 'user',
    limit: 'other',
    body: 'json',
    handler({ requester, query, body }) {
      const wish = parse(searchBody, body).search_categories.room_events;
      if (wish === undefined || wish === null) return json({ search_categories: {} });
      const found = search.search(requester, wishOf(wish, query.get('next_batch')));
      return streamedJson(around('{"search_categories":{"room_events":', found, '}}'));
    },
  });

function wishOf(wish: InferOutput<typeof roomEvents>, nextBatch: string | undefined): SearchWish {
  const context = wish.event_context;
  return {
    term: wish.search_term,
    kinds: wish.keys?.map((key) => kinds[key]),
    filter: new RoomEventFilter(wish.filter ?? {}, 'search_categories.room_events.filter.'),
    order: wish.order_by ?? 'rank',
    ...(context
      ? {
          context: {
            before: Math.min(context.before_limit ?? defaultContext, maxContext),
            after: Math.min(context.after_limit ?? defaultContext, maxContext),
            profiles: context.include_profile ?? false,
          },
        }
      : {}),
    includeState: wish.include_state ?? false,
    groupBy: [...new Set(wish.groupings?.group_by?.map(({ key }) => key) ?? [])],
    nextBatch,
  };
}

function* around(before: string, pieces: Iterable<string>, after: string): Generator<string> {
  yield before;
  yield* pieces;
  yield after;
}
