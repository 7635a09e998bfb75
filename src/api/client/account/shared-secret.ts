import * as v from 'valibot';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { sessionAnswer } from './session-answer.ts';

const path = '/_synapse/admin/v1/register';

const requestBody = v.looseObject({
  nonce: v.string(),
  username: v.string(),
  password: v.string(),
  mac: v.string(),
  admin: v.optional(v.boolean(), false),
  user_type: v.nullish(v.string()),
  displayname: v.nullish(v.string()),
});

/**
 * `GET /_synapse/admin/v1/register`
 * A nonce for the next call, good for a minute and once. 200 `{ nonce }` · 400 M_UNKNOWN no shared secret is configured
 */
const nonce = ({ sharedSecret }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path,
    auth: 'none',
    body: 'none',
    handler: () => json({ nonce: sharedSecret.nonce() }),
  });

/**
 * `POST /_synapse/admin/v1/register`
 * Makes an account for a program that knows the shared secret: `mac` is the HMAC-SHA1, in hex, of nonce, username,
 * password and `admin` or `notadmin` (and `user_type`, if any) with NUL between them. Known from Synapse.
 * 200 `{ user_id, access_token, device_id, home_server }` · 400 M_UNKNOWN nonce, M_USER_IN_USE, M_INVALID_USERNAME
 * · 403 M_FORBIDDEN wrong MAC
 */
const register = ({ sharedSecret, server }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path,
    auth: 'none',
    body: 'json',
    async handler({ body, ip, headers }) {
      const request = parse(requestBody, body);
      const session = await sharedSecret.register(
        {
          nonce: request.nonce,
          username: request.username,
          password: request.password,
          admin: request.admin,
          userType: request.user_type ?? undefined,
          mac: request.mac,
          displayName: request.displayname ?? undefined,
        },
        { deviceId: undefined, deviceName: undefined, refreshable: false, ip, agent: headers['user-agent'] },
      );
      return json(sessionAnswer(session, server));
    },
  });

export const sharedSecretEndpoints = (services: AccountServices): Endpoint[] => [nonce(services), register(services)];
