import { presenceStates } from '../../../ephemeral/presence.ts';
import { type Filter, openFilter } from '../../../protocol/filters/filter.ts';
import type { StateSection } from '../../../sync/turn.ts';
import type { Requester } from '../../../users/login/requester.ts';
import { millis } from '../../../util/brand.ts';
import { endpoint } from '../../http/endpoint.ts';
import type { Query } from '../../http/query.ts';
import { streamedJson } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

/** The filter that `filter` names or, from the first `{` on, is. */
function filterOf({ filters }: Pick<Services, 'filters'>, requester: Requester, text: string | undefined): Filter {
  if (text === undefined || text === '') return openFilter;
  return text.startsWith('{') ? filters.inline(text) : filters.get(requester.user, text);
}

/** Clients in use ask for `state_after` by the name it had before it was specified, and look for that in the answer. */
function stateSection(query: Query): StateSection {
  if (query.flag('use_state_after') === true) return 'state_after';
  return query.flag('org.matrix.msc4222.use_state_after') === true ? 'org.matrix.msc4222.state_after' : 'state';
}

/**
 * `GET /_matrix/client/v3/sync`
 * Answers what the client does not know yet, at once or when there is something; with `full_state` always at once.
 * Whoever syncs is online unless `set_presence` says otherwise, if presence is switched on.
 * 200 `{ next_batch, … }` · 400 M_INVALID_PARAM `since`, `timeout` · 400 M_BAD_JSON `filter` · 404 M_NOT_FOUND filter ID
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync
 */
const sync = (services: Services): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/sync',
    auth: 'user',
    body: 'none',
    waits: true,
    async handler({ requester, query, signal }) {
      const timeout = query.integer('timeout') ?? 0;
      services.presence.seen(requester, query.oneOf('set_presence', presenceStates) ?? 'online', timeout);
      const answer = await services.sync.sync({
        requester,
        filter: filterOf(services, requester, query.get('filter')),
        since: query.get('since'),
        fullState: query.flag('full_state') ?? false,
        stateSection: stateSection(query),
        timeout: millis(timeout),
        signal,
      });
      return streamedJson(typeof answer === 'string' ? [answer] : answer);
    },
  });

export const syncEndpoints = (services: Services): Endpoint[] => [sync(services)];
