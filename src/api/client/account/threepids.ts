import * as v from 'valibot';
import { MatrixError } from '../../../protocol/errors.ts';
import type { MailWish } from '../../../users/mail-addresses.ts';
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
 * This server talks to no identity server. 400 M_SERVER_NOT_TRUSTED, M_MISSING_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3pidbind
 */
const bind = (): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/3pid/bind',
    auth: 'user',
    body: 'json',
    limit: 'other',
    handler({ body }) {
      parse(bindBody, body);
      throw new MatrixError(400, 'M_SERVER_NOT_TRUSTED', 'This server works with no identity server');
    },
  });

/**
 * `POST /_matrix/client/v3/account/3pid`
 * The older form of the same. 403 M_THREEPID_AUTH_FAILED · 400 M_MISSING_PARAM
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
      throw new MatrixError(403, 'M_THREEPID_AUTH_FAILED', 'This server works with no identity server');
    },
  });

const deleteBody = v.looseObject({ medium: v.picklist(['email', 'msisdn']), address: v.string() });

/**
 * `POST /_matrix/client/v3/account/3pid/delete`
 * Removes an address from the account, and its pusher. 200 `{ id_server_unbind_result: 'no-support' }`
 * · 400 M_MISSING_PARAM, M_INVALID_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3piddelete
 */
const remove = ({ mailAddresses }: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/3pid/delete',
    auth: 'user',
    body: 'json',
    limit: 'other',
    async handler({ requester, body }) {
      const { medium, address } = parse(deleteBody, body);
      if (medium === 'email') await mailAddresses.delete(requester.user, address);
      return json({ id_server_unbind_result: 'no-support' });
    },
  });

/**
 * `POST /_matrix/client/v3/account/3pid/unbind`
 * No identity server was told of anything. 200 `{ id_server_unbind_result: 'no-support' }` · 400 M_MISSING_PARAM
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3pidunbind
 */
const unbind = (): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/3pid/unbind',
    auth: 'user',
    body: 'json',
    limit: 'other',
    handler({ body }) {
      parse(deleteBody, body);
      return json({ id_server_unbind_result: 'no-support' });
    },
  });

export const threepidEndpoints = (services: AccountServices): Endpoint[] => [
  list(services),
  requestForAccount(services),
  requestForRegistration(services),
  requestForPassword(services),
  ...phoneRequests(),
  add(services),
  bind(),
  oldBind(),
  remove(services),
  unbind(),
];
