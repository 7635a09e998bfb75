import { createHmac } from 'node:crypto';
import type { Config } from '../../../config/config.ts';
import type { JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { ElsewhereServices } from '../../services.ts';

/**
 * `GET /_matrix/client/v3/voip/turnServer`
 * Credentials for the TURN server: made from its shared secret and good for a while, else the fixed ones. Without a TURN
 * server an empty object.
 * 200 `{ username, password, uris, ttl }` or `{}` · 429 M_LIMIT_EXCEEDED
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3voipturnserver
 */
export const turnServer = ({ turn, clock }: ElsewhereServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/voip/turnServer',
    auth: 'user',
    body: 'none',
    limit: 'other',
    handler: ({ requester }) => json(turnCredentials(turn, requester.userId, clock.now())),
  });

/**
 * The user name says until when it is good, in seconds since 1970, and the password proves that we said so: the form
 * that TURN servers with a shared secret check.
 */
export function turnCredentials(turn: Config['turn'], userId: string, now: number): JsonObject {
  if (turn.uris.length === 0) return {};
  const ttl = Math.floor(turn.lifetime / 1000);
  const rest = { uris: [...turn.uris], ttl };
  if (turn.sharedSecret !== undefined) {
    const username = `${Math.floor(now / 1000) + ttl}:${userId}`;
    return { username, password: createHmac('sha1', turn.sharedSecret).update(username).digest('base64'), ...rest };
  }
  return { username: turn.username ?? '', password: turn.password ?? '', ...rest };
}
