import { looseObject, number, optional, record, string } from 'valibot';
import type { KeyQuestion } from '../../../federation/keys/notary.ts';
import { badJson, invalidParam } from '../../../protocol/errors.ts';
import { isKeyId } from '../../../protocol/ids/key-id.ts';
import { isServerName, parseServerName } from '../../../protocol/ids/server-name.ts';
import type { KeyId } from '../../../protocol/ids/types.ts';
import { millis } from '../../../util/brand.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { ApiRequest, Endpoint } from '../../http/types.ts';
import type { Services } from '../../services.ts';

type Uses = Pick<Services, 'federation' | 'clock' | 'strangers'>;

/** Servers that are answered about at once, and keys of each: we may have to ask all of those servers first. */
const mostServers = 100;
const mostKeys = 32;
/** Servers that join a large room ask for more than we answer about. */
const maxBody = 256 * 1024;

/**
 * `GET /_matrix/key/v2/query/{serverName}` and, from before version 1.6 of the specification, `…/{serverName}/{keyId}`
 * Tells what another server says about its keys, with our signature beside its own.
 * 200 `{ server_keys: [ … ] }`, empty if nothing is known · 400 M_INVALID_PARAM no server name
 * @see https://spec.matrix.org/v1.19/server-server-api/#get_matrixkeyv2queryservername
 */
export function queryOne({ federation, clock, strangers }: Uses): Endpoint[] {
  const answer = async (
    name: string,
    keyIds: readonly KeyId[],
    request: Pick<ApiRequest<'none', 'none'>, 'query' | 'ip' | 'signal'>,
  ) => {
    const server = parseServerName(name);
    if (server === undefined) throw invalidParam('This is no server name');
    const validUntil = millis(request.query.integer('minimum_valid_until_ts') ?? clock.now());
    const question = { server, keyIds, validUntil };
    return json({ server_keys: await strangers.run(request, () => federation.notary.answers([question])) });
  };
  return [
    endpoint({
      method: 'GET',
      path: '/_matrix/key/v2/query/{serverName}',
      auth: 'none',
      body: 'none',
      limit: 'federation',
      handler: (request) => answer(request.params.serverName, [], request),
    }),
    endpoint({
      method: 'GET',
      path: '/_matrix/key/v2/query/{serverName}/{keyId}',
      auth: 'none',
      body: 'none',
      limit: 'federation',
      handler(request) {
        const { serverName, keyId } = request.params;
        return answer(serverName, isKeyId(keyId) ? [keyId] : [], request);
      },
    }),
  ];
}

const question = looseObject({
  server_keys: record(string(), record(string(), looseObject({ minimum_valid_until_ts: optional(number()) }))),
});

/**
 * `POST /_matrix/key/v2/query`
 * The same for several servers; of more than a hundred, the first hundred are answered about.
 * 200 `{ server_keys: [ … ] }` · 400 M_BAD_JSON
 * @see https://spec.matrix.org/v1.19/server-server-api/#post_matrixkeyv2query
 */
export const queryMany = ({ federation, clock, strangers }: Uses): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/key/v2/query',
    auth: 'none',
    body: 'json',
    limit: 'federation',
    maxBody,
    async handler({ body, ip, signal }) {
      const questions: KeyQuestion[] = [];
      const { server_keys: asked } = parse(question, body);
      if (Array.isArray(body['server_keys'])) throw badJson('server_keys must be an object');
      for (const [server, keys] of Object.entries(asked).slice(0, mostServers)) {
        if (!isServerName(server)) continue;
        const named = Object.entries(keys).slice(0, mostKeys);
        const keyIds = named.map(([keyId]) => keyId).filter((keyId) => isKeyId(keyId));
        const times = named.map(([, criteria]) => criteria.minimum_valid_until_ts ?? clock.now());
        questions.push({ server, keyIds, validUntil: millis(times.length === 0 ? clock.now() : Math.max(...times)) });
      }
      const answers = () => federation.notary.answers(questions);
      return json({ server_keys: await strangers.run({ ip, signal }, answers) });
    },
  });
