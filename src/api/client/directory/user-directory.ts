import { integer, minValue, nullish, number, object, pipe, string } from 'valibot';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

const defaultLimit = 10;
const maxLimit = 50;
const searchBody = object({ search_term: string(), limit: nullish(pipe(number(), integer(), minValue(1))) });

/**
 * `POST /_matrix/client/v3/user_directory/search`
 * Users by the words of their names: those who share a room with the requester, or are in a room open to all.
 * 200 `{ results, limited }` · 400 M_MISSING_PARAM, M_BAD_JSON, M_INVALID_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3user_directorysearch
 */
export const searchUsers = ({ directory }: Services): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/user_directory/search',
    auth: 'user',
    limit: 'other',
    body: 'json',
    handler({ requester, body }) {
      const { search_term: searchTerm, limit } = parse(searchBody, body);
      return json(
        directory.userDirectory.search(requester, { searchTerm, limit: Math.min(limit ?? defaultLimit, maxLimit) }),
      );
    },
  });
