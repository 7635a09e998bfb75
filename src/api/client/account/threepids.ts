import * as v from 'valibot';
import { MatrixError } from '../../../protocol/errors.ts';
import { identityAccess, identityServer, thirdPartyAddress } from '../../../users/identity/identity-servers.ts';
import type { Requester } from '../../../users/login/requester.ts';
import type { MailWish } from '../../../users/mail/mail-addresses.ts';
import type { JsonObject } from '../../../util/json.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { confirmByPassword } from './uia.ts';

/**
 * `GET /_matrix/client/v3/account/3pid`
 * Mail addresses of the account. 200 `{ threepids }`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3account3pid
 */
const list = ({ mailAddresses }: AccountServices): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/account/3pid',
    auth: 'user',
    body: 'none',
    handler({ requester }) {
      const threepids = mailAddresses.list(requester.user).map(({ address, validated, added }) => ({
        medium: 'email',
        address,
        validated_at: validated,
        added_at: added,
      }));
      return json({ threepids });
    },
  });

const mailBody = v.looseObject({
  client_secret: v.string(),
  email: v.string(),
  send_attempt: v.number(),
  next_link: v.nullish(v.string()),
});

function mailWish(body: JsonObject): MailWish {
  const wish = parse(mailBody, body);
  return {
    email: wish.email,
    clientSecret: wish.client_secret,
    sendAttempt: wish.send_attempt,
    nextLink: wish.next_link ?? undefined,
  };
}

/**
 * `POST /_matrix/client/v3/account/3pid/email/requestToken`
 * Mails a link by which a new address of an account is shown to be its own. No access token is needed to ask for it.
 * 200 `{ sid }` · 400 M_THREEPID_IN_USE, M_INVALID_PARAM, M_MISSING_PARAM, M_THREEPID_MEDIUM_NOT_SUPPORTED no mail server
 * · 429 M_LIMIT_EXCEEDED · 500 M_EMAIL_SEND_ERROR
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3pidemailrequesttoken
 */
const requestForAccount = ({ mailAddresses }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/3pid/email/requestToken',
    auth: 'none',
    body: 'json',
    limit: 'registration',
    handler: async ({ body }) => json({ sid: await mailAddresses.request('address', mailWish(body)) }),
  });

/**
 * `POST /_matrix/client/v3/register/email/requestToken`
 * The same for the address of a new account. Errors as above · 403 M_THREEPID_DENIED registration is closed
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3registeremailrequesttoken
 */
const requestForRegistration = ({ mailAddresses, registration }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/register/email/requestToken',
    auth: 'none',
    body: 'json',
    limit: 'registration',
    async handler({ body }) {
      const wish = mailWish(body);
      if (registration.flows.length === 0) {
        throw new MatrixError(403, 'M_THREEPID_DENIED', 'Registration is closed on this server');
      }
      return json({ sid: await mailAddresses.request('registration', wish) });
    },
  });

/**
 * `POST /_matrix/client/v3/account/password/email/requestToken`
 * The same for who has forgotten the password. Errors as above · 400 M_THREEPID_NOT_FOUND in place of M_THREEPID_IN_USE
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountpasswordemailrequesttoken
 */
const requestForPassword = ({ mailAddresses }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/password/email/requestToken',
    auth: 'none',
    body: 'json',
    limit: 'registration',
    handler: async ({ body }) => json({ sid: await mailAddresses.request('password', mailWish(body)) }),
  });

const phonePaths = [
  '/_matrix/client/v3/account/3pid/msisdn/requestToken',
  '/_matrix/client/v3/register/msisdn/requestToken',
  '/_matrix/client/v3/account/password/msisdn/requestToken',
];

/**
 * `POST /_matrix/client/v3/account/3pid/msisdn/requestToken` and the same below `register` and `account/password`
 * Phone numbers are not kept here. 400 M_THREEPID_MEDIUM_NOT_SUPPORTED
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3pidmsisdnrequesttoken
 */
const phoneRequests = (): Endpoint[] =>
  phonePaths.map((path) =>
    endpoint({
      method: 'POST',
      path,
      auth: 'none',
      body: 'json',
      limit: 'registration',
      handler() {
        throw new MatrixError(400, 'M_THREEPID_MEDIUM_NOT_SUPPORTED', 'This server keeps no phone numbers');
      },
    }),
  );

const addBody = v.looseObject({ sid: v.string(), client_secret: v.string() });

