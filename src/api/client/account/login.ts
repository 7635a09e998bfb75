import * as v from 'valibot';
import { MatrixError, missingParam } from '../../../protocol/errors.ts';
import { identifiedUser } from '../../../users/identifiers.ts';
import type { SessionWish } from '../../../users/login/logins.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { ApiRequest, Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { sessionAnswer } from './session-answer.ts';
import { confirmByPassword } from './uia.ts';

/** What login and registration have in common. */
export const sessionFields = {
  // Some clients send null for what they have not.
  device_id: v.nullish(v.string()),
  initial_device_display_name: v.nullish(v.string()),
  refresh_token: v.nullish(v.boolean(), false),
};

export function sessionWish(
  fields: v.InferOutput<v.ObjectSchema<typeof sessionFields, undefined>>,
  { ip, headers }: Pick<ApiRequest, 'ip' | 'headers'>,
): SessionWish {
  return {
    deviceId: fields.device_id ?? undefined,
    deviceName: fields.initial_device_display_name ?? undefined,
    refreshable: fields.refresh_token ?? false,
    ip,
    agent: headers['user-agent'],
  };
}

const loginBody = v.looseObject({
  type: v.string(),
  identifier: v.optional(v.looseObject({ type: v.optional(v.string()) })),
  user: v.optional(v.string()),
  password: v.optional(v.string()),
  token: v.optional(v.string()),
  ...sessionFields,
});

/**
 * `GET /_matrix/client/v3/login`
 * The ways to log in. 200 `{ flows }`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3login
 */
const flows = (): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/login',
    auth: 'none',
    body: 'none',
    limit: 'reading',
    handler: () => json({ flows: [{ type: 'm.login.password' }, { type: 'm.login.token', get_login_token: true }] }),
  });

/**
 * `POST /_matrix/client/v3/login`
 * Opens a session, on a new device or on one that loses its old tokens by it.
 * 200 `{ user_id, access_token, device_id, … }` · 400 M_UNKNOWN unknown type, M_MISSING_PARAM, M_INVALID_PARAM
 * · 401 M_USER_LOCKED · 403 M_FORBIDDEN, M_USER_DEACTIVATED · 429 M_LIMIT_EXCEEDED after too many wrong passwords
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3login
 */
const login = ({ logins, accounts, server }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/login',
    auth: 'none',
    body: 'json',
    limit: 'login',
    async handler(request) {
      const body = parse(loginBody, request.body);
      const wish = sessionWish(body, request);
      switch (body.type) {
        case 'm.login.password': {
          const name = identifiedUser(request.body, (address) => accounts.ownerOf(address));
          if (name === undefined) throw missingParam('Missing identifier');
          if (body.password === undefined) throw missingParam('Missing password');
          const account = await logins.checkPassword(name, body.password, request.ip);
          return json(sessionAnswer(await logins.open(account, wish), server));
        }
        case 'm.login.token': {
          if (body.token === undefined) throw missingParam('Missing token');
          return json(sessionAnswer(await logins.byToken(body.token, wish), server));
        }
        default:
          throw new MatrixError(400, 'M_UNKNOWN', 'Unknown login type');
      }
    },
  });

/**
 * `POST /_matrix/client/v1/login/get_token`
 * A token with which another client can log in as the same user, once, within two minutes. Always asks for the password.
 * 200 `{ login_token, expires_in_ms }` · 401 user-interactive authentication
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv1loginget_token
 */
const getToken = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v1/login/get_token',
    auth: 'user',
    body: 'optional-json',
    limit: 'login',
    async handler(request) {
      const passed = await confirmByPassword(services, 'POST login/get_token', request);
      const { token, expiresIn } = await services.logins.loginToken(request.requester.user, () =>
        services.uia.finish(passed),
      );
      return json({ login_token: token, expires_in_ms: expiresIn });
    },
  });

const refreshBody = v.looseObject({ refresh_token: v.string() });

/**
 * `POST /_matrix/client/v3/refresh`
 * Trades a refresh token for new tokens; the old one stays good until one of the new ones is used.
 * 200 `{ access_token, refresh_token, expires_in_ms }` · 401 M_UNKNOWN_TOKEN, M_USER_LOCKED
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3refresh
 */
const refresh = ({ tokens }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/refresh',
    auth: 'none',
    body: 'json',
    limit: 'other',
    async handler({ body }) {
      const issued = await tokens.refresh(parse(refreshBody, body).refresh_token);
      return json({
        access_token: issued.accessToken,
        refresh_token: issued.refreshToken,
        expires_in_ms: issued.expiresIn,
      });
    },
  });

export const loginEndpoints = (services: AccountServices): Endpoint[] => [
  flows(),
  login(services),
  getToken(services),
  refresh(services),
];
