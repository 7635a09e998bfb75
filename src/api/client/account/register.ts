import * as v from 'valibot';
import type { Session } from '../../../users/login/logins.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { sessionFields, sessionWish } from './login.ts';
import { sessionAnswer } from './session-answer.ts';

const registerBody = v.looseObject({
  username: v.optional(v.string()),
  password: v.optional(v.string()),
  inhibit_login: v.optional(v.boolean(), false),
  guest_access_token: v.optional(v.string()),
  ...sessionFields,
});

/**
 * `POST /_matrix/client/v3/register`
 * Makes an account, and opens its first session unless `inhibit_login` says not to. What cannot be granted is refused
 * before authentication. With `kind=guest` it is the account of a guest, without authentication; a guest who gives the
 * own token as `guest_access_token` becomes a person and keeps the user ID.
 * 200 `{ user_id, access_token, device_id, … }` · 400 M_USER_IN_USE, M_INVALID_USERNAME, M_WEAK_PASSWORD,
 * M_MISSING_PARAM, M_INVALID_PARAM · 401 user-interactive authentication · 403 M_FORBIDDEN closed, or no guests
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3register
 */
const register = ({ registration, uia, server }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/register',
    auth: 'none',
    body: 'json',
    limit: 'registration',
    async handler(request) {
      const kind = request.query.get('kind') ?? 'user';
      registration.checkOpen(kind);
      const body = parse(registerBody, request.body);
      if (kind === 'guest') {
        const { session } = await registration.registerGuest(sessionWish(body, request));
        return json(sessionAnswer(session as Session, server));
      }
      const { guest_access_token: guestToken } = body;
      const wish = {
        ...sessionWish(body, request),
        username: body.username,
        password: body.password,
        inhibitLogin: body.inhibit_login,
        guest: guestToken === undefined ? undefined : registration.guestOf(guestToken, request.ip),
      };
      registration.check(wish);
      const passed = await uia.authenticate({
        operation: 'POST register',
        body: request.body,
        requester: undefined,
        ip: request.ip,
        flows: registration.flows,
        params: registration.params,
        mayChange: true,
      });
      const { userId, session } = await registration.register(wish, passed);
      return json(session ? sessionAnswer(session, server) : { user_id: userId, home_server: server.serverName });
    },
  });

/**
 * `GET /_matrix/client/v3/register/available`
 * Whether a user name could be registered. 200 `{ available: true }` · 400 M_USER_IN_USE, M_INVALID_USERNAME
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3registeravailable
 */
const available = ({ accounts }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/register/available',
    auth: 'none',
    body: 'none',
    limit: 'other',
    handler({ query }) {
      accounts.freeUserId(query.required('username'));
      return json({ available: true });
    },
  });

/**
 * `GET /_matrix/client/v1/register/m.login.registration_token/validity`
 * Whether a registration token would be accepted now.
 * 200 `{ valid }` · 403 M_FORBIDDEN registration is closed · 429 M_LIMIT_EXCEEDED after too many wrong ones
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1registermloginregistration_tokenvalidity
 */
const tokenValidity = ({ registration }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v1/register/m.login.registration_token/validity',
    auth: 'none',
    body: 'none',
    limit: 'other',
    handler: ({ query, ip }) => json({ valid: registration.isTokenValid(query.required('token'), ip) }),
  });

export const registerEndpoints = (services: AccountServices): Endpoint[] => [
  register(services),
  available(services),
  tokenValidity(services),
];