/**
 * `POST /_matrix/client/v3/account/3pid/add`
 * Adds an address whose link was opened. 200 `{}` · 400 M_THREEPID_AUTH_FAILED it was not, M_THREEPID_IN_USE,
 * M_MISSING_PARAM · 401 user-interactive authentication
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3pidadd
 */
const add = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/3pid/add',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler(request) {
      const { sid, client_secret: secret } = parse(addBody, request.body);
      const passed = await confirmByPassword(services, 'POST account/3pid/add', request);
      await services.mailAddresses.add(request.requester.user, sid, secret, () => services.uia.finish(passed));
      return empty();
    },
  });

const bindBody = v.looseObject({
  client_secret: v.string(),
  id_server: v.string(),
  id_access_token: v.string(),
  sid: v.string(),
});

/**
 * `POST /_matrix/client/v3/account/3pid/bind`
 * Has the identity server that the client names tell others whose an address is, which was shown there to be the user's.
 * 200 `{}` · 400 M_MISSING_PARAM, M_INVALID_PARAM, M_SERVER_NOT_TRUSTED an identity server that this server does not ask,
 * M_SESSION_NOT_VALIDATED, M_SESSION_EXPIRED · 403 M_FORBIDDEN, M_TERMS_NOT_SIGNED the identity server refuses
 * · 404 M_NO_VALID_SESSION · 502, 504 M_UNKNOWN it does not answer
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3pidbind
 */
const bind = ({ bindings }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/3pid/bind',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, body }) {
      const { sid, client_secret: clientSecret, id_server: server, id_access_token: token } = parse(bindBody, body);
      await bindings.bind(requester, identityAccess(server, token), { sid, clientSecret });
      return empty();
    },
  });

/**
 * `POST /_matrix/client/v3/account/3pid`
 * Would add to the account what an identity server of the client's choice says is the user's. Addresses of accounts log in
 * and set new passwords here, so that nobody else's word is taken for them. 403 M_THREEPID_AUTH_FAILED · 400 M_MISSING_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3pid
 */
const oldBind = (): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/3pid',
    auth: 'user',
    body: 'json',
    limit: 'other',
    handler({ body }) {
      parse(v.looseObject({ three_pid_creds: bindBody }), body);
      throw new MatrixError(
        403,
        'M_THREEPID_AUTH_FAILED',
        'This server believes only the mails that it has sent itself',
      );
    },
  });

const deleteBody = v.looseObject({
  medium: v.picklist(['email', 'msisdn']),
  address: v.string(),
  id_server: v.nullish(v.string()),
});

/** Takes back what identity servers were told. 400 M_INVALID_PARAM */
async function unbound({ bindings }: AccountServices, requester: Requester, body: v.InferOutput<typeof deleteBody>) {
  const server = typeof body.id_server === 'string' ? identityServer(body.id_server) : undefined;
  const address = thirdPartyAddress(body.medium, body.address);
  return { id_server_unbind_result: await bindings.unbind(requester, address, server) };
}

/**
 * `POST /_matrix/client/v3/account/3pid/delete`
 * Removes an address from the account, and its pusher; and has identity servers forget whose it is.
 * 200 `{ id_server_unbind_result }` · 400 M_MISSING_PARAM, M_INVALID_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3piddelete
 */
const remove = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/3pid/delete',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, body }) {
      const wish = parse(deleteBody, body);
      thirdPartyAddress(wish.medium, wish.address);
      if (wish.medium === 'email') await services.mailAddresses.delete(requester.user, wish.address);
      return json(await unbound(services, requester, wish));
    },
  });

/**
 * `POST /_matrix/client/v3/account/3pid/unbind`
 * Has identity servers forget whose an address is: the one named, else those that were told of it by this server.
 * 200 `{ id_server_unbind_result }` · 400 M_MISSING_PARAM, M_INVALID_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3pidunbind
 */
const unbind = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/3pid/unbind',
    auth: 'user',
    body: 'json',
    limit: 'other',
    handler: async ({ requester, body }) => json(await unbound(services, requester, parse(deleteBody, body))),
  });

export const threepidEndpoints = (services: AccountServices): Endpoint[] => [
  list(services),
  requestForAccount(services),
  requestForRegistration(services),
  requestForPassword(services),
  ...phoneRequests(),
  add(services),
  bind(services),
  oldBind(),
  remove(services),
  unbind(services),
];
