import { array, boolean, integer, minValue, nullable, nullish, number, object, pipe, string } from 'valibot';
import type { PublicRoomsQuery } from '../directory/public-rooms.ts';
import type { JsonObject } from '../util/json.ts';
import { parse } from './http/parse.ts';

const searchBody = object({
  limit: nullish(pipe(number(), integer(), minValue(0))),
  since: nullish(string()),
  filter: nullish(object({ generic_search_term: nullish(string()), room_types: nullish(array(nullable(string()))) })),
  include_all_networks: nullish(boolean()),
  third_party_instance_id: nullish(string()),
});

/** What a search of a room directory asks for; clients and servers say it in the same form. 400 M_BAD_JSON */
export function publicRoomsSearch(body: JsonObject): PublicRoomsQuery {
  const wish = parse(searchBody, body);
  return {
    limit: wish.limit ?? undefined,
    since: wish.since ?? undefined,
    searchTerm: wish.filter?.generic_search_term ?? undefined,
    roomTypes: wish.filter?.room_types ?? undefined,
    allNetworks: wish.include_all_networks ?? undefined,
    network: wish.third_party_instance_id ?? undefined,
  };
}
