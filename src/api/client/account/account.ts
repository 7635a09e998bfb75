import * as v from 'valibot';
import { forbidden } from '../../../protocol/errors.ts';
import { endpoint } from '../../http/endpoint.ts';
import { parse } from '../../http/parse.ts';
import { empty, json } from '../../http/reply.ts';
import type { Endpoint } from '../../http/types.ts';
import type { AccountServices } from '../../services.ts';
import { confirmByPassword, confirmByPasswordOrMail } from './uia.ts';

/**
 * `GET /_matrix/client/v3/account/whoami`
 * Whose token this is. 200 `{ user_id, device_id, is_guest }`
 * @see https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3accountwhoami
 */
const whoami = (): Endpoint =>
  endpoint({
    method: 'GET',
    path: '/_matrix/client/v3/account/whoami',
    auth: 'user',
    body: 'none',
    limit: 'reading',
    handler: ({ requester }) =>
      json({ user_id: requester.userId, device_id: requester.deviceId, is_guest: requester.guest }),
  });

const passwordBody = v.looseObject({
  new_password: v.string(),
  logout_devices: v.optional(v.boolean(), true),
});

/**
 * `POST /_matrix/client/v3/account/password`
 * Changes the password; all other sessions end unless `logout_devices` is false.
 * 200 `{}` · 400 M_WEAK_PASSWORD, M_MISSING_PARAM · 401 user-interactive authentication
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountpassword
 */
const password = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/password',
    auth: 'optional',
    body: 'json',
    limit: 'other',
    async handler(request) {
      const { accounts, passwords, uia } = services;
      const body = parse(passwordBody, request.body);
      passwords.checkStrength(body.new_password);
      const passed = await confirmByPasswordOrMail(services, 'POST account/password', request);
      if (passed.user === undefined) throw forbidden('It is not known whose password this is');
      await accounts.changePassword(passed.user, body.new_password, {
        logOut: body.logout_devices,
        except: request.requester?.device,
        also: () => uia.finish(passed),
      });
      return empty();
    },
  });

const deactivateBody = v.looseObject({ erase: v.optional(v.boolean(), false) });

/**
 * `POST /_matrix/client/v3/account/deactivate`
 * Closes the account for good: sessions end, rooms are left; the user name is never given to somebody else.
 * 200 `{ id_server_unbind_result }` · 401 user-interactive authentication
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountdeactivate
 */
const deactivate = (services: AccountServices): Endpoint =>
  endpoint({
    method: 'POST',
    path: '/_matrix/client/v3/account/deactivate',
    auth: 'optional',
    body: 'optional-json',
    limit: 'other',
    async handler(request) {
      const { deactivation, uia } = services;
      const { erase } = parse(deactivateBody, request.body);
      const passed = await confirmByPassword(services, 'POST account/deactivate', request);
      if (passed.user === undefined) throw forbidden('It is not known whose account this is');
      await deactivation.deactivate(passed.user, erase, () => uia.finish(passed));
      // No identity server was ever told of an address.
      return json({ id_server_unbind_result: 'success' });
    },
  });

export const accountEndpoints = (services: AccountServices): Endpoint[] => [
  whoami(),
  password(services),
  deactivate(services),
];
